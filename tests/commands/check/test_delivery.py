from __future__ import annotations

from typing import Any

import pytest

from openreplay_cw_stack.commands.check.delivery import check_account_delivery, check_delivery
from openreplay_cw_stack.commands.deployed.tracked_log_groups import TrackedLogGroup
from openreplay_cw_stack.commands.report.findings import Finding, guarded
from tests.commands.support import account, refusal

LIKELY = {"LogGroupName": "/app", "DestinationType": "Lambda", "FilterName": "ours"}
OF_ACCOUNT = {"PolicyLevel": "AccountPolicy", "DestinationType": "lambda", "FilterName": "any"}

Values = list[tuple[str, dict[str, str], float]]
"""Metrics that have a value: name, dimensions, sum."""


def cloudwatch(values: Values, *, listed: bool = True) -> dict[str, Any]:
    def data(*, MetricDataQueries: list[Any], **times: Any) -> dict[str, Any]:  # noqa: N803
        results = []
        for query in MetricDataQueries:
            metric = query["MetricStat"]["Metric"]
            dimensions = {one["Name"]: one["Value"] for one in metric["Dimensions"]}
            found = [
                number
                for name, own, number in values
                if (name, own) == (metric["MetricName"], dimensions)
            ]
            results.append({"Id": query["Id"], "Values": found})
        return {"MetricDataResults": results}

    def metrics(*, Namespace: str, Dimensions: list[dict[str, str]]) -> dict[str, Any]:  # noqa: N803
        (wanted,) = Dimensions
        return {
            "Metrics": [
                {
                    "Namespace": Namespace,
                    "MetricName": name,
                    "Dimensions": [{"Name": key, "Value": value} for key, value in own.items()],
                }
                for name, own, _ in values
                if own.get(wanted["Name"]) and wanted.get("Value") in (None, own[wanted["Name"]])
            ]
            if listed
            else []
        }

    return {"get_metric_data": data, "list_metrics": metrics}


def delivered(values: Values, filter_name: str = "ours", **changes: Any) -> Finding:
    of = account(cloudwatch=cloudwatch(values, **changes))
    (finding,) = check_delivery(of, TrackedLogGroup("/app", filter_name))
    return finding


@pytest.mark.parametrize("kind", ["Lambda", "lambda", "AWS Lambda"])
def test_any_destination_type_is_found(kind: str) -> None:
    own = {**LIKELY, "DestinationType": kind}
    finding = delivered([("ForwardedLogEvents", own, 7.0)])
    assert finding.detail == "/app: 7 lines forwarded in the last hour"
    finding = delivered([("ForwardedLogEvents", own, 7.0), ("DeliveryErrors", own, 1.0)])
    assert finding.status.value == "fail"


def test_what_is_too_new_to_be_listed_is_found_by_the_likely_name() -> None:
    assert "7 lines" in delivered([("ForwardedLogEvents", LIKELY, 7.0)], listed=False).detail


def test_nothing_is_counted_twice_or_for_others() -> None:
    values: Values = [
        ("ForwardedLogEvents", LIKELY, 7.0),
        ("ForwardedLogEvents", {**LIKELY, "FilterName": "theirs"}, 100.0),
        ("ForwardedLogEvents", {**LIKELY, "LogGroupName": "/b"}, 100.0),
        ("ForwardedBytes", LIKELY, 100.0),
    ]
    assert "7 lines" in delivered(values).detail


def test_a_filter_s_name_in_a_metric_is_ascii() -> None:
    own = {**LIKELY, "FilterName": "f?r alle"}
    assert "7 lines" in delivered([("ForwardedLogEvents", own, 7.0)], "für alle").detail


def test_the_account_s_subscription() -> None:
    values: Values = [
        ("ForwardedLogEvents", OF_ACCOUNT, 7.0),
        ("DeliveryThrottling", OF_ACCOUNT, 2.0),
        ("ForwardedLogEvents", LIKELY, 100.0),
    ]
    (finding,) = check_account_delivery(account(cloudwatch=cloudwatch(values)), "ours")
    assert finding.detail == "ours: 7 lines forwarded in the last hour, 2 throttled"
    (finding,) = check_account_delivery(account(cloudwatch=cloudwatch([])), "ours")
    assert finding.detail == "ours: 0 lines forwarded in the last hour"


def test_metrics_that_may_not_be_listed() -> None:
    of = account(cloudwatch={"list_metrics": refusal("ListMetrics")})
    (finding,) = guarded("delivery", check_delivery(of, TrackedLogGroup("/app", "ours")))
    assert (finding.status.value, "ListMetrics" in finding.detail) == ("fail", True)
