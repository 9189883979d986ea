"""The runtimes whose functions ``tag_errors_of`` tags: their layer, and the handler in it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from aws_cdk import aws_lambda as lambda_

from openreplay_cw_stack.infra.internal.function_files import PACKAGE
from openreplay_cw_stack.tagging.propagation.redirection import (
    NODEJS_REDIRECTED_HANDLER,
    REDIRECTED_HANDLER,
)

_WITHOUT_CACHES = shutil.ignore_patterns("__pycache__")
_NODEJS_FILES = ("package.json", "index.js", "index.mjs", "register.js", "lambda.mjs", "LICENSE")


@dataclass(frozen=True)
class TaggingRuntime:
    """One language of AWS Lambda.

    Attributes:
        language: its name.
        runtimes: its versions, in order.
        layer_id: the id of the layer's construct.
        description: the layer's description.
        stage: copies the layer's content into a new or empty folder.
        redirected_handler: the handler that replaces the function's original one.
        level_offset: what to add to a level of Python's ``logging`` for the same level there.
        tags_stdout: the default of ``tag_stdout``.
        in_code: how to tag a function whose code can change.
    """

    language: str
    runtimes: tuple[lambda_.Runtime, ...]
    layer_id: str
    description: str
    stage: Callable[[Path], None]
    redirected_handler: str
    level_offset: int
    tags_stdout: bool
    in_code: str


def stage_python_layer(folder: Path) -> None:
    """Copy the tagging package into the folder from which Lambda's Python imports modules."""
    package = folder / "python" / PACKAGE.name
    shutil.copytree(PACKAGE / "tagging", package / "tagging", ignore=_WITHOUT_CACHES)
    shutil.copy(PACKAGE / "__init__.py", package)


def stage_nodejs_layer(folder: Path) -> None:
    """Copy the npm package into the folder from which Lambda's Node.js loads packages."""
    source = PACKAGE / "nodejs"
    if not source.exists():
        # A checkout.
        source = PACKAGE.parent / "nodejs"
    package = folder / "nodejs" / "node_modules" / "openreplay-cw-tagging"
    shutil.copytree(source / "lib", package / "lib")
    for name in _NODEJS_FILES:
        shutil.copy(source / name, package)


PYTHON = TaggingRuntime(
    language="Python",
    runtimes=(
        lambda_.Runtime.PYTHON_3_10,
        lambda_.Runtime.PYTHON_3_11,
        lambda_.Runtime.PYTHON_3_12,
        lambda_.Runtime.PYTHON_3_13,
        lambda_.Runtime.PYTHON_3_14,
    ),
    layer_id="Layer",
    description="openreplay_cw_stack.tagging: the visitor's session tag on log lines",
    stage=stage_python_layer,
    redirected_handler=REDIRECTED_HANDLER,
    level_offset=0,
    tags_stdout=False,
    in_code="decorate its handler with tag_lambda_handler",
)

NODEJS = TaggingRuntime(
    language="Node.js",
    runtimes=(
        lambda_.Runtime.NODEJS_20_X,
        lambda_.Runtime.NODEJS_22_X,
        # As a later aws-cdk-lib has it: the lowest one that this package supports does not.
        lambda_.Runtime("nodejs24.x", lambda_.RuntimeFamily.NODEJS, supports_inline_code=True),
    ),
    layer_id="NodejsLayer",
    description="openreplay-cw-tagging: the visitor's session tag on log lines",
    stage=stage_nodejs_layer,
    redirected_handler=NODEJS_REDIRECTED_HANDLER,
    # The levels of pino: logging.WARNING is 30, and warn is 40.
    level_offset=10,
    # Loggers in a bundle write to the stream, and are not found otherwise.
    tags_stdout=True,
    in_code="wrap its handler with tagLambdaHandler",
)

RUNTIMES = (PYTHON, NODEJS)
