"""Checks the account policies of CloudWatch Logs, which affect every stack of the account."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from openreplay_cw_stack.commands.deployed.tracked_log_groups import (
    ACCOUNT_POLICY,
    account_policies,
)
from openreplay_cw_stack.commands.preflight.plan import Context
from openreplay_cw_stack.commands.report.findings import (
    Finding,
    Step,
    fail,
    guarded,
    ok,
    skip,
    warn,
)

SUBSCRIPTIONS = "SUBSCRIPTION_FILTER_POLICY"
METRICS = "METRIC_EXTRACTION_POLICY"

_NAME = "account policy"


def check_account_policies(context: Context) -> Step[None]:
    """Check that no account policy conflicts with the stack's own policy or its metrics."""
    if any(_is_subscription(one.properties) for one in context.plan.of_kind(ACCOUNT_POLICY)):
        yield from guarded(_NAME, _subscriptions(context), denied=skip)
    yield from guarded(_NAME, _metrics(context), denied=skip)


def _is_subscription(properties: Any) -> bool:
    return bool(properties.get("PolicyType") == SUBSCRIPTIONS)


def _subscriptions(context: Context) -> Step[None]:
    """Check for another subscription of the account.

    CloudWatch Logs API reference, "PutAccountPolicy": one per account and region.
    """
    own = context.owned(ACCOUNT_POLICY)
    existing = account_policies(context.account, SUBSCRIPTIONS)
    others = [one["policyName"] for one in existing if one["policyName"] not in own]
    if others:
        yield fail(
            _NAME,
            f"the account already has a subscription for all log groups: {', '.join(others)}",
            "An account can have one per region: name log groups in log_groups instead of "
            "track_account, or remove the other policy.",
        )
    else:
        yield ok(_NAME, "no other subscription for all log groups of the account")


def _metrics(context: Context) -> Step[None]:
    yield metrics_finding(_NAME, account_policies(context.account, METRICS))


def metrics_finding(name: str, policies: Iterable[dict[str, Any]]) -> Finding:
    """Judge whether a policy can disable the metrics that functions print.

    CloudWatch Logs API reference, "PutAccountPolicy".
    """
    found = [
        f"{one['policyName']} ({one.get('selectionCriteria') or 'every log group'})"
        for one in policies
    ]
    if not found:
        return ok(name, "no policy disables metrics in log lines")
    return warn(
        name,
        f"can disable the metrics that the functions print: {', '.join(found)}",
        "Without these metrics the dashboard and the alarms show nothing. Exclude the log groups "
        "of the stack's functions from the policy; after the first lines, `check` shows whether "
        "metrics are missing.",
    )
