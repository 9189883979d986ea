"""Checks the delivery of lines by CloudWatch Logs.

CloudWatch Logs User Guide, "Monitoring with CloudWatch metrics", names the dimensions, but not the
values of ``DestinationType``, so this module gets the values from ListMetrics. ListMetrics returns
a new metric only after up to 15 minutes, so the likely value is always included.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from openreplay_cw_stack.commands.check.metric_sums import Metric, sums
from openreplay_cw_stack.commands.deployed.account import Account
from openreplay_cw_stack.commands.deployed.tracked_log_groups import TrackedLogGroup
from openreplay_cw_stack.commands.report.findings import Finding, Step, fail, ok, warn
from openreplay_cw_stack.commands.terminal import count

_NAMESPACE = "AWS/Logs"
_NAMES = ("ForwardedLogEvents", "DeliveryErrors", "DeliveryThrottling")

Dimensions = Mapping[str, str]


def check_delivery(account: Account, group: TrackedLogGroup) -> Step[None]:
    """Check the delivery by the stack's filter on a log group."""
    # The metric's dimension has a question mark for each character that is not ASCII.
    filter_name = group.filter_name.encode("ascii", "replace").decode()
    likely = {
        "LogGroupName": group.name,
        "DestinationType": "Kinesis" if group.stream_arn else "Lambda",
        "FilterName": filter_name,
    }
    metrics = _metrics(
        account,
        {"Name": "LogGroupName", "Value": group.name},
        lambda dimensions: dimensions.get("FilterName") == filter_name,
        likely,
    )
    yield _finding(account, group.name, metrics)


def check_account_delivery(account: Account, policy: str) -> Step[None]:
    """Check the delivery by the account's subscription.

    An account has one per region, so every ``FilterName`` belongs to it.
    """
    metrics = _metrics(account, {"Name": "PolicyLevel"}, lambda _: True, None)
    yield _finding(account, policy, metrics)


def _metrics(
    account: Account,
    wanted: Mapping[str, str],
    is_own: Callable[[Dimensions], bool],
    likely: Dimensions | None,
) -> dict[str, list[Metric]]:
    """Return the metrics of one subscription, by name."""
    found: dict[str, set[tuple[tuple[str, str], ...]]] = {name: set() for name in _NAMES}
    for name, dimensions in _listed(account, wanted):
        if name in found and is_own(dimensions):
            found[name].add(tuple(sorted(dimensions.items())))
    if likely is not None:
        for sets in found.values():
            sets.add(tuple(sorted(likely.items())))
    return {
        name: [Metric(_NAMESPACE, name, one) for one in sorted(sets)]
        for name, sets in found.items()
    }


def _listed(account: Account, wanted: Mapping[str, str]) -> Iterator[tuple[str, Dimensions]]:
    pages = account.client("cloudwatch").get_paginator("list_metrics")
    for page in pages.paginate(Namespace=_NAMESPACE, Dimensions=[wanted]):
        for metric in page["Metrics"]:
            dimensions = {one["Name"]: one["Value"] for one in metric["Dimensions"]}
            yield metric["MetricName"], dimensions


def _finding(account: Account, what: str, metrics: Mapping[str, list[Metric]]) -> Finding:
    totals = iter(sums(account, [one for each in metrics.values() for one in each]))
    by_name = {name: sum(next(totals) for _ in each) for name, each in metrics.items()}
    forwarded, errors, throttled = (by_name[name] for name in _NAMES)
    seen = f"{what}: {count(forwarded, 'line')} forwarded in {account.span}"
    if errors:
        return fail(
            "delivery",
            f"{seen}, {count(errors, 'delivery error')}",
            "CloudWatch Logs has no permission to invoke the validator, or the validator does not "
            "exist. After each error it skips lines for up to ten minutes. Check that the function "
            "still has the stack's permission for logs.amazonaws.com.",
        )
    if throttled:
        return warn(
            "delivery",
            f"{seen}, {throttled} throttled",
            "CloudWatch Logs retries them for a day. Raise reserved_concurrency.",
        )
    return ok("delivery", seen)
