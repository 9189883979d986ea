from __future__ import annotations

import json
import random
import string
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from emulator import Emulator
from emulator.tests.support import (
    ACCOUNT,
    PRINTING,
    create_function,
    create_group,
    delivered_messages,
    deliveries,
    deploy,
    failure_reasons,
    lines_of,
    name_of,
    permit_logs,
    put,
    subscribe,
    unique,
    wait_for,
)

pytestmark = pytest.mark.emulator

NOT_EXECUTABLE = (
    "Could not execute the lambda function. Make sure you have given CloudWatch Logs permission "
    "to execute your function."
)
MAXIMUM_NESTED_DELIVERIES = 10


@pytest.fixture(scope="module")
def printing(aws: Emulator) -> str:
    """A function that CloudWatch Logs may invoke."""
    return create_function(aws, PRINTING)


def refusal(aws: Emulator, group: str, function: str, **arguments: Any) -> tuple[str, str]:
    request = {
        "logGroupName": group,
        "filterName": unique("filter"),
        "filterPattern": "",
        "destinationArn": function,
        **arguments,
    }
    with pytest.raises(ClientError) as error:
        aws.client("logs").put_subscription_filter(**request)
    found = error.value.response["Error"]
    return found["Code"], found["Message"]


def test_matching_events_are_delivered_under_their_ids(aws: Emulator) -> None:
    function, group = create_function(aws, PRINTING), create_group(aws)
    subscribe(aws, group, function, "?wanted ?%want[0-9]%")
    put(aws, group, "wanted", "Wanted", "other", "want7")
    payload = wait_for(lambda: deliveries(aws, function))[0]
    stored = aws.client("logs").filter_log_events(logGroupName=group)["events"]
    filters = aws.client("logs").describe_subscription_filters(logGroupName=group)
    assert payload == {
        "messageType": "DATA_MESSAGE",
        "owner": ACCOUNT,
        "logGroup": group,
        "logStream": "stream",
        "subscriptionFilters": [filters["subscriptionFilters"][0]["filterName"]],
        "logEvents": [
            {"id": event["eventId"], "timestamp": event["timestamp"], "message": event["message"]}
            for event in stored
            if event["message"] in ("wanted", "want7")
        ],
    }


def test_putting_a_filter_sends_a_control_message(aws: Emulator) -> None:
    function = create_function(aws, PRINTING)
    subscribe(aws, create_group(aws), function)
    control = wait_for(lambda: deliveries(aws, function, "CONTROL_MESSAGE"))
    assert control[0]["logEvents"].pop()["message"].startswith("CWL CONTROL MESSAGE: ")
    assert control == [
        {
            "messageType": "CONTROL_MESSAGE",
            "owner": "CloudwatchLogs",
            "logGroup": "",
            "logStream": "",
            "subscriptionFilters": [],
            "logEvents": [],
        }
    ]


def test_what_a_function_prints_is_delivered_under_its_ids(aws: Emulator) -> None:
    source = "def handler(event, context):\n    print('line\\n\\nline\\nother')"
    producer, consumer = create_function(aws, source), create_function(aws, PRINTING)
    group = f"/aws/lambda/{name_of(producer)}"
    aws.client("logs").create_log_group(logGroupName=group)
    subscribe(aws, group, consumer, "line")
    aws.client("lambda").invoke(FunctionName=producer)
    payload = wait_for(lambda: deliveries(aws, consumer))[0]
    stored = aws.client("logs").filter_log_events(logGroupName=group, filterPattern="line")
    assert [event["id"] for event in payload["logEvents"]] == [
        event["eventId"] for event in stored["events"]
    ]
    assert len(payload["logEvents"]) == 2


def test_a_large_batch_is_split_to_fit_an_invocation(aws: Emulator) -> None:
    # Random text hardly compresses: this payload is larger than an asynchronous event may be.
    source = """
import base64, gzip, json
def handler(event, context):
    content = json.loads(gzip.decompress(base64.b64decode(event["awslogs"]["data"])))
    if content["messageType"] == "DATA_MESSAGE":
        sizes = len(event["awslogs"]["data"]), len(content["logEvents"])
        print("SIZES", json.dumps(sizes))
"""
    letters = random.Random(1)
    messages = ["".join(letters.choices(string.printable[:94], k=17_000)) for _ in range(60)]
    function, group = create_function(aws, source), create_group(aws)
    subscribe(aws, group, function)
    put(aws, group, *messages)

    def sizes() -> list[list[int]]:
        found = [line for line in lines_of(aws, function) if line.startswith("SIZES")]
        return [json.loads(line.removeprefix("SIZES ")) for line in found]

    wait_for(lambda: sum(count for _, count in sizes()) == len(messages))
    assert len(sizes()) == 2
    assert all(size <= 1_048_576 for size, _ in sizes())


def test_a_filter_needs_a_function_that_cloudwatch_logs_may_invoke(
    aws: Emulator, printing: str
) -> None:
    group = create_group(aws)
    expected = "InvalidParameterException", NOT_EXECUTABLE
    closed = create_function(aws, PRINTING, open_to_logs=False)
    assert refusal(aws, group, closed) == expected
    assert refusal(aws, group, printing + "x") == expected
    assert refusal(aws, group, printing + ":9") == expected
    elsewhere = printing.replace("us-east-1", "eu-west-1")
    assert refusal(aws, group, elsewhere) == expected
    assert (
        aws.client("logs").describe_subscription_filters(logGroupName=group)["subscriptionFilters"]
        == []
    )


@pytest.mark.parametrize(
    ("conditions", "allowed"),
    [
        ({"SourceArn": "arn:aws:logs:us-east-1:{account}:log-group:{group}:*"}, True),
        ({"SourceArn": "arn:aws:logs:us-east-1:{account}:log-group:*"}, True),
        ({"SourceArn": "arn:aws:logs:us-east-1:{account}:log-group:{group}"}, False),
        ({"SourceArn": "arn:aws:logs:us-east-1:{account}:log-group:other:*"}, False),
        ({"SourceAccount": "{account}"}, True),
        ({"SourceAccount": "111111111111"}, False),
    ],
)
def test_conditions_of_the_permission_count(
    aws: Emulator, conditions: dict[str, str], allowed: bool
) -> None:
    group = create_group(aws)
    function = create_function(aws, PRINTING, open_to_logs=False)
    given = {name: value.format(account=ACCOUNT, group=group) for name, value in conditions.items()}
    permit_logs(aws, function, **given)
    if allowed:
        subscribe(aws, group, function)
    else:
        assert refusal(aws, group, function)[1] == NOT_EXECUTABLE


def test_a_permission_taken_away_ends_the_delivery(aws: Emulator) -> None:
    function, group = create_function(aws, PRINTING), create_group(aws)
    subscribe(aws, group, function)
    functions = aws.client("lambda")
    document = json.loads(functions.get_policy(FunctionName=function)["Policy"])
    functions.remove_permission(FunctionName=function, StatementId=document["Statement"][0]["Sid"])
    put(aws, group, "lost")
    dimensions = [{"Name": "LogGroupName", "Value": group}]
    wait_for(
        lambda: aws.client("cloudwatch").list_metrics(
            Namespace="AWS/Logs", MetricName="DeliveryErrors", Dimensions=dimensions
        )["Metrics"]
    )
    assert delivered_messages(aws, function) == []


def test_quotas(aws: Emulator, printing: str) -> None:
    group, logs = create_group(aws), aws.client("logs")
    exceeded = "LimitExceededException", "Resource limit exceeded."
    subscribe(aws, group, printing, "one")
    subscribe(aws, group, printing, "two")
    assert refusal(aws, group, printing) == exceeded
    # Changing a filter needs no free slot.
    existing = logs.describe_subscription_filters(logGroupName=group)["subscriptionFilters"][0]
    changed = {name: existing[name] for name in ("logGroupName", "filterName", "destinationArn")}
    logs.put_subscription_filter(**changed, filterPattern="three")


def test_other_refusals(aws: Emulator, printing: str) -> None:
    group = create_group(aws)
    code, message = refusal(aws, group, printing, filterPattern="a-b")
    assert (code, "Invalid filter pattern" in message) == ("InvalidParameterException", True)
    assert "not implemented" in refusal(aws, group, printing, filterPattern="[a, b]")[1]
    infrequent = create_group(aws, logGroupClass="INFREQUENT_ACCESS")
    code, message = refusal(aws, infrequent, printing)
    assert (code, "Infrequent Access" in message) == ("InvalidParameterException", True)
    assert refusal(aws, "none", printing)[0] == "ResourceNotFoundException"
    assert "not implemented" in refusal(aws, group, f"arn:aws:sqs:us-east-1:{ACCOUNT}:q")[1]
    assert refusal(aws, group, "no ARN")[0] == "InvalidParameterException"


def subscription(function: str, **properties: str) -> dict[str, Any]:
    return {
        "Group": {"Type": "AWS::Logs::LogGroup"},
        "Filter": {
            "Type": "AWS::Logs::SubscriptionFilter",
            "Properties": {
                "LogGroupName": {"Ref": "Group"},
                "FilterPattern": "wanted",
                "DestinationArn": function,
                **properties,
            },
        },
    }


def test_a_stack_subscribes_a_group_of_its_own(aws: Emulator) -> None:
    function, stack = create_function(aws, PRINTING), unique("stack")
    assert deploy(aws, stack, subscription(function))["StackStatus"] == "CREATE_COMPLETE"
    group = aws.client("cloudformation").describe_stack_resource(
        StackName=stack, LogicalResourceId="Group"
    )["StackResourceDetail"]["PhysicalResourceId"]
    aws.client("logs").create_log_stream(logGroupName=group, logStreamName="stream")
    put(aws, group, "wanted", "other")
    assert wait_for(lambda: delivered_messages(aws, function)) == ["wanted"]


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        ({"FilterPattern": "a-b"}, "Invalid filter pattern"),
        ({"DestinationArn": f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:none"}, NOT_EXECUTABLE),
        ({"LogGroupName": "none"}, "does not exist"),
    ],
)
def test_a_stack_with_a_bad_filter_rolls_back(
    aws: Emulator, printing: str, properties: dict[str, str], reason: str
) -> None:
    stack = unique("stack")
    deployed = deploy(aws, stack, subscription(printing, **properties))
    assert deployed["StackStatus"] == "ROLLBACK_COMPLETE"
    assert reason in failure_reasons(aws, stack)
    assert not aws.client("logs").describe_log_groups(logGroupNamePrefix="none")["logGroups"]


def test_a_filter_on_the_functions_own_group_loops_until_the_hard_stop(aws: Emulator) -> None:
    function = create_function(aws, "def handler(event, context): pass")
    group = f"/aws/lambda/{name_of(function)}"
    aws.client("logs").create_log_group(logGroupName=group)
    subscribe(aws, group, function, "START")

    def starts() -> int:
        return sum(line.startswith("START") for line in lines_of(aws, function))

    # The control message is the first invocation, and each invocation starts another.
    wait_for(lambda: starts() == MAXIMUM_NESTED_DELIVERIES)
    time.sleep(0.3)
    assert starts() == MAXIMUM_NESTED_DELIVERIES
    assert "Loop stopped" in aws.log_path.read_text()


def test_a_loop_through_an_sdk_call_stops_too(aws: Emulator) -> None:
    source = """
import boto3, os, time
logs = boto3.client("logs")
def handler(event, context):
    print("RUN")
    message = {"timestamp": int(time.time() * 1000), "message": "again"}
    logs.put_log_events(logGroupName="GROUP", logStreamName="stream", logEvents=[message])
"""
    group = create_group(aws)
    function = create_function(aws, source.replace("GROUP", group))
    subscribe(aws, group, function, "again")

    def runs() -> int:
        return lines_of(aws, function).count("RUN")

    wait_for(lambda: runs() == MAXIMUM_NESTED_DELIVERIES)
    time.sleep(0.3)
    assert runs() == MAXIMUM_NESTED_DELIVERIES
