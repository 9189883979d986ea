"""Session tags on the log lines of Lambda functions, without a change to their code."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TypedDict

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from openreplay_cw_stack.infra.internal.tagging_runtimes import (
    NODEJS,
    PYTHON,
    RUNTIMES,
    TaggingRuntime,
)
from openreplay_cw_stack.tagging.propagation.choices import Tag, check_tag, level_number
from openreplay_cw_stack.tagging.propagation.redirection import (
    HEADER_NAME_VARIABLE,
    LEVEL_VARIABLE,
    ORIGINAL_HANDLER_VARIABLE,
    TAG_STDOUT_VARIABLE,
    TAG_VARIABLE,
)
from openreplay_cw_stack.tagging.propagation.session import HEADER_NAME, HeaderReader


class TaggingOptions(TypedDict, total=False):
    """The keyword arguments of :meth:`TaggingLayer.tag_errors_of`."""

    header_name: str
    tag_stdout: bool | None
    tag: Tag
    level: int | str | None


class TaggingLayer(Construct):
    """Lambda layers with the tagging packages, for the functions of one stack.

    Each stack needs its own construct: a layer's ARN changes with every release of this package,
    and CloudFormation does not change an export that another stack uses. A layer is created when
    it is first used.
    """

    def __init__(self, scope: Construct, construct_id: str) -> None:
        """Create the construct."""
        super().__init__(scope, construct_id)
        self._layers: dict[str, lambda_.LayerVersion] = {}

    @property
    def layer(self) -> lambda_.LayerVersion:
        """The layer for Python: its functions can import ``openreplay_cw_stack.tagging``."""
        return self._layer_of(PYTHON)

    @property
    def nodejs_layer(self) -> lambda_.LayerVersion:
        """The layer for Node.js: its functions can load ``openreplay-cw-tagging``."""
        return self._layer_of(NODEJS)

    def tag_errors_of(
        self,
        function: lambda_.IFunction,
        *,
        header_name: str = HEADER_NAME,
        tag_stdout: bool | None = None,
        tag: Tag = "token",
        level: int | str | None = None,
    ) -> None:
        """Tag the log lines of a Python or Node.js function with the session of its event's header.

        The function gets a handler of this package, which calls the original handler. An exec
        wrapper (``AWS_LAMBDA_EXEC_WRAPPER``) and ``NODE_OPTIONS`` do not change. This does not
        track the function's log group: call ``track(function.log_group)``.

        Args:
            function: a function of the same stack.
            header_name: the header with the session token.
            tag_stdout: whether to tag lines on stdout too. None: yes for Node.js, because its
                loggers write to stdout; no for Python.
            tag: ``"id"`` writes the session id instead of the session token. Then no component
                checks the token's signature, and a client can send any id in the header.
            level: the lowest level to tag, as Python's ``logging`` names or numbers it, such as
                ``"WARNING"``; None: all.

        Raises:
            ValueError: the handler cannot be changed, since the function is imported, an alias, a
                version, a container image, inline code, or in another stack; its runtime is not a
                version of Python or Node.js that AWS Lambda runs; it is already tagged; or an
                argument is wrong.
        """
        HeaderReader(header_name)
        check_tag(tag)
        number = None if level is None else level_number(level)
        redirected, runtime = _redirectable(function, cdk.Stack.of(self))
        resource = redirected.node.default_child
        assert isinstance(resource, lambda_.CfnFunction)  # noqa: S101
        redirected.add_layers(self._layer_of(runtime))
        redirected.add_environment(ORIGINAL_HANDLER_VARIABLE, str(resource.handler))
        if header_name != HEADER_NAME:
            redirected.add_environment(HEADER_NAME_VARIABLE, header_name)
        if runtime.tags_stdout if tag_stdout is None else tag_stdout:
            redirected.add_environment(TAG_STDOUT_VARIABLE, "true")
        if tag == "id":
            redirected.add_environment(TAG_VARIABLE, tag)
        if number is not None:
            redirected.add_environment(LEVEL_VARIABLE, str(number + runtime.level_offset))
        resource.handler = runtime.redirected_handler

    def _layer_of(self, runtime: TaggingRuntime) -> lambda_.LayerVersion:
        if runtime.layer_id not in self._layers:
            with tempfile.TemporaryDirectory() as folder:
                runtime.stage(Path(folder))
                self._layers[runtime.layer_id] = lambda_.LayerVersion(
                    self,
                    runtime.layer_id,
                    code=lambda_.Code.from_asset(folder),
                    compatible_runtimes=list(runtime.runtimes),
                    description=runtime.description,
                )
        return self._layers[runtime.layer_id]


def _redirectable(
    function: lambda_.IFunction, stack: cdk.Stack
) -> tuple[lambda_.Function, TaggingRuntime]:
    """Return the function and its runtime, if its handler can be changed.

    Raises:
        ValueError: the handler cannot be changed.
    """
    name = function.node.path
    if not isinstance(function, lambda_.Function):
        raise ValueError(
            f"{name} cannot be tagged: it is an imported function, an alias or a version, whose "
            "handler this app cannot change; pass the function itself, or tag it in its code: "
            f"{_in_code()}"
        )
    resource = function.node.default_child
    if not isinstance(resource, lambda_.CfnFunction):
        raise ValueError(f"{name} cannot be tagged: it is not an AWS::Lambda::Function")
    runtime = _runtime_of(name, function, resource)
    if cdk.Stack.of(function).node.addr != stack.node.addr:
        raise ValueError(
            f"{name} cannot be tagged from here: it is in another stack, whose import would block "
            f"updates of the layer; use TaggingLayer({cdk.Stack.of(function).node.id}, "
            "...).tag_errors_of(function) there"
        )
    if resource.handler == runtime.redirected_handler:
        raise ValueError(f"{name} is already tagged: name every function once")
    return function, runtime


def _runtime_of(
    name: str, function: lambda_.Function, resource: lambda_.CfnFunction
) -> TaggingRuntime:
    code = cdk.Stack.of(function).resolve(resource.code)
    if resource.package_type == "Image" or "imageUri" in code:
        raise ValueError(
            f"{name} cannot be tagged: it is a container image, which cannot have layers; install "
            f"the tagging package in the image, and tag it in its code: {_in_code()}"
        )
    if "zipFile" in code:
        raise ValueError(
            f"{name} cannot be tagged: its code is inline, and the handler of inline code must be "
            "in the module `index`; use Code.from_asset()"
        )
    for runtime in RUNTIMES:
        if function.runtime.name in [one.name for one in runtime.runtimes]:
            return runtime
    supported = [f"{one.runtimes[0].name} to {one.runtimes[-1].name}" for one in RUNTIMES]
    raise ValueError(
        f"{name} cannot be tagged: its runtime is {function.runtime.name}, and the layers support "
        f"{' and '.join(supported)}"
    )


def _in_code() -> str:
    return " or ".join(f"{one.in_code} ({one.language})" for one in RUNTIMES)
