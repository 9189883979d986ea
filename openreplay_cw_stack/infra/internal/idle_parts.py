"""Warnings about parts without effect: a construct without log groups, an untracked function."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aws_cdk as cdk
import jsii
from aws_cdk import aws_lambda as lambda_
from constructs import Construct, IConstruct

if TYPE_CHECKING:
    from openreplay_cw_stack.infra.token_validator import TokenValidator


@jsii.implements(cdk.IAspect)
class IdleParts:
    """Annotates a construct during synthesis, since log groups can be added until then.

    Args:
        construct: the construct to annotate.
        validator: its validator, which knows the tracked log groups.
    """

    def __init__(self, construct: Construct, validator: TokenValidator) -> None:
        self._construct, self._validator = construct, validator
        self._tagged: list[lambda_.IFunction] = []
        cdk.Aspects.of(construct).add(self)

    def add_tagged_function(self, function: lambda_.IFunction) -> None:
        """Note a function whose lines are tagged."""
        self._tagged.append(function)

    def visit(self, node: IConstruct) -> None:
        """Annotate the construct. The CDK calls this for the construct and all its children."""
        if node.node.path != self._construct.node.path or self._validator.tracks_others:
            return
        if not self._validator.log_groups:
            cdk.Annotations.of(self._construct).add_warning_v2(
                "openreplay-cw-stack:tracks-nothing",
                "no log group is tracked, so no line is judged: name some in log_groups or "
                "new_log_groups, or call track()",
            )
        tracked = [self._resolved(group.log_group_name) for group in self._validator.log_groups]
        for function in self._tagged:
            name = self._log_group_of(function)
            if name is not None and name not in tracked:
                cdk.Annotations.of(function).add_warning_v2(
                    "openreplay-cw-stack:tagged-and-not-tracked",
                    "the function's lines are tagged, but its log group is not tracked, so no "
                    "line is judged: call track(function.log_group)",
                )

    def _log_group_of(self, function: lambda_.IFunction) -> object:
        """Return the name of the function's log group, or None if the app does not know it.

        ``function.log_group`` is not read: it creates a log group for a function without one.
        """
        resource = function.node.default_child
        if not isinstance(resource, lambda_.CfnFunction):
            return None
        logging = self._resolved(resource.logging_config)
        if isinstance(logging, dict) and logging.get("logGroup"):
            return logging["logGroup"]
        name = self._resolved(resource.function_name)
        return f"/aws/lambda/{name}" if isinstance(name, str) else None

    def _resolved(self, value: object) -> object:
        return cdk.Stack.of(self._construct).resolve(value)
