"""The tracked log groups: whether each is subscribed, and whether the filter delivers.

Which they are says the template: its subscription filters name their log group and their
destination. CloudFormation gives the filter's name as the physical id, and CloudWatch Logs finds a
filter only by its log group, so that there is no way back from the one to the other but to ask of
every group in the account.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from openreplay_cw_stack.commands.check.context import Context, TrackedLogGroup
from openreplay_cw_stack.commands.check.findings import Finding, fail, guarded, ok, warn
from openreplay_cw_stack.commands.check.metric_sums import Metric, sums
from openreplay_cw_stack.commands.deployed.account import Account
from openreplay_cw_stack.commands.deployed.deployment import Deployment, Function
from openreplay_cw_stack.commands.deployed.stack import Resource, Template, read_template
from openreplay_cw_stack.commands.terminal import count
from openreplay_cw_stack.contract.filter_pattern import FILTER_PATTERN

FILTERS_ALLOWED = 5
"""Subscription filters to a log group: AWS documentation, "CloudWatch Logs quotas"."""
FILTERS_COMMON = 2
"""What the API reference of PutSubscriptionFilter says; some accounts are held to it."""

_NAME = "tracked log group"
_FILTER = "AWS::Logs::SubscriptionFilter"
_ACCOUNT_POLICY = "AWS::Logs::AccountPolicy"
_LOGS_DESTINATION = "AWS::Logs::Destination"


def find_tracked(
    account: Account, deployment: Deployment, tracked: list[TrackedLogGroup]
) -> Iterator[Finding]:
    """Fills ``tracked`` with the log groups that the stack subscribes the validator to."""
    validator = deployment.validator
    if validator is None:
        return
    template = read_template(account, deployment.stack)
    stream = _stream(template, deployment, validator)
    for resource in deployment.stack.of_kind(_FILTER):
        properties = template.properties(resource.logical_id)
        destination = properties.get("DestinationArn")
        through = stream if stream and _names(destination, stream.logical_id) else None
        if not _mentions(destination, validator) and not through:
            continue
        # Newer handlers of CloudFormation's give name and group.
        filter_name, _, group = resource.physical_id.partition("|")
        group = template.value(properties.get("LogGroupName")) or group
        if group:
            stream_arn = _arn(stream, validator) if stream and through else None
            tracked.append(TrackedLogGroup(group, filter_name, stream_arn))
        else:
            yield fail(
                _NAME,
                f"the template does not say on which log group {filter_name} is",
                "Name the log group in the app, so that it can be looked at.",
            )
    policies = [one.logical_id for one in deployment.stack.of_kind(_ACCOUNT_POLICY)]
    ours = [
        one
        for one in policies
        if _mentions(template.properties(one), validator)
        or (stream and _names(template.properties(one), stream.logical_id))
    ]
    for logical_id in ours:
        yield from guarded("account policy", _account_policy(account, template, logical_id))
    destinations = [one.physical_id for one in deployment.stack.of_kind(_LOGS_DESTINATION)]
    if stream and destinations:
        yield ok(_NAME, f"other accounts may subscribe theirs to {', '.join(destinations)}")
    elif not tracked and not ours:
        yield fail(
            _NAME,
            "no log group is tracked",
            "Name some in log_groups or new_log_groups, or call track().",
        )


def _mentions(properties: Any, function: Function) -> bool:
    return _names(properties, function.logical_id) or function.arn in json.dumps(properties)


def _names(properties: Any, logical_id: str) -> bool:
    return f'"{logical_id}"' in json.dumps(properties)


def _stream(template: Template, deployment: Deployment, validator: Function) -> Resource | None:
    """The Kinesis stream that the validator reads, if it does."""
    for mapping in deployment.stack.of_kind("AWS::Lambda::EventSourceMapping"):
        properties = template.properties(mapping.logical_id)
        if not _mentions(properties.get("FunctionName"), validator):
            continue
        for stream in deployment.stack.of_kind("AWS::Kinesis::Stream"):
            if _names(properties.get("EventSourceArn"), stream.logical_id):
                return stream
    return None


def _arn(stream: Resource, validator: Function) -> str:
    """The ARN of a stream in the validator's account and region."""
    _, partition, _, region, account, *_ = validator.arn.split(":")
    return f"arn:{partition}:kinesis:{region}:{account}:stream/{stream.physical_id}"


def _account_policy(account: Account, template: Template, logical_id: str) -> Iterator[Finding]:
    properties = template.properties(logical_id)
    kind = template.value(properties.get("PolicyType")) or "SUBSCRIPTION_FILTER_POLICY"
    answer = account.client("logs").describe_account_policies(policyType=kind)
    wanted = template.value(properties.get("PolicyName"))
    found = [one for one in answer["accountPolicies"] if one["policyName"] == wanted]
    if not found:
        yield fail(
            "account policy",
            f"the stack's policy {wanted} is gone",
            "It was removed by hand: deploy once without it, and then with it.",
        )
        return
    criteria = found[0].get("selectionCriteria") or "every log group of the account"
    yield ok("account policy", f"{wanted} selects: {criteria}")


def check_tracked_log_groups(context: Context) -> Iterator[Finding]:
    """Each log group: that it is there, its filters, and what they have delivered."""
    validator = context.validator
    if validator is None:
        return
    for group in context.tracked:
        yield from guarded(_NAME, _group(context, group, validator))
        yield from guarded("delivery", _delivery(context.account, group))


def _group(context: Context, group: TrackedLogGroup, validator: Function) -> Iterator[Finding]:
    logs = context.client("logs")
    pages = logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=group.name)
    # The group of exactly this name comes first; others follow whose name is longer.
    first: list[Mapping[str, Any]] = next(iter(pages), {"logGroups": []})["logGroups"]
    found = next((one for one in first if one["logGroupName"] == group.name), None)
    if found is None:
        yield fail(
            _NAME,
            f"{group.name} does not exist",
            "Its program creates it with the first line, without our filter: leave it out of "
            "log_groups, deploy, and deploy with it again.",
        )
        return
    kind = found.get("logGroupClass", "STANDARD")
    if kind != "STANDARD":
        yield fail(
            _NAME,
            f"{group.name} is of the class {kind}, which delivers nothing",
            "Only the Standard class has subscription filters, and a group's class cannot be "
            "changed: have the program write to another group.",
        )
        return
    filters = _filters(logs, group.name)
    for one in filters:
        if one["filterName"] == group.filter_name:
            context.subscribed_ms[group.name] = one.get("creationTime", 0)
    yield _subscription(group, validator, filters, found.get("retentionInDays"))


def _filters(logs: Any, name: str) -> list[dict[str, Any]]:
    pages = logs.get_paginator("describe_subscription_filters").paginate(logGroupName=name)
    return [one for page in pages for one in page["subscriptionFilters"]]


def _subscription(
    group: TrackedLogGroup,
    validator: Function,
    filters: list[dict[str, Any]],
    retention: int | None,
) -> Finding:
    ours = next((one for one in filters if one["filterName"] == group.filter_name), None)
    others = [one["filterName"] for one in filters if one is not ours]
    beside = f"; others: {', '.join(others)}" if others else ""
    if ours is None:
        said = f"{group.name} has lost our subscription filter{beside}"
        return fail(_NAME, said, f"It was removed by hand. {_put(group, validator)}")
    if ours["destinationArn"] != (group.stream_arn or validator.arn):
        said = f"the filter of {group.name} has another destination"
        return fail(_NAME, said, f"It was changed by hand. {_put(group, validator)}")
    if ours["filterPattern"] != FILTER_PATTERN:
        said = f"the filter of {group.name} has another pattern"
        remedy = "It was changed by hand, or the stack is of another release: deploy this one. "
        return fail(_NAME, said, remedy + _put(group, validator))
    kept = f"lines kept {count(retention, 'day')}" if retention else "lines kept for ever"
    quotas = f"{FILTERS_ALLOWED} allowed, in some accounts {FILTERS_COMMON}"
    number = count(len(filters), "subscription filter")
    seen = f"{group.name}: {number} ({quotas}); {kept}{beside}"
    if len(filters) >= FILTERS_ALLOWED:
        return warn(_NAME, seen, "A change of our filter needs a free place: remove one.")
    return ok(_NAME, seen)


def _put(group: TrackedLogGroup, validator: Function) -> str:
    if group.stream_arn:
        return (
            "CloudFormation does not see that: leave the log group out of log_groups, deploy, and "
            "deploy with it again."
        )
    return (
        "CloudFormation does not see that; put it back:\n"
        f"aws logs put-subscription-filter --log-group-name '{group.name}' "
        f"--filter-name '{group.filter_name}' --filter-pattern '{FILTER_PATTERN}' "
        f"--destination-arn {validator.arn}"
    )


def _delivery(account: Account, group: TrackedLogGroup) -> Iterator[Finding]:
    """CloudWatch Logs User Guide, "Monitoring with CloudWatch metrics"."""
    dimensions = (
        ("LogGroupName", group.name),
        ("DestinationType", "Kinesis" if group.stream_arn else "Lambda"),
        ("FilterName", group.filter_name),
    )
    names = ("ForwardedLogEvents", "DeliveryErrors", "DeliveryThrottling")
    forwarded, errors, throttled = sums(
        account, [Metric("AWS/Logs", name, dimensions) for name in names]
    )
    seen = f"{group.name}: {count(forwarded, 'line')} forwarded in {account.span}"
    if errors:
        yield fail(
            "delivery",
            f"{seen}, {count(errors, 'delivery error')}",
            "CloudWatch Logs may not invoke the validator, or it is gone: lines are skipped for up "
            "to ten minutes after each. Look whether the function still has the stack's "
            "permission for logs.amazonaws.com.",
        )
    elif throttled:
        yield warn(
            "delivery",
            f"{seen}, {throttled} throttled",
            "They are tried again for a day. Raise reserved_concurrency.",
        )
    else:
        yield ok("delivery", seen)
