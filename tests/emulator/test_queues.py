from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from emulator import Emulator
from emulator.queues import MAXIMUM_SIZE, size_of
from tests.emulator.support import (
    allow,
    create_function,
    create_queue,
    create_role,
    iam_evaluated,
    name_of,
    receive,
    unique,
)

pytestmark = pytest.mark.emulator


def refusal(action: Any, **arguments: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as error:
        action(**arguments)
    found = error.value.response["Error"]
    return found["Code"], found["Message"]


def attribute(text: str) -> dict[str, Any]:
    return {"a": {"DataType": "String", "StringValue": text}}


def test_what_counts() -> None:
    assert size_of({"MessageBody": "é"}) == 2
    assert size_of({"MessageBody": "", "MessageAttributes": attribute("xy")}) == 9
    binary = {"b": {"DataType": "Binary", "BinaryValue": b"123"}}
    assert size_of({"MessageAttributes": binary}) == 10


def test_a_message_has_a_mebibyte_with_its_attributes(aws: Emulator) -> None:
    (url, _), queues = create_queue(aws), aws.client("sqs")
    rest = MAXIMUM_SIZE - size_of({"MessageAttributes": attribute("value")})
    queues.send_message(QueueUrl=url, MessageBody="x" * rest, MessageAttributes=attribute("value"))
    code, message = refusal(
        queues.send_message,
        QueueUrl=url,
        MessageBody="x" * (rest + 1),
        MessageAttributes=attribute("value"),
    )
    assert code == "InvalidParameterValue"
    assert f"shorter than {MAXIMUM_SIZE} bytes" in message


def test_a_batch_has_a_mebibyte(aws: Emulator) -> None:
    (url, _), queues = create_queue(aws), aws.client("sqs")

    def batch(size: int) -> list[dict[str, Any]]:
        return [{"Id": str(number), "MessageBody": "x" * size} for number in range(4)]

    quarter = MAXIMUM_SIZE // 4
    assert len(queues.send_message_batch(QueueUrl=url, Entries=batch(quarter))["Successful"]) == 4
    code, _ = refusal(queues.send_message_batch, QueueUrl=url, Entries=batch(quarter + 1))
    assert "BatchRequestTooLong" in code


def secure_only(queue: str, *statements: dict[str, Any]) -> dict[str, str]:
    deny = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "sqs:*",
        "Resource": queue,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    document = {"Version": "2012-10-17", "Statement": [deny, *statements]}
    return {"Policy": json.dumps(document)}


def test_a_policy_that_enforces_tls_refuses_nobody_here(aws: Emulator) -> None:
    """Callers, alarms over a topic, and Lambda with its destinations all use TLS on AWS."""
    (url, queue), queues, topics = create_queue(aws), aws.client("sqs"), aws.client("sns")
    topic = topics.create_topic(Name=unique("topic"))["TopicArn"]
    from_topic = {
        **allow("sqs:SendMessage", queue),
        "Principal": {"Service": "sns.amazonaws.com"},
        "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
    }
    queues.set_queue_attributes(QueueUrl=url, Attributes=secure_only(queue, from_topic))
    topics.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)
    role = create_role(aws, [allow("sqs:SendMessage", queue), allow("logs:*", "*")])
    function = create_function(aws, "def handler(event, context): raise ValueError", role=role)
    aws.client("lambda").put_function_event_invoke_config(
        FunctionName=function,
        MaximumRetryAttempts=0,
        DestinationConfig={"OnFailure": {"Destination": queue}},
    )
    with iam_evaluated(aws):
        queues.send_message(QueueUrl=url, MessageBody="direct")
        assert receive(aws, url)["Body"] == "direct"
        alarm = unique("alarm")
        aws.client("cloudwatch").put_metric_alarm(
            AlarmName=alarm,
            Namespace="none",
            MetricName=unique("metric"),
            Statistic="Sum",
            Period=60,
            EvaluationPeriods=1,
            ComparisonOperator="GreaterThanThreshold",
            Threshold=1,
            AlarmActions=[topic],
        )
        aws.client("cloudwatch").set_alarm_state(
            AlarmName=alarm, StateValue="ALARM", StateReason="a test"
        )
        assert alarm in receive(aws, url)["Body"]
        aws.client("lambda").invoke(FunctionName=function, InvocationType="Event")
        assert name_of(function) in receive(aws, url)["Body"]


@pytest.mark.parametrize(
    "attributes",
    [
        {"SqsManagedSseEnabled": "true"},
        {"KmsMasterKeyId": "alias/aws/sqs", "KmsDataKeyReusePeriodSeconds": "300"},
    ],
)
def test_encryption_settings_are_kept(aws: Emulator, attributes: dict[str, str]) -> None:
    queues = aws.client("sqs")
    url = queues.create_queue(QueueName=unique("queue"), Attributes=attributes)["QueueUrl"]
    found = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert {name: found[name] for name in attributes} == attributes
