"""Names, identities and ARNs of log groups during synthesis."""

from __future__ import annotations

import json
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_logs as logs

MAX_NAME = 512
"""The most characters of a log group's name."""
_MAX_STACK_NAME, _RANDOM = 128, 16


def concrete_name(log_group: logs.ILogGroup) -> str | None:
    """Return the log group's name, or None if CloudFormation chooses it."""
    for name in (_declared_name(log_group), log_group.log_group_name):
        if name is not None and not cdk.Token.is_unresolved(name):
            return name
    return None


def identity(log_group: logs.ILogGroup) -> str:
    """Return a text that is equal for two constructs that represent the same log group.

    Two constructs represent one log group if one creates it and the other imports its name. If the
    name is only known at deploy time, the reference to it identifies the log group.
    """
    name = concrete_name(log_group)
    if name is not None:
        return name
    return reference_identity(cdk.Stack.of(log_group), log_group.log_group_name)


def reference_identity(stack: cdk.Stack, name: str) -> str:
    """Return the identity of a log group that a resource in ``stack`` names."""
    if not cdk.Token.is_unresolved(name):
        return name
    stack = _defining_stack(name) or stack
    return f"{stack.node.addr} {json.dumps(_by_reference(stack.resolve(name)), sort_keys=True)}"


def _defining_stack(name: str) -> cdk.Stack | None:
    """Return the stack of the resource that a name refers to, which can be another stack."""
    tokens = cdk.Tokenization.reverse_string(name).tokens
    if len(tokens) == 1 and isinstance(tokens[0], cdk.Reference):
        return cdk.Stack.of(tokens[0].target)
    return None


def describe(log_group: logs.ILogGroup) -> str:
    """Return the log group's name for an error message, or the path of its construct."""
    return concrete_name(log_group) or f"the log group at {log_group.node.path}"


def longest_name(log_group: logs.ILogGroup) -> int:
    """Return the most characters of a log group's name, even if CloudFormation chooses the name.

    AWS CloudFormation User Guide, "Name type": such a name joins the stack's name, the logical id
    and a random text of 12 or 13 characters with hyphens.
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
    """Return the class of a log group, or None if this app does not create the log group."""
    child = log_group.node.default_child
    if isinstance(child, logs.CfnLogGroup):
        return child.log_group_class or logs.LogGroupClass.STANDARD.value
    return None


def arn_for_policies(log_group: logs.ILogGroup) -> str:
    """Return the ARN of a log group for a policy: it ends in exactly one ``:*``.

    AWS documentation, "Overview of managing access permissions to your CloudWatch Logs resources".
    """
    arn = log_group.log_group_arn
    return arn if cdk.Token.is_unresolved(arn) or arn.endswith(":*") else f"{arn}:*"


def _declared_name(log_group: logs.ILogGroup) -> str | None:
    child = log_group.node.default_child
    return child.log_group_name if isinstance(child, logs.CfnLogGroup) else None


def _by_reference(resolved: Any) -> Any:
    """Replace a name that is cut out of a log group's ARN by the reference to the log group."""
    match resolved:
        case {
            "Fn::Select": [6, {"Fn::Split": [":", {"Fn::GetAtt": [str() as logical_id, "Arn"]}]}]
        }:
            return {"Ref": logical_id}
    return resolved
