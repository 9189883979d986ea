"""The code of our Lambda functions: this package's own files, without a build step."""

from __future__ import annotations

from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_

RUNTIME = lambda_.Runtime.PYTHON_3_14
"""The newest Python that AWS Lambda runs."""

_PACKAGE = Path(__file__).resolve().parents[1]


_ROOMS = tuple(
    sorted(one.name for one in (_PACKAGE / "runtime").iterdir() if (one / "__init__.py").exists())
)


def function_code(room: str) -> lambda_.Code:
    """What a function is deployed with: its own room of ``runtime``, what all share, ``tagging``.

    The same files and the same hash from a checkout and from an installed package. Handler names
    are the import names used everywhere else.

    Args:
        room: the name of a package in ``runtime``.
    """
    name = _PACKAGE.name
    others = [f"/{name}/runtime/{other}" for other in _ROOMS if other != room]
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
            *others,
            "__pycache__",
            "*.pyc",
        ],
    )
