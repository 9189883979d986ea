"""Session tags on the log lines of Lambda functions, without a change to their code."""

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
    """The keyword arguments of :meth:`TaggingLayer.tag_errors_of`."""

    header_name: str
    tag_stdout: bool
    tag: Tag
    level: int | str | None


class TaggingLayer(Construct):
    """A Lambda layer with the tagging package, for the functions of one stack.

    Each stack needs its own construct: a layer's ARN changes with every release of this package,
    and CloudFormation does not change an export that another stack uses.

    Attributes:
        layer: the layer. Its functions can import ``openreplay_cw_stack.tagging``.
    """

    def __init__(self, scope: Construct, construct_id: str) -> None:
        """Create the layer."""
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
        """Tag a Python function's log lines with the session in the header of its event.

        The function gets a handler of this package, which calls the original handler. An exec
        wrapper (``AWS_LAMBDA_EXEC_WRAPPER``) does not change. This does not track the function's
        log group: call ``track(function.log_group)``.

        Args:
            function: a function of the same stack.
            header_name: the header with the session token.
            tag_stdout: also tag the lines that the function prints to stdout.
            tag: ``"id"`` writes the session id instead of the session token. Then no component
                checks the token's signature, and a client can send any id in the header.
            level: the lowest level of ``logging`` records to tag, such as ``"WARNING"``; None: all.

        Raises:
            ValueError: the handler cannot be changed, since the function is imported, an alias, a
                version, a container image, inline code, or in another stack; its runtime is not a
                Python version that AWS Lambda runs; it is already tagged; or an argument is wrong.
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
    """Copy the package into the folder from which Lambda's Python imports a layer's modules."""
    package = folder / "python" / PACKAGE.name
    shutil.copytree(
        PACKAGE / "tagging", package / "tagging", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copy(PACKAGE / "__init__.py", package)


def _redirectable(function: lambda_.IFunction, stack: cdk.Stack) -> lambda_.Function:
    """Return the function if its handler can be changed.

    Raises:
        ValueError: the handler cannot be changed.
    """
    name = function.node.path
    if not isinstance(function, lambda_.Function):
        raise ValueError(
            f"{name} cannot be tagged: it is an imported function, an alias or a version, whose "
            "handler this app cannot change; pass the function itself, or decorate its handler "
            "with tag_lambda_handler"
        )
    resource = function.node.default_child
    if not isinstance(resource, lambda_.CfnFunction):
        raise ValueError(f"{name} cannot be tagged: it is not an AWS::Lambda::Function")
    _check_code(name, function, resource)
    if cdk.Stack.of(function).node.addr != stack.node.addr:
        raise ValueError(
            f"{name} cannot be tagged from here: it is in another stack, whose import would block "
            f"updates of the layer; use TaggingLayer({cdk.Stack.of(function).node.id}, "
            "...).tag_errors_of(function) there"
        )
    if resource.handler == REDIRECTED_HANDLER:
        raise ValueError(f"{name} is already tagged: name every function once")
    return function


def _check_code(name: str, function: lambda_.Function, resource: lambda_.CfnFunction) -> None:
    code = cdk.Stack.of(function).resolve(resource.code)
    if resource.package_type == "Image" or "imageUri" in code:
        raise ValueError(
            f"{name} cannot be tagged: it is a container image, which cannot have layers; install "
            "openreplay-cw-stack in the image and decorate the handler with tag_lambda_handler"
        )
    if "zipFile" in code:
        raise ValueError(
            f"{name} cannot be tagged: its code is inline, and the handler of inline code must be "
            "in the module `index`; use Code.from_asset()"
        )
    names = [runtime.name for runtime in _RUNTIMES]
    if function.runtime.name not in names:
        raise ValueError(
            f"{name} cannot be tagged: its runtime is {function.runtime.name}, and the layer "
            f"supports {names[0]} to {names[-1]}"
        )
