"""Lambda functions whose errors carry the session tag without a change of their code."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TypedDict

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from openreplay_cw_stack.infra.internal.function_files import PACKAGE
from openreplay_cw_stack.tagging.propagation.choices import Tag, check_tag, level_number
from openreplay_cw_stack.tagging.propagation.redirection import (
    HEADER_NAME_VARIABLE,
    LEVEL_VARIABLE,
    ORIGINAL_HANDLER_VARIABLE,
    REDIRECTED_HANDLER,
    TAG_STDOUT_VARIABLE,
    TAG_VARIABLE,
)
from openreplay_cw_stack.tagging.propagation.session import HEADER_NAME, HeaderReader

_RUNTIMES = (
    lambda_.Runtime.PYTHON_3_10,
    lambda_.Runtime.PYTHON_3_11,
    lambda_.Runtime.PYTHON_3_12,
    lambda_.Runtime.PYTHON_3_13,
    lambda_.Runtime.PYTHON_3_14,
)


class TaggingOptions(TypedDict, total=False):
    """The arguments of :meth:`TaggingLayer.tag_errors_of` beside the function."""

    header_name: str
    tag_stdout: bool
    tag: Tag
    level: int | str | None


class TaggingLayer(Construct):
    """A Lambda layer with the tagging package, and the functions that it is put in front of.

    Functions get it from a construct in their own stack: a layer's ARN changes with every release
    of this package, and what one stack exports to another cannot change.

    Attributes:
        layer: the layer; ``openreplay_cw_stack.tagging`` can be imported where it is.
    """

    def __init__(self, scope: Construct, construct_id: str) -> None:
        """Make the layer."""
        super().__init__(scope, construct_id)
        with tempfile.TemporaryDirectory() as folder:
            _stage(Path(folder))
            self.layer = lambda_.LayerVersion(
                self,
                "Layer",
                code=lambda_.Code.from_asset(folder),
                compatible_runtimes=list(_RUNTIMES),
                description="openreplay_cw_stack.tagging: the visitor's session tag on log lines",
            )

    def tag_errors_of(
        self,
        function: lambda_.IFunction,
        *,
        header_name: str = HEADER_NAME,
        tag_stdout: bool = False,
        tag: Tag = "token",
        level: int | str | None = None,
    ) -> None:
        """Have a Python function's log lines tagged with the session that its event's header names.

        The function's handler becomes one of this package, which calls the one that was there; an
        exec wrapper (``AWS_LAMBDA_EXEC_WRAPPER``) stays as it is. Its log group is not tracked by
        this: ``track(function.log_group)``.

        Args:
            function: a function of your app with code of its own.
            header_name: the header with the session token.
            tag_stdout: tag what is printed to stdout as well.
            tag: ``"id"`` writes the session id in place of the session token. The token's signature
                is checked nowhere then: a header is worth what its sender says.
            level: the level from which records of ``logging`` are tagged, such as ``"WARNING"``;
                None: all.

        Raises:
            ValueError: the function cannot be redirected: it is imported, an alias or a version, a
                container image, inline code, or in another stack; its runtime is no Python that
                AWS Lambda still runs; it is tagged already; or an argument is not what it can be.
        """
        HeaderReader(header_name)
        check_tag(tag)
        number = None if level is None else level_number(level)
        redirected = _redirectable(function, cdk.Stack.of(self))
        resource = redirected.node.default_child
        assert isinstance(resource, lambda_.CfnFunction)  # noqa: S101
        redirected.add_layers(self.layer)
        redirected.add_environment(ORIGINAL_HANDLER_VARIABLE, str(resource.handler))
        if header_name != HEADER_NAME:
            redirected.add_environment(HEADER_NAME_VARIABLE, header_name)
        if tag_stdout:
            redirected.add_environment(TAG_STDOUT_VARIABLE, "true")
        if tag == "id":
            redirected.add_environment(TAG_VARIABLE, tag)
        if number is not None:
            redirected.add_environment(LEVEL_VARIABLE, str(number))
        resource.handler = REDIRECTED_HANDLER


def _stage(folder: Path) -> None:
    """Lay the package out as Lambda's Python finds it in a layer."""
    package = folder / "python" / PACKAGE.name
    shutil.copytree(
        PACKAGE / "tagging", package / "tagging", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copy(PACKAGE / "__init__.py", package)


def _redirectable(function: lambda_.IFunction, stack: cdk.Stack) -> lambda_.Function:
    """The function, if its handler can be redirected.

    Raises:
        ValueError: it cannot.
    """
    name = function.node.path
    if not isinstance(function, lambda_.Function):
        raise ValueError(
            f"{name} cannot be tagged: it is no function that this app makes, but an imported one, "
            "an alias or a version, whose handler cannot be changed here; pass the function "
            "itself, or decorate its handler with tag_lambda_handler"
        )
    resource = function.node.default_child
    if not isinstance(resource, lambda_.CfnFunction):
        raise ValueError(f"{name} cannot be tagged: it is no AWS::Lambda::Function")
    _check_code(name, function, resource)
    if cdk.Stack.of(function).node.addr != stack.node.addr:
        raise ValueError(
            f"{name} cannot be tagged from here: it is in another stack, which would hold on to "
            f"this release of the layer; use TaggingLayer({cdk.Stack.of(function).node.id}, "
            "...).tag_errors_of(function) there"
        )
    if resource.handler == REDIRECTED_HANDLER:
        raise ValueError(f"{name} is tagged already: name every function once")
    return function


def _check_code(name: str, function: lambda_.Function, resource: lambda_.CfnFunction) -> None:
    code = cdk.Stack.of(function).resolve(resource.code)
    if resource.package_type == "Image" or "imageUri" in code:
        raise ValueError(
            f"{name} cannot be tagged: it is a container image, which has no layers; put "
            "openreplay-cw-stack into the image and decorate the handler with tag_lambda_handler"
        )
    if "zipFile" in code:
        raise ValueError(
            f"{name} cannot be tagged: its code is inline, and CloudFormation calls inline code by "
            "a handler in `index` only; use Code.from_asset()"
        )
    names = [runtime.name for runtime in _RUNTIMES]
    if function.runtime.name not in names:
        raise ValueError(
            f"{name} cannot be tagged: its runtime is {function.runtime.name}, and the tagging is "
            f"Python's, of {names[0]} to {names[-1]}"
        )
