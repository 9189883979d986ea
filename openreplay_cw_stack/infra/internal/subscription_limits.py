"""Checks the limits of CloudFormation and CloudWatch Logs on subscriptions during synthesis.

Otherwise a deployment fails after minutes and is rolled back, with an error that names no fix.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import aws_cdk as cdk
import jsii
from aws_cdk import aws_logs as logs
from constructs import IConstruct, IValidation

from openreplay_cw_stack.contract.limits import FILTERS_ALLOWED, FILTERS_COMMON
from openreplay_cw_stack.infra.internal.log_groups import (
    MAX_NAME,
    describe,
    identity,
    reference_identity,
)

RESOURCES_ALLOWED = 500
"""Resources per stack: AWS documentation, "Understand CloudFormation quotas"."""
CRITERIA_BYTES_ALLOWED = 25 * 1024
"""Bytes of an account policy's criteria: CloudWatch Logs API reference, "PutAccountPolicy"."""


@jsii.implements(IValidation)
class FilterCountValidation:
    """Counts every subscription filter that the whole app puts on a tracked group."""

    def __init__(self, scope: IConstruct, tracked: Callable[[], Sequence[logs.ILogGroup]]) -> None:
        self._scope = scope
        self._tracked = tracked

    def validate(self) -> list[str]:
        """The errors, one sentence each."""
        tracked = self._tracked()
        counts = _filters_in_app(self._scope.node.root) if tracked else {}
        errors = []
        for log_group in tracked:
            count = counts.get(identity(log_group), 0)
            if count > FILTERS_ALLOWED:
                errors.append(
                    f"{describe(log_group)} has {count} subscription filters in this app; "
                    f"CloudWatch Logs allows {FILTERS_ALLOWED}: remove one"
                )
            elif count > FILTERS_COMMON:
                cdk.Annotations.of(self._scope).add_warning_v2(
                    "openreplay-cw-stack:subscription-filters",
                    f"{describe(log_group)} has {count} subscription filters in this app; some "
                    f"accounts are limited to {FILTERS_COMMON}",
                )
        return errors


@jsii.implements(IValidation)
class ResourceCountValidation:
    """Counts the resources of the whole stack, including those of other constructs."""

    def __init__(self, scope: IConstruct, tracked: Callable[[], Sequence[logs.ILogGroup]]) -> None:
        self._scope = scope
        self._tracked = tracked

    def validate(self) -> list[str]:
        """The errors, one sentence each."""
        tracked = len(self._tracked())
        # With few tracked log groups, other options would not help.
        if tracked <= 1:
            return []
        stack = cdk.Stack.of(self._scope)
        count = sum(1 for _ in _resources_of(stack))
        if count <= RESOURCES_ALLOWED:
            return []
        return [
            f"the stack {stack.stack_name} has {count} resources, and CloudFormation allows "
            f"{RESOURCES_ALLOWED}: it tracks {tracked} log groups, each of which takes one "
            "resource, or two if the stack creates the log group. Divide them among several "
            "deployments, or track every log group of the account with track_account=True, which "
            "takes one resource for all"
        ]


@jsii.implements(IValidation)
class CriteriaValidation:
    """Measures selection criteria. A name that is not known yet counts with its longest length."""

    def __init__(self, scope: IConstruct, criteria: Callable[[], str]) -> None:
        self._scope = scope
        self._criteria = criteria

    def validate(self) -> list[str]:
        """The errors, one sentence each."""
        length = _longest(cdk.Stack.of(self._scope).resolve(self._criteria()))
        if length <= CRITERIA_BYTES_ALLOWED:
            return []
        return [
            f"the selection criteria of the account's subscription can be {length} bytes long, and "
            f"CloudWatch Logs allows {CRITERIA_BYTES_ALLOWED}: name fewer excluded_log_groups. "
            "Tracking a log group without session tags costs nothing"
        ]


def _longest(resolved: Any) -> int:
    if isinstance(resolved, str):
        return len(resolved.encode())
    if isinstance(resolved, dict) and set(resolved) == {"Fn::Join"}:
        separator, parts = resolved["Fn::Join"]
        return sum(map(_longest, parts)) + len(separator) * (len(parts) - 1)
    return MAX_NAME


def _resources_of(stack: cdk.Stack) -> Iterator[cdk.CfnResource]:
    for construct in stack.node.find_all():
        # A nested stack has resources of its own.
        if isinstance(construct, cdk.CfnResource) and construct.stack is stack:
            yield construct


def _filters_in_app(root: IConstruct) -> dict[str, int]:
    constructs = root.node.find_all()
    names = {
        _place(construct.stack, construct.logical_id): construct.log_group_name
        for construct in constructs
        if isinstance(construct, logs.CfnLogGroup) and construct.log_group_name is not None
    }
    counts: dict[str, int] = {}
    for construct in constructs:
        if isinstance(construct, logs.CfnSubscriptionFilter):
            key = _filtered_group(construct, names)
            counts[key] = counts.get(key, 0) + 1
    return counts


def _filtered_group(
    subscription_filter: logs.CfnSubscriptionFilter, names: dict[tuple[str, str], str]
) -> str:
    stack, name = subscription_filter.stack, subscription_filter.log_group_name
    resolved = stack.resolve(name)
    if isinstance(resolved, dict) and set(resolved) == {"Ref"}:
        name = names.get((stack.node.addr, resolved["Ref"]), name)
    return reference_identity(stack, name)


def _place(stack: cdk.Stack, logical_id: str) -> tuple[str, str]:
    return stack.node.addr, str(stack.resolve(logical_id))
