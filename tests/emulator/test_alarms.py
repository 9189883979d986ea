from __future__ import annotations

import json
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from emulator import Emulator
from tests.emulator.support import (
    allow,
    create_queue,
    delete_stack,
    deploy,
    failure_reasons,
    iam_evaluated,
    outputs,
    policy,
    receive,
    unique,
    wait_for,
)

pytestmark = pytest.mark.emulator


@pytest.fixture
def namespace() -> str:
    return unique("namespace")


def publish(
    aws: Emulator, namespace: str, name: str, value: float, *, ago: float = 0, **options: Any
) -> None:
    datum = {"MetricName": name, "Value": value, "Timestamp": time.time() - ago, **options}
    aws.client("cloudwatch").put_metric_data(Namespace=namespace, MetricData=[datum])


def metric(namespace: str, name: str, *, identifier: str, returned: bool = False) -> dict[str, Any]:
    return {
        "Id": identifier,
        "MetricStat": {
            "Metric": {"Namespace": namespace, "MetricName": name},
            "Period": 60,
            "Stat": "Sum",
        },
        "ReturnData": returned,
    }


def ratio(namespace: str) -> list[dict[str, Any]]:
    return [
        metric(namespace, "failed", identifier="failed"),
        metric(namespace, "total", identifier="total"),
        {
            "Id": "ratio",
            "Expression": "IF(FILL(total, 0) > 0, 100 * FILL(failed, 0) / total, 0)",
            "Label": "failed, percent",
            "ReturnData": True,
        },
    ]


def put(aws: Emulator, **settings: Any) -> str:
    arguments = {
        "AlarmName": unique("alarm"),
        "EvaluationPeriods": 1,
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": 10.0,
        **settings,
    }
    aws.client("cloudwatch").put_metric_alarm(**arguments)
    return str(arguments["AlarmName"])


def plain(aws: Emulator, namespace: str, **settings: Any) -> str:
    arguments = {"MetricName": "m", "Namespace": namespace, "Period": 60, "Statistic": "Sum"}
    return put(aws, **{**arguments, **settings})


def alarm(aws: Emulator, name: str) -> dict[str, Any]:
    (found,) = aws.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    return dict(found)


def state(aws: Emulator, name: str) -> str:
    return str(alarm(aws, name)["StateValue"])


def test_an_alarm_follows_its_metric(aws: Emulator, namespace: str) -> None:
    name = plain(aws, namespace)
    assert state(aws, name) == "INSUFFICIENT_DATA"
    publish(aws, namespace, "m", 10)
    assert state(aws, name) == "OK"
    publish(aws, namespace, "m", 1)
    assert state(aws, name) == "ALARM"


def test_an_alarm_on_old_data_is_over(aws: Emulator, namespace: str) -> None:
    name = plain(aws, namespace, Period=10)
    publish(aws, namespace, "m", 11, ago=28)
    assert state(aws, name) == "ALARM"
    wait_for(lambda: state(aws, name) == "INSUFFICIENT_DATA")


def test_dimensions_and_units_tell_metrics_apart(aws: Emulator, namespace: str) -> None:
    dimensions = [{"Name": "Verdict", "Value": "linkable"}]
    publish(aws, namespace, "m", 11, Dimensions=dimensions, Unit="Count")
    assert state(aws, plain(aws, namespace)) == "INSUFFICIENT_DATA"
    assert state(aws, plain(aws, namespace, Dimensions=dimensions)) == "ALARM"
    assert state(aws, plain(aws, namespace, Dimensions=dimensions, Unit="Count")) == "ALARM"
    other = plain(aws, namespace, Dimensions=dimensions, Unit="Bytes")
    assert state(aws, other) == "INSUFFICIENT_DATA"


def test_a_metric_without_dimensions_is_one_of_its_own(aws: Emulator, namespace: str) -> None:
    publish(aws, namespace, "m", 1)
    publish(aws, namespace, "m", 10, Dimensions=[{"Name": "Verdict", "Value": "linkable"}])
    span = {"StartTime": time.time() - 600, "EndTime": time.time() + 60}
    client = aws.client("cloudwatch")
    points = client.get_metric_statistics(
        Namespace=namespace, MetricName="m", Period=86400, Statistics=["Sum"], **span
    )["Datapoints"]
    assert [point["Sum"] for point in points] == [1]
    query = metric(namespace, "m", identifier="m1", returned=True)
    query["MetricStat"]["Period"] = 86400
    results = client.get_metric_data(MetricDataQueries=[query], **span)["MetricDataResults"]
    assert results[0]["Values"] == [1]


def test_as_many_periods_as_configured_have_to_breach(aws: Emulator, namespace: str) -> None:
    publish(aws, namespace, "m", 11)
    publish(aws, namespace, "m", 1, ago=60)
    publish(aws, namespace, "m", 11, ago=120)
    name = plain(aws, namespace, EvaluationPeriods=3)
    assert state(aws, name) == "OK"
    assert state(aws, plain(aws, namespace, EvaluationPeriods=3, DatapointsToAlarm=2)) == "ALARM"


@pytest.mark.parametrize(
    ("treatment", "expected"),
    [
        ("missing", "INSUFFICIENT_DATA"),
        ("ignore", "INSUFFICIENT_DATA"),
        ("breaching", "ALARM"),
        ("notBreaching", "OK"),
    ],
)
def test_missing_data_is_treated_as_configured(
    aws: Emulator, namespace: str, treatment: str, expected: str
) -> None:
    assert state(aws, plain(aws, namespace, TreatMissingData=treatment)) == expected


def subscribed_topic(aws: Emulator) -> tuple[str, str]:
    url, queue = create_queue(aws)
    topics = aws.client("sns")
    topic = topics.create_topic(Name=unique("topic"))["TopicArn"]
    topics.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)
    return topic, url


def test_metric_math_raises_an_alarm_and_tells_a_topic(aws: Emulator, namespace: str) -> None:
    topic, url = subscribed_topic(aws)
    name = put(aws, Metrics=ratio(namespace), AlarmActions=[topic])
    assert state(aws, name) == "OK"
    publish(aws, namespace, "total", 100)
    publish(aws, namespace, "failed", 10)
    assert state(aws, name) == "OK"
    publish(aws, namespace, "failed", 1)
    assert state(aws, name) == "ALARM"
    message = json.loads(json.loads(receive(aws, url)["Body"])["Message"])
    assert message["AlarmName"] == name
    assert (message["OldStateValue"], message["NewStateValue"]) == ("OK", "ALARM")
    found = alarm(aws, name)
    assert found["Metrics"] == ratio(namespace)
    assert "MetricName" not in found
    assert "11.0" in found["StateReason"]
    publish(aws, namespace, "total", 1000)
    assert state(aws, name) == "OK"


def test_nobody_has_to_ask_for_the_state(aws: Emulator, namespace: str) -> None:
    topic, url = subscribed_topic(aws)
    plain(aws, namespace, Period=10, AlarmActions=[topic], InsufficientDataActions=[topic])
    publish(aws, namespace, "m", 11, ago=28)
    for expected in ("ALARM", "INSUFFICIENT_DATA"):
        message = json.loads(json.loads(receive(aws, url)["Body"])["Message"])
        assert message["NewStateValue"] == expected


def test_a_topic_with_a_policy_of_its_own_has_to_let_cloudwatch_publish(
    aws: Emulator, namespace: str
) -> None:
    (by_default, default_url), (closed, closed_url), (opened, open_url) = (
        subscribed_topic(aws) for _ in range(3)
    )
    queues, topics = aws.client("sqs"), aws.client("sns")
    everybody = {**allow("sqs:SendMessage", "*"), "Principal": "*"}
    for url in (default_url, closed_url, open_url):
        queues.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy(everybody)})
    enforcing_tls = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "sns:Publish",
        "Resource": "*",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    cloudwatch = {"Principal": {"Service": "cloudwatch.amazonaws.com"}}
    for topic, statements in (
        (closed, [enforcing_tls]),
        (opened, [enforcing_tls, {**allow("sns:Publish", opened), **cloudwatch}]),
    ):
        topics.set_topic_attributes(
            TopicArn=topic, AttributeName="Policy", AttributeValue=policy(*statements)
        )
    with iam_evaluated(aws):
        name = plain(
            aws,
            namespace,
            TreatMissingData="breaching",
            AlarmActions=[closed, by_default, opened],
        )
        assert name in receive(aws, default_url)["Body"]
        assert name in receive(aws, open_url)["Body"]
        assert "Messages" not in queues.receive_message(QueueUrl=closed_url)


def refusal(aws: Emulator, metrics: list[dict[str, Any]], **settings: Any) -> str:
    with pytest.raises(ClientError) as error:
        put(aws, Metrics=metrics, **settings)
    return str(error.value.response["Error"]["Message"])


def test_what_is_refused(aws: Emulator, namespace: str) -> None:
    one = metric(namespace, "m", identifier="m1")
    search = {"Id": "e1", "Expression": "SUM(SEARCH('x', 'Sum'))", "ReturnData": True}
    assert "SEARCH is not implemented" in refusal(aws, [one, search])
    assert "Exactly one element" in refusal(aws, [one])
    assert "unique" in refusal(aws, [one, one])
    assert "m2 is not an id" in refusal(aws, [one, {**search, "Expression": "m2 + 1"}])
    first = {"Id": "e1", "Expression": "e2 + 1", "ReturnData": True}
    second = {"Id": "e2", "Expression": "e1 + 1", "ReturnData": False}
    assert "refer to each other" in refusal(aws, [first, second])
    eleven = [{**one, "Id": f"m{number}"} for number in range(11)]
    total = {"Id": "e1", "Expression": "SUM(METRICS())", "ReturnData": True}
    assert "at most 10 metrics" in refusal(aws, [*eleven, total])
    put(aws, Metrics=[*eleven[:10], total])
    valid = {**one, "ReturnData": True}
    assert "do not go with Metrics" in refusal(aws, [valid], MetricName="m", Namespace="n")


def test_metric_data_is_computed_with(aws: Emulator, namespace: str) -> None:
    publish(aws, namespace, "total", 8)
    publish(aws, namespace, "failed", 2)
    results = aws.client("cloudwatch").get_metric_data(
        MetricDataQueries=ratio(namespace), StartTime=time.time() - 600, EndTime=time.time() + 60
    )["MetricDataResults"]
    assert [one["Label"] for one in results] == ["failed, percent"]
    assert 25.0 in results[0]["Values"]


def resources(namespace: str, **properties: Any) -> dict[str, Any]:
    return {
        "Alarm": {
            "Type": "AWS::CloudWatch::Alarm",
            "Properties": {
                "Metrics": json.loads(
                    json.dumps(ratio(namespace)).replace('"Period": 60', '"Period": "60"')
                ),
                "EvaluationPeriods": 1,
                "ComparisonOperator": "GreaterThanThreshold",
                "Threshold": 10,
                "TreatMissingData": "notBreaching",
                **properties,
            },
        },
    }


def test_a_stack_has_alarms_with_metric_math(aws: Emulator, namespace: str) -> None:
    stack = unique("stack")
    topic, url = subscribed_topic(aws)
    composite = {
        "Composite": {
            "Type": "AWS::CloudWatch::CompositeAlarm",
            "Properties": {
                "AlarmRule": {"Fn::Sub": 'ALARM("${Alarm}")'},
                "AlarmActions": [topic],
            },
        }
    }
    created = deploy(aws, stack, {**resources(namespace), **composite})
    assert created["StackStatus"] == "CREATE_COMPLETE"
    names = outputs(created)
    assert state(aws, names["AlarmRef"]) == "OK"
    publish(aws, namespace, "failed", 11)
    publish(aws, namespace, "total", 100)
    assert state(aws, names["AlarmRef"]) == "ALARM"
    message = json.loads(json.loads(receive(aws, url)["Body"])["Message"])
    while message["NewStateValue"] != "ALARM":
        message = json.loads(json.loads(receive(aws, url)["Body"])["Message"])
    assert message["AlarmName"] == names["CompositeRef"]
    deploy(aws, stack, {**resources(namespace, Threshold=20), **composite})
    assert state(aws, names["AlarmRef"]) == "OK"
    delete_stack(aws, stack)
    found = aws.client("cloudwatch").describe_alarms(AlarmNames=list(names.values()))
    assert found["MetricAlarms"] == []


def test_a_stack_with_an_unsupported_expression_rolls_back(aws: Emulator, namespace: str) -> None:
    bad = {"Id": "e1", "Expression": "ANOMALY_DETECTION_BAND(m1)", "ReturnData": True}
    metrics = [metric(namespace, "m", identifier="m1"), bad]
    stack = unique("stack")
    deployed = deploy(aws, stack, resources(namespace, Metrics=metrics))
    assert deployed["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "ANOMALY_DETECTION_BAND is not implemented" in failure_reasons(aws, stack)
