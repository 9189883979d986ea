"""What the app itself shows of a log group, and how policies name one."""

from __future__ import annotations

import json
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_logs as logs

MAX_NAME = 512
"""Characters of a log group's name."""
_MAX_STACK_NAME, _RANDOM = 128, 16


def concrete_name(log_group: logs.ILogGroup) -> str | None:
    """The log group's name where the app knows it, else None (CloudFormation will choose it)."""
    for name in (_declared_name(log_group), log_group.log_group_name):
        if name is not None and not cdk.Token.is_unresolved(name):
            return name
    return None


def identity(log_group: logs.ILogGroup) -> str:
    """A text that is equal for two constructs that stand for the same log group.

    Two constructs can stand for one group: one created it and another imported its name. Where
    the name is only known at deploy time, two constructs are distinguished by their reference.
    """
    name = concrete_name(log_group)
    if name is not None:
        return name
    return reference_identity(cdk.Stack.of(log_group), log_group.log_group_name)


def reference_identity(stack: cdk.Stack, name: str) -> str:
    """The identity of a log group that a resource in ``stack`` names."""
    if not cdk.Token.is_unresolved(name):
        return name
    stack = _defining_stack(name) or stack
    return f"{stack.node.addr} {json.dumps(_by_reference(stack.resolve(name)), sort_keys=True)}"


def _defining_stack(name: str) -> cdk.Stack | None:
    """The stack of the resource that a name refers to, which may be another one."""
    tokens = cdk.Tokenization.reverse_string(name).tokens
    if len(tokens) == 1 and isinstance(tokens[0], cdk.Reference):
        return cdk.Stack.of(tokens[0].target)
    return None


def describe(log_group: logs.ILogGroup) -> str:
    """The log group in an error message: its name, or else where it is defined."""
    return concrete_name(log_group) or f"the log group at {log_group.node.path}"


def longest_name(log_group: logs.ILogGroup) -> int:
    """How many characters a log group's name can have, where CloudFormation chooses it as well.

    AWS CloudFormation User Guide, "Name type": the stack's name, the logical id and a random text,
    which has 12 or 13 characters, with hyphens between.
    """
    name = concrete_name(log_group)
    if name is not None:
        return len(name)
    resource = log_group.node.default_child
    if not isinstance(resource, logs.CfnLogGroup):
        return MAX_NAME
    if resource.stack.resolve(resource.log_group_name) is not None:
        return MAX_NAME
    stack_name = resource.stack.stack_name
    logical_id = str(resource.stack.resolve(resource.logical_id))
    known = not cdk.Token.is_unresolved(stack_name)
    chosen = (len(stack_name) if known else _MAX_STACK_NAME) + len(logical_id) + _RANDOM
    return min(MAX_NAME, chosen)


def log_group_class(log_group: logs.ILogGroup) -> str | None:
    """The class of a log group that this app creates; None where it cannot be seen."""
    child = log_group.node.default_child
    if isinstance(child, logs.CfnLogGroup):
        return child.log_group_class or logs.LogGroupClass.STANDARD.value
    return None


def arn_for_policies(log_group: logs.ILogGroup) -> str:
    """The ARN that a policy names to mean a log group: it ends in exactly one ``:*``.

    AWS documentation, "Overview of managing access permissions to your CloudWatch Logs resources".
    """
    arn = log_group.log_group_arn
    return arn if cdk.Token.is_unresolved(arn) or arn.endswith(":*") else f"{arn}:*"


def _declared_name(log_group: logs.ILogGroup) -> str | None:
    child = log_group.node.default_child
    return child.log_group_name if isinstance(child, logs.CfnLogGroup) else None


def _by_reference(resolved: Any) -> Any:
    """A name that is cut out of a log group's ARN as what refers to that log group."""
    match resolved:
        case {
            "Fn::Select": [6, {"Fn::Split": [":", {"Fn::GetAtt": [str() as logical_id, "Arn"]}]}]
        }:
            return {"Ref": logical_id}
    return resolved
