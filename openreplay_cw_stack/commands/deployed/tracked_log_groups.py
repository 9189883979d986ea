"""Finds the log groups that a stack subscribes the validator to.

The subscription filters in the template name their log group and their destination. CloudFormation
returns only the filter's name as the physical id, and CloudWatch Logs lists filters only by log
group. Without the template, this module would have to query every log group of the account.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from openreplay_cw_stack.commands.deployed.account import Account
from openreplay_cw_stack.commands.deployed.deployment import Deployment, Function
from openreplay_cw_stack.commands.deployed.stack import Resource, Template, read_template

STANDARD = "STANDARD"
STANDARD_ONLY = (
    "Only log groups of the Standard class can have subscription filters, and the class cannot be "
    "changed. Change the program to write to another log group."
)
"""The remedy for a log group of another class."""

FILTER = "AWS::Logs::SubscriptionFilter"
ACCOUNT_POLICY = "AWS::Logs::AccountPolicy"
LOGS_DESTINATION = "AWS::Logs::Destination"


@dataclass(frozen=True)
class TrackedLogGroup:
    """A log group that the stack subscribed the validator to.

    Attributes:
        name: the log group's name.
        filter_name: the name of the stack's subscription filter on it.
        stream_arn: the Kinesis stream that the filter must deliver to; None: the validator.
    """

    name: str
    filter_name: str
    stream_arn: str | None = None


@dataclass(frozen=True)
class AccountPolicy:
    """A subscription filter for many log groups of the account.

    Attributes:
        kind: its type in CloudWatch Logs.
        name: the policy's name; None if the template does not show it.
    """

    kind: str
    name: str | None


@dataclass(frozen=True)
class Tracked:
    """The sources that a stack subscribes the validator to.

    Attributes:
        groups: the log groups.
        unknown: the names of filters whose log group the template does not show.
        policies: the account policies.
        destinations: the names of the destinations for other accounts.
    """

    groups: tuple[TrackedLogGroup, ...] = ()
    unknown: tuple[str, ...] = ()
    policies: tuple[AccountPolicy, ...] = ()
    destinations: tuple[str, ...] = ()


def find_tracked(account: Account, deployment: Deployment) -> Tracked:
    """Find the sources that the stack subscribes the validator to. Empty without a validator.

    Raises:
        CommandFailed: the template cannot be read.
        ClientError: AWS refuses a call.
    """
    validator = deployment.validator
    if validator is None:
        return Tracked()
    template = read_template(account, deployment.stack)
    finder = _Finder(deployment, validator, template, _stream(template, deployment, validator))
    filters = list(finder.filters())
    return Tracked(
        groups=tuple(one for one in filters if isinstance(one, TrackedLogGroup)),
        unknown=tuple(one for one in filters if isinstance(one, str)),
        policies=tuple(finder.policies()),
        destinations=finder.destinations(),
    )


def find_log_group(account: Account, name: str) -> Mapping[str, Any] | None:
    """Return a log group, as CloudWatch Logs describes it; None if it does not exist.

    Raises:
        ClientError: AWS refuses the call.
    """
    pages = account.client("logs").get_paginator("describe_log_groups")
    # The log group of exactly this name comes first, before those with longer names.
    for page in pages.paginate(logGroupNamePrefix=name):
        return next((one for one in page["logGroups"] if one["logGroupName"] == name), None)
    return None


def class_of(log_group: Mapping[str, Any]) -> str:
    """Return the class of a log group that CloudWatch Logs describes."""
    return str(log_group.get("logGroupClass", STANDARD))


def account_policies(account: Account, kind: str) -> list[dict[str, Any]]:
    """List the account policies of a type, as CloudWatch Logs describes them.

    Raises:
        ClientError: AWS refuses the call.
    """
    found: list[dict[str, Any]] = []
    further: dict[str, str] = {}
    # boto3 has no paginator for it.
    while True:
        page = account.client("logs").describe_account_policies(policyType=kind, **further)
        found += page["accountPolicies"]
        if not page.get("nextToken"):
            return found
        further = {"nextToken": page["nextToken"]}


def subscription_filters(account: Account, log_group: str) -> list[dict[str, Any]]:
    """List the subscription filters of a log group, as CloudWatch Logs describes them.

    Raises:
        ClientError: AWS refuses the call.
    """
    pages = account.client("logs").get_paginator("describe_subscription_filters")
    return [
        one
        for page in pages.paginate(logGroupName=log_group)
        for one in page["subscriptionFilters"]
    ]


def beside(others: Sequence[str]) -> str:
    """Return the end of a finding on a log group: the names of its other filters, if any."""
    return f"; others: {', '.join(others)}" if others else ""


@dataclass(frozen=True)
class _Finder:
    """Finds the resources that deliver to a validator, or to the stream that it reads."""

    deployment: Deployment
    validator: Function
    template: Template
    stream: Resource | None

    def filters(self) -> Iterator[TrackedLogGroup | str]:
        """Yield the log group of each subscription filter; if unknown, the name of the filter."""
        for resource in self.deployment.stack.of_kind(FILTER):
            properties = self.template.properties(resource.logical_id)
            destination = properties.get("DestinationArn")
            through = self._names_stream(destination)
            if not through and not _mentions(destination, self.validator):
                continue
            # Newer handlers of CloudFormation give name and group.
            filter_name, _, group = resource.physical_id.partition("|")
            group = self.template.value(properties.get("LogGroupName")) or group
            stream_arn = _arn(self.stream, self.validator) if through and self.stream else None
            yield TrackedLogGroup(group, filter_name, stream_arn) if group else filter_name

    def policies(self) -> Iterator[AccountPolicy]:
        """Yield the account policies."""
        for resource in self.deployment.stack.of_kind(ACCOUNT_POLICY):
            properties = self.template.properties(resource.logical_id)
            if self._names_stream(properties) or _mentions(properties, self.validator):
                kind = self.template.value(properties.get("PolicyType"))
                name = self.template.value(properties.get("PolicyName"))
                yield AccountPolicy(kind or "SUBSCRIPTION_FILTER_POLICY", name)

    def destinations(self) -> tuple[str, ...]:
        """Return the names of the destinations that write to the stream."""
        found = self.deployment.stack.of_kind(LOGS_DESTINATION) if self.stream else []
        return tuple(one.physical_id for one in found)

    def _names_stream(self, properties: Any) -> bool:
        return self.stream is not None and _names(properties, self.stream.logical_id)


def _mentions(properties: Any, function: Function) -> bool:
    return _names(properties, function.logical_id) or function.arn in json.dumps(properties)


def _names(properties: Any, logical_id: str) -> bool:
    return f'"{logical_id}"' in json.dumps(properties)


def _stream(template: Template, deployment: Deployment, validator: Function) -> Resource | None:
    """Return the Kinesis stream that the validator reads, if there is one."""
    for mapping in deployment.stack.of_kind("AWS::Lambda::EventSourceMapping"):
        properties = template.properties(mapping.logical_id)
        if not _mentions(properties.get("FunctionName"), validator):
            continue
        for stream in deployment.stack.of_kind("AWS::Kinesis::Stream"):
            if _names(properties.get("EventSourceArn"), stream.logical_id):
                return stream
    return None


def _arn(stream: Resource, validator: Function) -> str:
    """Return the ARN of a stream in the validator's account and region."""
    _, partition, _, region, account, *_ = validator.arn.split(":")
    return f"arn:{partition}:kinesis:{region}:{account}:stream/{stream.physical_id}"
