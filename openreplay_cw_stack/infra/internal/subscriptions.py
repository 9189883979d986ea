"""Subscription filters, which deliver the lines of tracked log groups to the validator."""

from __future__ import annotations

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_logs_destinations as destinations
from constructs import Construct, IDependable

from openreplay_cw_stack.contract.filter_pattern import FILTER_PATTERN
from openreplay_cw_stack.infra.ingest_stream import IngestStream
from openreplay_cw_stack.infra.internal.later import Later
from openreplay_cw_stack.infra.internal.log_groups import describe, identity, log_group_class
from openreplay_cw_stack.infra.internal.subscription_limits import (
    CriteriaValidation,
    FilterCountValidation,
    ResourceCountValidation,
)

CHAIN_WIDTH = 5
"""How many filters are created at a time. Beyond a few dozen, CloudFormation is throttled."""


class Subscriptions(Construct):
    """The subscription filters of one function: one per log group, or one for the whole account.

    Attributes:
        account_policy: subscribes the log groups of the account; None if each log group has its
            own filter.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        function: lambda_.Function,
        stream: IngestStream | None = None,
        after: Sequence[IDependable] = (),
    ) -> None:
        """Prepare the delivery to ``function``, or to the stream that it reads.

        Args:
            scope: the parent construct.
            construct_id: the id under it.
            function: the validator's function.
            stream: receives the lines instead of the function.
            after: resources that must exist before the first line is delivered.
        """
        super().__init__(scope, construct_id)
        self._stream = stream
        self._filters: list[logs.SubscriptionFilter] = []
        self._groups: dict[str, logs.ILogGroup] = {}
        self._places: set[str] = set()
        self._refused: dict[str, tuple[logs.ILogGroup, str]] = {}
        self.account_policy: logs.CfnAccountPolicy | None = None
        self._destination: logs.ILogSubscriptionDestination
        self._distribution: logs.Distribution | None
        if stream is None:
            self._destination = destinations.LambdaDestination(function, add_permissions=False)
            self._distribution = None
            self._destination_arn = function.function_arn
            permission = self._permission(function)
            for dependency in after:
                permission.node.add_dependency(dependency)
            self._before: tuple[IDependable, ...] = (permission,)
        else:
            self._destination = stream.filter_destination()
            # With the default, by log stream, one busy log stream can fill a shard.
            self._distribution = logs.Distribution.RANDOM
            self._destination_arn = stream.stream.stream_arn
            self._before = (stream.policy, *after)
        self.node.add_validation(FilterCountValidation(self, lambda: self.log_groups))
        self.node.add_validation(ResourceCountValidation(self, lambda: self.log_groups))

    @property
    def log_groups(self) -> tuple[logs.ILogGroup, ...]:
        """The subscribed log groups, in the order in which they were added."""
        return tuple(self._groups.values())

    def refuse(self, log_group: logs.ILogGroup, reason: str) -> None:
        """Refuse a log group from now on, and give the reason in errors."""
        self._refused[identity(log_group)] = (log_group, reason)

    def is_refused(self, log_group: logs.ILogGroup) -> bool:
        """Return whether a log group is refused."""
        return identity(log_group) in self._refused

    def add(self, log_group: logs.ILogGroup) -> logs.SubscriptionFilter:
        """Subscribe the function to a log group, and return the filter.

        Raises:
            ValueError: the log group is refused; it already has a subscription, or the whole
                account has one; or, as far as the app knows, it is in another account or region,
                or its class does not support subscription filters.
        """
        self._check(log_group)
        self._groups[identity(log_group)] = log_group
        subscription_filter = logs.SubscriptionFilter(
            self,
            cdk.Names.node_unique_id(log_group.node),
            log_group=log_group,
            destination=self._destination,
            filter_pattern=logs.FilterPattern.literal(FILTER_PATTERN),
            distribution=self._distribution,
        )
        subscription_filter.node.add_dependency(*self._before)
        if len(self._filters) >= CHAIN_WIDTH:
            subscription_filter.node.add_dependency(self._filters[-CHAIN_WIDTH])
        self._filters.append(subscription_filter)
        return subscription_filter

    def add_account(self, untracked: Sequence[str] = ()) -> None:
        """Subscribe the function to every log group of the account and region, now and later.

        CloudWatch Logs API reference, "PutAccountPolicy": an account has one such policy per
        region, for log groups of the Standard class. The policy excludes refused log groups, even
        if they are refused later.

        Args:
            untracked: names of further log groups to exclude.

        Raises:
            ValueError: a log group already has its own subscription.
        """
        for log_group in self._groups.values():
            raise ValueError(f"{describe(log_group)} already has its own subscription: {_TWICE}")
        stack = cdk.Stack.of(self)

        def criteria() -> str:
            names = [one.log_group_name for one, _ in self._refused.values()]
            names = list(dict.fromkeys([*names, *untracked]))
            return f"LogGroupName NOT IN {stack.to_json_string(names)}"

        document = {"DestinationArn": self._destination_arn, "FilterPattern": FILTER_PATTERN}
        if self._stream is not None:
            document |= {"RoleArn": self._stream.role.role_arn, "Distribution": "Random"}
        self.account_policy = logs.CfnAccountPolicy(
            self,
            "AccountPolicy",
            policy_name=cdk.Names.unique_resource_name(self, max_length=255, separator="-"),
            policy_type="SUBSCRIPTION_FILTER_POLICY",
            policy_document=stack.to_json_string(document),
            scope="ALL",
            selection_criteria=cdk.Lazy.string(Later(criteria)),
        )
        self.account_policy.node.add_dependency(*self._before)
        self.node.add_validation(CriteriaValidation(self, criteria))

    def _permission(self, function: lambda_.Function) -> lambda_.CfnPermission:
        """Create one permission for all log groups: a function's policy is limited to 20 KB."""
        stack = cdk.Stack.of(self)
        return lambda_.CfnPermission(
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

    def _check(self, log_group: logs.ILogGroup) -> None:
        name, key = describe(log_group), identity(log_group)
        if key in self._refused:
            raise ValueError(f"{name} cannot be tracked: {self._refused[key][1]}")
        if self.account_policy is not None:
            raise ValueError(f"{name} cannot have its own subscription: {_TWICE}")
        if key in self._groups:
            raise ValueError(f"{name} is already tracked: name every log group once")
        if log_group_class(log_group) not in (None, logs.LogGroupClass.STANDARD.value):
            raise ValueError(
                f"{name} cannot be tracked: only log groups of the Standard class can have "
                "subscription filters; create it with log_group_class=LogGroupClass.STANDARD"
            )
        self._check_place(log_group, name)

    def _check_place(self, log_group: logs.ILogGroup, name: str) -> None:
        stack = cdk.Stack.of(self)
        for what, theirs, ours in (
            ("region", log_group.env.region, stack.region),
            ("account", log_group.env.account, stack.account),
        ):
            if cdk.Token.is_unresolved(theirs) or theirs == ours:
                continue
            fix = f"a subscription filter needs a function in its {what}; deploy a stack there"
            if not cdk.Token.is_unresolved(ours):
                raise ValueError(f"{name} is in {what} {theirs} and this stack in {ours}: {fix}")
            self._require_place(ours, theirs, f"{name} is in {what} {theirs}: {fix}")

    def _require_place(self, ours: str, theirs: str, why: str) -> None:
        """Make CloudFormation reject an environment-agnostic stack in another account or region.

        AWS CloudFormation User Guide, "Rules": CloudFormation checks rules before it creates
        resources.
        """
        if theirs in self._places:
            return
        self._places.add(theirs)
        rule = self.node.try_find_child("Place") or cdk.CfnRule(self, "Place")
        assert isinstance(rule, cdk.CfnRule)  # noqa: S101
        rule.add_assertion(cdk.Fn.condition_equals(ours, theirs), why)


_TWICE = (
    "with track_account=True the account's subscription delivers its lines, and every line would "
    "be delivered twice; omit one of the two"
)
