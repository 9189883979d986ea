from __future__ import annotations

import time
from typing import Any

import pytest

from emulator import Emulator
from emulator.tests.support import delete_stack, deploy, outputs, unique

pytestmark = pytest.mark.emulator


@pytest.fixture
def namespace() -> str:
    return unique("namespace")


def publish(aws: Emulator, namespace: str, value: float, **options: Any) -> None:
    datum = {"MetricName": "m", "Value": value, **options}
    aws.client("cloudwatch").put_metric_data(Namespace=namespace, MetricData=[datum])


def query(namespace: str, identifier: str, *, returned: bool = False) -> dict[str, Any]:
    metric = {"Namespace": namespace, "MetricName": "m"}
    stat = {"Metric": metric, "Period": 86400, "Stat": "Sum"}
    return {"Id": identifier, "MetricStat": stat, "ReturnData": returned}


def alarm_of(aws: Emulator, name: str) -> dict[str, Any]:
    (found,) = aws.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    return dict(found)


def test_a_metric_without_dimensions_is_one_of_its_own(aws: Emulator, namespace: str) -> None:
    publish(aws, namespace, 1)
    publish(aws, namespace, 10, Dimensions=[{"Name": "Verdict", "Value": "linkable"}])
    span = {"StartTime": time.time() - 600, "EndTime": time.time() + 60}
    client = aws.client("cloudwatch")
    points = client.get_metric_statistics(
        Namespace=namespace, MetricName="m", Period=86400, Statistics=["Sum"], **span
    )["Datapoints"]
    assert [point["Sum"] for point in points] == [1]
    results = client.get_metric_data(
        MetricDataQueries=[query(namespace, "m1", returned=True)], **span
    )["MetricDataResults"]
    assert results[0]["Values"] == [1]


def resources(metrics: list[dict[str, Any]], **properties: Any) -> dict[str, Any]:
    return {
        "Alarm": {
            "Type": "AWS::CloudWatch::Alarm",
            "Properties": {
                "Metrics": metrics,
                "EvaluationPeriods": 1,
                "ComparisonOperator": "GreaterThanThreshold",
                "Threshold": 10,
                **properties,
            },
        }
    }


def ratio(namespace: str, metrics: int = 2) -> list[dict[str, Any]]:
    """Metrics with an expression that only AWS computes."""
    expression = {"Id": "ratio", "Expression": "100 * m0 / m1", "ReturnData": True}
    return [*(query(namespace, f"m{number}") for number in range(metrics)), expression]


def test_a_stack_has_an_alarm_with_metric_math(aws: Emulator, namespace: str) -> None:
    stack = unique("stack")
    created = deploy(aws, stack, resources(ratio(namespace)))
    assert created["StackStatus"] == "CREATE_COMPLETE"
    name = outputs(created)["AlarmRef"]
    found = alarm_of(aws, name)
    assert found["Metrics"] == ratio(namespace)
    assert "MetricName" not in found
    assert found["Threshold"] == 10
    deploy(aws, stack, resources(ratio(namespace), Threshold=20))
    assert alarm_of(aws, name)["Threshold"] == 20
    delete_stack(aws, stack)
    found = aws.client("cloudwatch").describe_alarms(AlarmNames=[name])
    assert found["MetricAlarms"] == []


def test_an_alarm_has_the_state_that_it_was_given(aws: Emulator, namespace: str) -> None:
    stack, cloudwatch = unique("stack"), aws.client("cloudwatch")
    properties = {"MetricName": "m", "Namespace": namespace, "Period": 60, "Statistic": "Sum"}
    name = outputs(deploy(aws, stack, resources([], **properties)))["AlarmRef"]
    publish(aws, namespace, 11)
    assert alarm_of(aws, name)["StateValue"] == "INSUFFICIENT_DATA"
    cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="a test")
    publish(aws, namespace, 1)
    assert alarm_of(aws, name)["StateValue"] == "ALARM"
