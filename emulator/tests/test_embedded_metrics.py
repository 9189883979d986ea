from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from emulator import Emulator
from emulator.embedded_metrics import InvalidDocument, Metric, parse_line
from emulator.tests.support import create_function, name_of, unique, wait_for


def document(**changes: Any) -> dict[str, Any]:
    directive = {
        "Namespace": "Demo",
        "Dimensions": [["Verdict"], []],
        "Metrics": [{"Name": "Lines", "Unit": "Count"}],
    }
    root: dict[str, Any] = {
        "_aws": {"Timestamp": 1_574_109_732_004, "CloudWatchMetrics": [directive]},
        "Verdict": "linkable",
        "Lines": 3,
    }
    root.update(changes)
    return root


def changed(change: Callable[[Any], object]) -> dict[str, Any]:
    root = document()
    change(root)
    return root


def directive_of(root: Any) -> Any:
    return root["_aws"]["CloudWatchMetrics"][0]


def test_a_metric_for_every_dimension_set() -> None:
    assert parse_line(json.dumps(document())) == [
        Metric("Demo", "Lines", {"Verdict": "linkable"}, "Count", (3.0,), 1_574_109_732.004),
        Metric("Demo", "Lines", {}, "Count", (3.0,), 1_574_109_732.004),
    ]


def test_several_values_and_no_unit() -> None:
    root = changed(lambda root: directive_of(root)["Metrics"][0].pop("Unit"))
    metrics = parse_line(json.dumps({**root, "Lines": [1, 2.5]}))
    assert [(metric.unit, metric.values) for metric in metrics] == [("None", (1.0, 2.5))] * 2


def test_lambda_may_prepend_metadata() -> None:
    line = "[INFO]\t2026-01-01T00:00:00.000Z\t0-0-0\t" + json.dumps(document())
    assert len(parse_line(line)) == 2


@pytest.mark.parametrize(
    "line",
    [
        "",
        "an ordinary line",
        '{"message": "no metadata"}',
        '{"_aws": {}}',
        '{"_aws": "text"}',
        '["_aws"]',
        "{broken",
        'said: {"_aws": {"CloudWatchMetrics": [], "Timestamp": 1}}',
        json.dumps(document()) + " and more",
        json.dumps(document(Lines=float("nan"))),
    ],
)
def test_other_lines_have_no_metrics(line: str) -> None:
    assert parse_line(line) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda root: root.pop("Lines"),
        lambda root: root.update(Lines="3"),
        lambda root: root.update(Lines=True),
        lambda root: root.update(Lines=[1, "2"]),
        lambda root: root.update(Lines=[1] * 101),
        lambda root: root.update(Lines={"nested": 1}),
        lambda root: root.pop("Verdict"),
        lambda root: root.update(Verdict=1),
        lambda root: root.update(Verdict=""),
        lambda root: root.update(Verdict="x" * 1025),
        lambda root: root["_aws"].pop("Timestamp"),
        lambda root: directive_of(root).pop("Namespace"),
        lambda root: directive_of(root).pop("Dimensions"),
        lambda root: directive_of(root).update(Dimensions=[]),
        lambda root: directive_of(root).update(Dimensions=[["Verdict"] * 31]),
        lambda root: directive_of(root).update(Dimensions=[[1]]),
        lambda root: directive_of(root).pop("Metrics"),
        lambda root: directive_of(root).update(Metrics=[{"Name": "Lines"}] * 101),
        lambda root: directive_of(root).update(Metrics=["Lines"]),
        lambda root: directive_of(root)["Metrics"][0].pop("Name"),
        lambda root: directive_of(root)["Metrics"][0].update(Unit="Lines"),
    ],
)
def test_one_fault_makes_a_document_invalid(change: Callable[[Any], object]) -> None:
    with pytest.raises(InvalidDocument):
        parse_line(json.dumps(changed(change)))


EMITTING = """
import json, time
def emit(namespace, **changes):
    print(json.dumps({
        "_aws": {
            "Timestamp": int(time.time() * 1000) - changes.pop("age", 0),
            "CloudWatchMetrics": [{
                "Namespace": namespace,
                "Dimensions": [["Verdict"]],
                "Metrics": [{"Name": "Lines", "Unit": "Count"}],
            }],
        },
        "Verdict": "linkable", "Lines": [1, 2], **changes,
    }))
def handler(event, context):
    emit(event["namespace"])
    emit(event["namespace"], Verdict="ahead", age=-3 * 60 * 60 * 1000)
    emit(event["namespace"], Verdict=1)
"""


@pytest.mark.emulator
def test_what_a_function_prints_is_in_cloudwatch(aws: Emulator) -> None:
    function = create_function(aws, EMITTING)
    namespace = unique("namespace")
    payload = json.dumps({"namespace": namespace})
    aws.client("lambda").invoke(FunctionName=function, Payload=payload)
    cloudwatch = aws.client("cloudwatch")
    listed = wait_for(lambda: cloudwatch.list_metrics(Namespace=namespace)["Metrics"])
    dimensions = [{"Name": "Verdict", "Value": "linkable"}]
    assert listed == [{"Namespace": namespace, "MetricName": "Lines", "Dimensions": dimensions}]
    period: dict[str, Any] = {"StartTime": time.time() - 600, "EndTime": time.time() + 60}
    statistics = cloudwatch.get_metric_statistics(
        Namespace=namespace,
        MetricName="Lines",
        Dimensions=dimensions,
        Period=3600,
        Statistics=["Sum", "SampleCount"],
        **period,
    )["Datapoints"]
    assert [(point["Sum"], point["SampleCount"], point["Unit"]) for point in statistics] == [
        (3.0, 2.0, "Count")
    ]
    query = {
        "Id": "lines",
        "MetricStat": {
            "Metric": {"Namespace": namespace, "MetricName": "Lines", "Dimensions": dimensions},
            "Period": 3600,
            "Stat": "Maximum",
        },
    }
    data = cloudwatch.get_metric_data(MetricDataQueries=[query], **period)["MetricDataResults"]
    assert data[0]["Values"] == [2.0]
    group = {"Name": "LogGroupName", "Value": f"/aws/lambda/{name_of(function)}"}
    assert cloudwatch.list_metrics(
        Namespace="AWS/Logs", MetricName="EMFValidationErrors", Dimensions=[group]
    )["Metrics"]


@pytest.mark.emulator
def test_a_policy_of_the_account_switches_them_off(aws: Emulator) -> None:
    function, other = create_function(aws, EMITTING), create_function(aws, EMITTING)
    logs, cloudwatch = aws.client("logs"), aws.client("cloudwatch")
    policy = {"policyName": unique("policy"), "policyType": "METRIC_EXTRACTION_POLICY"}
    group = f"/aws/lambda/{name_of(function)}"
    criteria = f"LogGroupName IN {json.dumps([group])}"
    logs.put_account_policy(**policy, policyDocument="{}", scope="ALL", selectionCriteria=criteria)
    try:
        for one in (function, other):
            namespace = f"of {name_of(one)}"
            payload = json.dumps({"namespace": namespace})
            aws.client("lambda").invoke(FunctionName=one, Payload=payload)
        wait_for(lambda: cloudwatch.list_metrics(Namespace=f"of {name_of(other)}")["Metrics"])
        dimensions = [{"Name": "LogGroupName", "Value": group}]
        disabled = {"Namespace": "AWS/Logs", "MetricName": "EMFDisabledErrors"}
        assert wait_for(
            lambda: cloudwatch.list_metrics(**disabled, Dimensions=dimensions)["Metrics"]
        )
        assert not cloudwatch.list_metrics(Namespace=f"of {name_of(function)}")["Metrics"]
        (found,) = logs.describe_account_policies(policyType=policy["policyType"])[
            "accountPolicies"
        ]
        assert (found["policyName"], found["selectionCriteria"]) == (policy["policyName"], criteria)
    finally:
        logs.delete_account_policy(**policy)
