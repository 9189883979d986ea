"""Each alarm: what it reads, from where on it goes off, what it tells, and what it costs."""

from __future__ import annotations

import functools
import json
from typing import Any

import pytest
from aws_cdk import aws_cloudwatch as cloudwatch

from openreplay_cw_stack import Ingest
from openreplay_cw_stack.infra.observability.alarms import METRICS_PER_ALARM, REJECTING_VERDICTS
from openreplay_cw_stack.runtime.validator import counting
from openreplay_cw_stack.tagging import Verdict
from tests.infra import formulas
from tests.infra.conftest import (
    EVERY_FUNCTION,
    PROJECT,
    SESSION_TABLE_ARN,
    TOKEN_SECRET_ARN,
    a_stack,
    template_of,
)

EVERYTHING: dict[str, Any] = {
    "token_secret": TOKEN_SECRET_ARN,
    "ingest": Ingest.KINESIS,
    "error_events": True,
    **EVERY_FUNCTION,
}


def alarms_of(**keywords: Any) -> dict[str, dict[str, Any]]:
    """The alarms' properties by their ids, which the logical ids are made of."""
    found = template_of(a_stack(**keywords)).find_resources("AWS::CloudWatch::Alarm")
    prefix = "OpenReplayMonitoring"
    return {name[len(prefix) : -8]: one["Properties"] for name, one in found.items()}


@functools.cache
def every_alarm() -> dict[str, dict[str, Any]]:
    return alarms_of(**EVERYTHING)


def metrics_of(alarm: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The metrics of an alarm's expression by their ids."""
    return {one["Id"]: one["MetricStat"] for one in alarm["Metrics"] if "MetricStat" in one}


def test_every_alarm_tells_the_topic_says_what_to_do_and_takes_no_data_for_zero() -> None:
    for name, alarm in every_alarm().items():
        assert len(alarm["AlarmActions"]) == 1, name
        assert alarm.get("OKActions", alarm["AlarmActions"]) == alarm["AlarmActions"]
        assert alarm["TreatMissingData"] == "notBreaching", name
        assert alarm["ComparisonOperator"] == "GreaterThanThreshold", name
        assert 15 <= len(alarm["AlarmDescription"].split()) <= 70, name


def test_a_loss_is_never_reported_as_over() -> None:
    without = {name for name, alarm in every_alarm().items() if "OKActions" not in alarm}
    assert without == {
        "DroppedLines",
        "DroppedPayloads",
        "FailedDestinationDeliveries",
        "UnusablePayloads",
    }


@pytest.mark.slow
def test_expressions_are_within_the_limits_of_an_alarm() -> None:
    groups = [f"/app/{number}" for number in range(12)]
    projects = [{**PROJECT, "url": f"https://{number}.replay.example"} for number in range(1, 13)]
    alarms = alarms_of(**{**EVERYTHING, "new_log_groups": groups, "openreplay_projects": projects})
    with_expressions = [one for one in alarms.values() if "Metrics" in one]
    assert len(with_expressions) == 8
    for alarm in with_expressions:
        assert len(metrics_of(alarm)) <= METRICS_PER_ALARM
        assert [one.get("ReturnData", True) for one in alarm["Metrics"]].count(True) == 1
        expression = expression_of(alarm)
        assert len(expression) <= formulas.MAXIMUM_LENGTH
        # Alarms cannot search, and FILL of what has no data is not documented.
        assert "SEARCH" not in expression
        assert "FILL" not in expression


def value_of(name: str, **lines: int) -> float | None:
    """What an alarm's expression comes to after so many lines of each verdict."""
    alarm = every_alarm()[name]
    metrics = metrics_of(alarm)
    for identifier, stat in metrics.items():
        assert stat["Metric"]["MetricName"] == "Lines"
        values = {one["Name"]: one["Value"] for one in stat["Metric"]["Dimensions"]}
        assert values["Verdict"] == identifier
        assert stat["Stat"] == "Sum"
    values = {one: float(lines[one]) if one in lines else None for one in metrics}
    return formulas.evaluate(expression_of(alarm), values)


def expression_of(alarm: dict[str, Any]) -> str:
    (expression,) = [one["Expression"] for one in alarm["Metrics"] if "Expression" in one]
    return str(expression)


def goes_off(name: str, **lines: int) -> bool:
    value = value_of(name, **lines)
    return value is not None and value > every_alarm()[name]["Threshold"]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ({}, False),
        ({"linkable": 1000}, False),
        ({"misspelled_tag": 1}, False),
        ({"malformed_token": 9}, False),
        ({"misspelled_tag": 10}, True),
        ({"misspelled_tag": 5, "malformed_token": 5}, True),
        ({"misspelled_tag": 10, "linkable": 90}, False),
        ({"misspelled_tag": 11, "linkable": 90}, True),
        ({"malformed_token": 1000, "linkable": 100_000}, False),
        ({"untagged": 1000, "empty_token": 1000}, False),
    ],
)
def test_the_share_of_bad_tags(lines: dict[str, int], expected: bool) -> None:
    assert goes_off("RejectedTags", **lines) is expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ({}, False),
        ({"linkable": 1000}, False),
        ({"masked_token": 9}, False),
        ({"masked_token": 10}, True),
        ({"empty_token": 5, "bad_signature": 5}, True),
        ({"masked_token": 1000, "linkable": 1}, False),
        ({"untagged": 1000}, False),
    ],
)
def test_lines_that_stop(lines: dict[str, int], expected: bool) -> None:
    assert goes_off("LinkedLinesStopped", **lines) is expected


def test_the_rejecting_verdicts_are_the_validators() -> None:
    assert set(REJECTING_VERDICTS) == counting.REJECTING_VERDICTS
    rejecting = set(map(str, REJECTING_VERDICTS))
    read = {*rejecting, str(Verdict.LINKABLE)}
    assert set(metrics_of(every_alarm()["LinkedLinesStopped"])) == read
    unsigned = metrics_of(alarms_of()["LinkedLinesStopped"])
    assert set(unsigned) == read - {str(Verdict.BAD_SIGNATURE), str(Verdict.UNSIGNED)}


@pytest.mark.parametrize(
    ("visible", "hidden", "expected"),
    [(None, None, False), (0, 0, False), (1, 0, True), (0, 1, True), (None, 2, True)],
)
def test_messages_in_the_retry_queue(
    visible: float | None, hidden: float | None, expected: bool
) -> None:
    """Messages that wait for their next attempt are hidden, and count as well."""
    alarm = every_alarm()["RetryQueue"]
    total = formulas.evaluate(expression_of(alarm), {"visible": visible, "hidden": hidden})
    assert (total is not None and total > alarm["Threshold"]) is expected
    stats = metrics_of(alarm)
    assert {name: one["Metric"]["MetricName"] for name, one in stats.items()} == {
        "visible": "ApproximateNumberOfMessagesVisible",
        "hidden": "ApproximateNumberOfMessagesNotVisible",
    }
    # A quarter of an hour in which it was never empty.
    assert {(one["Period"], one["Stat"]) for one in stats.values()} == {(300, "Minimum")}
    assert alarm["EvaluationPeriods"] == 3
    for one in stats.values():
        (dimension,) = one["Metric"]["Dimensions"]
        assert "RetryQueue" in dimension["Value"]["Fn::GetAtt"][0]


@pytest.mark.parametrize(
    ("numbers", "total"), [([], None), ([None, None], None), ([None, 2], 2), ([1, 2, 0], 3)]
)
@pytest.mark.parametrize("name", ["FunctionErrors", "UndeliveredLines"])
def test_sums_of_several_metrics(
    name: str, numbers: list[float | None], total: float | None
) -> None:
    expression = expression_of(every_alarm()[name])
    values = {f"metric{place}": number for place, number in enumerate(numbers)}
    assert formulas.evaluate(expression, values) == total


def test_what_the_session_table_does_not_take_is_watched() -> None:
    alarms = every_alarm()
    for name, periods in (("ThrottledWrites", 3), ("UnusablePayloads", 1)):
        assert alarms[name]["MetricName"] == name
        assert alarms[name]["EvaluationPeriods"] == periods
        assert (alarms[name]["Threshold"], alarms[name]["Period"]) == (0, 300)
    assert set(alarms_of(session_table=SESSION_TABLE_ARN)) == set(alarms_of())


def test_delivery_is_watched_for_every_log_group() -> None:
    groups = [f"/app/{number}" for number in range(7)]
    alarms = alarms_of(new_log_groups=groups[:6], log_groups=groups[6:])
    watching = [one for name, one in alarms.items() if name.startswith("UndeliveredLines")]
    assert [len(metrics_of(one)) for one in watching] == [10, 4]
    seen = []
    for alarm in watching:
        for stat in metrics_of(alarm).values():
            metric = stat["Metric"]
            dimensions = {one["Name"]: one["Value"] for one in metric["Dimensions"]}
            assert metric["Namespace"] == "AWS/Logs"
            assert dimensions["DestinationType"] == "Lambda"
            assert "Fn::Select" in dimensions["FilterName"]
            seen.append((metric["MetricName"], json.dumps(dimensions["LogGroupName"])))
    assert len(set(seen)) == len(seen) == 2 * len(groups)


def test_functions_are_watched_by_tens() -> None:
    projects = [{**PROJECT, "url": f"https://{number}.replay.example"} for number in range(1, 13)]
    alarms = alarms_of(openreplay_projects=projects)
    watching = [one for name, one in alarms.items() if name.startswith("FunctionErrors")]
    # The bridge, twelve OpenReplays, and the function that follows deployments.
    assert [len(metrics_of(one)) for one in watching] == [10, 4]
    assert "FunctionErrors" not in alarms_of(bridge=False)


def test_the_first_log_groups_are_watched_and_no_more() -> None:
    groups = [f"/app/{number:02}" for number in range(28)]
    alarms = alarms_of(new_log_groups=[], log_groups=groups)
    watching = [one for name, one in alarms.items() if name.startswith("UndeliveredLines")]
    named = [
        dimension["Value"]
        for one in watching
        for stat in metrics_of(one).values()
        for dimension in stat["Metric"]["Dimensions"]
        if dimension["Name"] == "LogGroupName"
    ]
    assert sorted(set(named)) == groups[:25]
    assert len(watching) == 5


def test_an_alarm_that_is_tracked_later_is_on_the_dashboard() -> None:
    stack = a_stack(new_log_groups=[f"/app/{number}" for number in range(6)])
    template = template_of(stack).to_json()["Resources"]
    (dashboard,) = [
        one["Properties"]["DashboardBody"]
        for one in template.values()
        if one["Type"] == "AWS::CloudWatch::Dashboard"
    ]
    alarms = [name for name, one in template.items() if one["Type"] == "AWS::CloudWatch::Alarm"]
    assert len(alarms) > 12
    for alarm in alarms:
        assert json.dumps({"Fn::GetAtt": [alarm, "Arn"]}) in json.dumps(dashboard)
    assert isinstance(
        stack.integration.monitoring.alarms["DeadLetters"],
        cloudwatch.Alarm,
    )
