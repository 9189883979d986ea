"""The code of our Lambda functions: this package's own files, without a build step."""

from __future__ import annotations

from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_

RUNTIME = lambda_.Runtime.PYTHON_3_14
"""The newest Python that AWS Lambda runs."""

_PACKAGE = Path(__file__).resolve().parents[1]


def function_code() -> lambda_.Code:
    """What every function is deployed with: the ``runtime`` and ``tagging`` packages.

    The same files and the same hash from a checkout and from an installed package. Handler names
    are the import names used everywhere else.
    """
    name = _PACKAGE.name
    return lambda_.Code.from_asset(
        str(_PACKAGE.parent),
        ignore_mode=cdk.IgnoreMode.GIT,
        exclude=[
            "/*",
            f"!/{name}",
            f"/{name}/*",
            f"!/{name}/__init__.py",
            f"!/{name}/runtime",
            f"!/{name}/tagging",
            "__pycache__",
            "*.pyc",
        ],
    )
