"""Subscription filters: which lines reach the validator, and which log groups may be tracked."""

from __future__ import annotations

import aws_cdk as cdk
import jsii
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_logs_destinations as destinations
from constructs import Construct, IConstruct, IValidation

from openreplay_cw_stack.infra.log_groups import (
    describe,
    identity,
    log_group_class,
    reference_identity,
)
from openreplay_cw_stack.tagging.filter_pattern import FILTER_PATTERN

FILTERS_ALLOWED = 5
"""Subscription filters to a log group: AWS documentation, "CloudWatch Logs quotas"."""
FILTERS_COMMON = 2
"""What the API reference of PutSubscriptionFilter still says; some accounts are held to it."""
CHAIN_WIDTH = 5
"""How many filters are created at a time: CloudFormation is throttled beyond a few dozen."""


class Subscriptions(Construct):
    """The subscription filters of one function, one to a log group.

    Attributes:
        permission: lets CloudWatch Logs invoke the function; one for every log group, since the
            policy of a function is capped at 20 KB.
    """

    def __init__(self, scope: Construct, construct_id: str, *, function: lambda_.Function) -> None:
        """Allow CloudWatch Logs of this account and region to invoke ``function``."""
        super().__init__(scope, construct_id)
        self._function = function
        self._filters: list[logs.SubscriptionFilter] = []
        self._groups: dict[str, logs.ILogGroup] = {}
        self._refused: dict[str, str] = {}
        stack = cdk.Stack.of(self)
        self.permission = lambda_.CfnPermission(
            self,
            "Permission",
            action="lambda:InvokeFunction",
            function_name=function.function_arn,
            principal="logs.amazonaws.com",
            source_account=stack.account,
            source_arn=stack.format_arn(
                service="logs",
                resource="log-group",
                resource_name="*",
                arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
            ),
        )
        self.node.add_validation(_FilterCountValidation(self))

    @property
    def log_groups(self) -> tuple[logs.ILogGroup, ...]:
        """The subscribed log groups, in the order in which they were added."""
        return tuple(self._groups.values())

    def refuse(self, log_group: logs.ILogGroup, reason: str) -> None:
        """Refuse a log group from now on, with the reason that is to be told."""
        self._refused[identity(log_group)] = reason

    def add(self, log_group: logs.ILogGroup) -> logs.SubscriptionFilter:
        """Subscribe the function to a log group; the filter.

        Raises:
            ValueError: the group is refused, subscribed already, in another account or region, or
                of a class without subscription filters, as far as the app shows it.
        """
        self._check(log_group)
        self._groups[identity(log_group)] = log_group
        subscription_filter = logs.SubscriptionFilter(
            self,
            cdk.Names.node_unique_id(log_group.node),
            log_group=log_group,
            destination=destinations.LambdaDestination(self._function, add_permissions=False),
            filter_pattern=logs.FilterPattern.literal(FILTER_PATTERN),
        )
        subscription_filter.node.add_dependency(self.permission)
        if len(self._filters) >= CHAIN_WIDTH:
            subscription_filter.node.add_dependency(self._filters[-CHAIN_WIDTH])
        self._filters.append(subscription_filter)
        return subscription_filter

    def _check(self, log_group: logs.ILogGroup) -> None:
        name, key = describe(log_group), identity(log_group)
        if key in self._refused:
            raise ValueError(f"{name} cannot be tracked: {self._refused[key]}")
        if key in self._groups:
            raise ValueError(f"{name} is tracked already: name every log group once")
        if log_group_class(log_group) not in (None, logs.LogGroupClass.STANDARD.value):
            raise ValueError(
                f"{name} cannot be tracked: only log groups of the Standard class have "
                "subscription filters; create it with log_group_class=LogGroupClass.STANDARD"
            )
        self._check_place(log_group, name)

    def _check_place(self, log_group: logs.ILogGroup, name: str) -> None:
        stack = cdk.Stack.of(self)
        for what, theirs, ours in (
            ("region", log_group.env.region, stack.region),
            ("account", log_group.env.account, stack.account),
        ):
            known = not cdk.Token.is_unresolved(theirs) and not cdk.Token.is_unresolved(ours)
            if known and theirs != ours:
                raise ValueError(
                    f"{name} is in {what} {theirs} and this stack in {ours}: a subscription filter "
                    f"and its function are in one {what}; deploy a stack there"
                )


@jsii.implements(IValidation)
class _FilterCountValidation:
    """Counts, at synth, every subscription filter that the whole app puts on a tracked group."""

    def __init__(self, subscriptions: Subscriptions) -> None:
        self._subscriptions = subscriptions

    def validate(self) -> list[str]:
        counts = _filters_in_app(self._subscriptions.node.root)
        errors = []
        for log_group in self._subscriptions.log_groups:
            count = counts.get(identity(log_group), 0)
            if count > FILTERS_ALLOWED:
                errors.append(
                    f"{describe(log_group)} has {count} subscription filters in this app; "
                    f"CloudWatch Logs allows {FILTERS_ALLOWED}: remove one"
                )
            elif count > FILTERS_COMMON:
                cdk.Annotations.of(self._subscriptions).add_warning_v2(
                    "openreplay-cw-stack:subscription-filters",
                    f"{describe(log_group)} has {count} subscription filters in this app; some "
                    f"accounts are held to {FILTERS_COMMON}",
                )
        return errors


def _filters_in_app(root: IConstruct) -> dict[str, int]:
    counts: dict[str, int] = {}
    for construct in root.node.find_all():
        if isinstance(construct, logs.CfnSubscriptionFilter):
            key = _filtered_group(construct)
            counts[key] = counts.get(key, 0) + 1
    return counts


def _filtered_group(subscription_filter: logs.CfnSubscriptionFilter) -> str:
    stack = cdk.Stack.of(subscription_filter)
    resolved = stack.resolve(subscription_filter.log_group_name)
    if isinstance(resolved, dict) and set(resolved) == {"Ref"}:
        for construct in stack.node.find_all():
            if (
                isinstance(construct, logs.CfnLogGroup)
                and stack.resolve(construct.logical_id) == resolved["Ref"]
                and construct.log_group_name is not None
            ):
                return reference_identity(stack, construct.log_group_name)
    return reference_identity(stack, subscription_filter.log_group_name)
