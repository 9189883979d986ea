from __future__ import annotations

import json
import time
from typing import Any

import pytest

from emulator import Emulator
from tests.emulator.support import delete_stack, deploy, failure_reasons, outputs, unique

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
    written = json.loads(json.dumps(metrics).replace("86400", '"86400"'))
    return {
        "Alarm": {
            "Type": "AWS::CloudWatch::Alarm",
            "Properties": {
                "Metrics": written,
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


@pytest.mark.parametrize(
    ("metrics", "properties", "reason"),
    [
        ([query("n", "m1")], {}, "Exactly one element"),
        (ratio("n", 11), {}, "at most 10 metrics"),
        (ratio("n"), {"MetricName": "m", "Namespace": "n"}, "do not go with Metrics"),
    ],
)
def test_an_alarm_that_cloudwatch_refuses(
    aws: Emulator, metrics: list[dict[str, Any]], properties: dict[str, Any], reason: str
) -> None:
    stack = unique("stack")
    deployed = deploy(aws, stack, resources(metrics, **properties))
    assert deployed["StackStatus"] == "ROLLBACK_COMPLETE"
    assert reason in failure_reasons(aws, stack)


def test_an_alarm_has_the_state_that_it_was_given(aws: Emulator, namespace: str) -> None:
    stack, cloudwatch = unique("stack"), aws.client("cloudwatch")
    properties = {"MetricName": "m", "Namespace": namespace, "Period": 60, "Statistic": "Sum"}
    name = outputs(deploy(aws, stack, resources([], **properties)))["AlarmRef"]
    publish(aws, namespace, 11)
    assert alarm_of(aws, name)["StateValue"] == "INSUFFICIENT_DATA"
    cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="a test")
    publish(aws, namespace, 1)
    assert alarm_of(aws, name)["StateValue"] == "ALARM"
