"""Checks the tracked log groups: their subscription filters, and the delivery of their lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from openreplay_cw_stack.commands.check.context import Context
from openreplay_cw_stack.commands.check.delivery import check_account_delivery, check_delivery
from openreplay_cw_stack.commands.deployed.account import Account
from openreplay_cw_stack.commands.deployed.deployment import Deployment, Function
from openreplay_cw_stack.commands.deployed.tracked_log_groups import (
    STANDARD,
    STANDARD_ONLY,
    AccountPolicy,
    TrackedLogGroup,
    account_policies,
    beside,
    class_of,
    find_log_group,
    find_tracked,
    subscription_filters,
)
from openreplay_cw_stack.commands.report.findings import Finding, Step, fail, guarded, ok, warn
from openreplay_cw_stack.commands.terminal import count
from openreplay_cw_stack.contract.filter_pattern import FILTER_PATTERN
from openreplay_cw_stack.contract.limits import FILTERS_ALLOWED, FILTERS_COMMON

_NAME = "tracked log group"


def check_what_is_tracked(
    account: Account, deployment: Deployment
) -> Step[tuple[TrackedLogGroup, ...]]:
    """Check that the stack tracks log groups, and return them."""
    if deployment.validator is None:
        return ()
    tracked = find_tracked(account, deployment)
    for filter_name in tracked.unknown:
        yield fail(
            _NAME,
            f"the template does not name the log group of the filter {filter_name}",
            "Name the log group in the app, so that this command can check it.",
        )
    for policy in tracked.policies:
        yield from guarded("account policy", _account_policy(account, policy))
    if tracked.destinations:
        others = ", ".join(tracked.destinations)
        yield ok(_NAME, f"other accounts can subscribe their log groups to {others}")
    elif not tracked.groups and not tracked.policies:
        yield fail(
            _NAME,
            "no log group is tracked",
            "Name some in log_groups or new_log_groups, or call track().",
        )
    return tracked.groups


def _account_policy(account: Account, policy: AccountPolicy) -> Step[None]:
    existing = account_policies(account, policy.kind)
    found = [one for one in existing if one["policyName"] == policy.name]
    if not found:
        yield fail(
            "account policy",
            f"the stack's policy {policy.name} does not exist",
            "It was deleted by hand: deploy once without track_account, then with it.",
        )
        return
    criteria = found[0].get("selectionCriteria") or "every log group of the account"
    yield ok("account policy", f"{policy.name} selects: {criteria}")
    yield from guarded("delivery", check_account_delivery(account, str(policy.name)))


def check_tracked_log_groups(context: Context) -> Step[Mapping[str, int]]:
    """Check each log group, its filters and their delivery.

    Returns when the stack's filter was created, by the name of the log group, in milliseconds since
    1970. Earlier lines are not delivered. Log groups without the filter are not in the result.
    """
    subscribed_ms: dict[str, int] = {}
    validator = context.validator
    if validator is None:
        return subscribed_ms
    for group in context.tracked:
        since_ms = yield from guarded(_NAME, _group(context, group, validator), None)
        if since_ms is not None:
            subscribed_ms[group.name] = since_ms
        yield from guarded("delivery", check_delivery(context.account, group))
    return subscribed_ms


def _group(context: Context, group: TrackedLogGroup, validator: Function) -> Step[int | None]:
    """Check one log group, and return when the stack's filter was created."""
    found = find_log_group(context.account, group.name)
    if found is None:
        yield fail(
            _NAME,
            f"{group.name} does not exist",
            "Its program creates it again with its next line, but without the stack's filter: "
            "deploy without it in log_groups, then with it.",
        )
        return None
    kind = class_of(found)
    if kind != STANDARD:
        yield fail(
            _NAME,
            f"{group.name} is of the class {kind}, which delivers nothing",
            STANDARD_ONLY,
        )
        return None
    filters = subscription_filters(context.account, group.name)
    own = next((one for one in filters if one["filterName"] == group.filter_name), None)
    yield _subscription(group, validator, filters, own, found.get("retentionInDays"))
    return None if own is None else int(own.get("creationTime", 0))


def _subscription(
    group: TrackedLogGroup,
    validator: Function,
    filters: list[dict[str, Any]],
    own: dict[str, Any] | None,
    retention: int | None,
) -> Finding:
    others = beside([one["filterName"] for one in filters if one is not own])
    if own is None:
        said = f"{group.name} does not have the stack's subscription filter{others}"
        return fail(_NAME, said, f"It was deleted by hand. {_put(group, validator)}")
    if own["destinationArn"] != (group.stream_arn or validator.arn):
        said = f"the filter of {group.name} has another destination"
        return fail(_NAME, said, f"It was changed by hand. {_put(group, validator)}")
    if own["filterPattern"] != FILTER_PATTERN:
        said = f"the filter of {group.name} has another pattern"
        remedy = "It was changed by hand, or another version deployed it: deploy this version. "
        return fail(_NAME, said, remedy + _put(group, validator))
    kept = f"lines kept {count(retention, 'day')}" if retention else "lines kept forever"
    quotas = f"{FILTERS_ALLOWED} allowed, in some accounts {FILTERS_COMMON}"
    number = count(len(filters), "subscription filter")
    seen = f"{group.name}: {number} ({quotas}); {kept}{others}"
    if len(filters) >= FILTERS_ALLOWED:
        return warn(
            _NAME,
            seen,
            "An update of the stack's filter needs a free place: remove another filter.",
        )
    return ok(_NAME, seen)


def _put(group: TrackedLogGroup, validator: Function) -> str:
    if group.stream_arn:
        return (
            "CloudFormation does not notice this: deploy without the log group in log_groups, then "
            "with it."
        )
    return (
        "CloudFormation does not notice this; restore the filter:\n"
        f"aws logs put-subscription-filter --log-group-name '{group.name}' "
        f"--filter-name '{group.filter_name}' --filter-pattern '{FILTER_PATTERN}' "
        f"--destination-arn {validator.arn}"
    )
