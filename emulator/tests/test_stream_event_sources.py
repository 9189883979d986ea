from __future__ import annotations

import json
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from emulator import Emulator
from emulator.stream_event_sources import after_attempt
from emulator.tests.support import (
    allow,
    create_function,
    create_group,
    create_logs_role,
    create_role,
    create_stream,
    delete_stack,
    deploy,
    lines_of,
    name_of,
    put,
    unique,
    wait_for,
)

pytestmark = pytest.mark.emulator

# Prints its batch. Fails, or reports failed items, if a record asks for it.
READING = """
import base64, json
def handler(event, context):
    records = event["Records"]
    texts = [base64.b64decode(record["kinesis"]["data"]).decode() for record in records]
    print("BATCH", json.dumps(texts))
    if any(text.startswith("poison") for text in texts):
        raise RuntimeError("poison")
    return {"batchItemFailures": [
        {"itemIdentifier": record["kinesis"]["sequenceNumber"]}
        for record, text in zip(records, texts)
        if text.startswith("bad")
    ]}
"""
UNPACKING = """
import base64, gzip, json
def handler(event, context):
    for record in event["Records"]:
        document = json.loads(gzip.decompress(base64.b64decode(record["kinesis"]["data"])))
        for event in document["logEvents"]:
            print("LINE", document["messageType"], document["logGroup"], event["message"])
"""


def write(aws: Emulator, stream: str, *texts: str, key: str = "key") -> None:
    aws.client("kinesis").put_records(
        StreamARN=stream, Records=[{"Data": text.encode(), "PartitionKey": key} for text in texts]
    )


def map_to(aws: Emulator, stream: str, function: str, **settings: Any) -> str:
    created = aws.client("lambda").create_event_source_mapping(
        EventSourceArn=stream, FunctionName=function, StartingPosition="TRIM_HORIZON", **settings
    )
    return str(created["UUID"])


def batches(aws: Emulator, function: str) -> list[list[str]]:
    lines = lines_of(aws, function)
    return [json.loads(line[6:]) for line in lines if line.startswith("BATCH ")]


def test_records_are_read_in_order_from_the_start_in_batches(aws: Emulator) -> None:
    stream, function = create_stream(aws), create_function(aws, READING)
    write(aws, stream, *map(str, range(5)))
    map_to(aws, stream, function, BatchSize=2)
    wait_for(lambda: batches(aws, function) == [["0", "1"], ["2", "3"], ["4"]])
    write(aws, stream, "5")
    wait_for(lambda: batches(aws, function)[3:] == [["5"]])


def test_a_failed_batch_is_split_and_tried_until_it_succeeds(aws: Emulator) -> None:
    stream, function = create_stream(aws), create_function(aws, READING)
    write(aws, stream, "0", "1", "poison", "3")
    map_to(aws, stream, function, BisectBatchOnFunctionError=True)
    first = [["0", "1", "poison", "3"], ["0", "1"], ["poison", "3"], ["poison"], ["poison"]]
    wait_for(lambda: batches(aws, function)[:5] == first)


def record(number: int) -> dict[str, Any]:
    return {"SequenceNumber": str(number)}


@pytest.mark.parametrize(
    ("bisect", "reported", "again"),
    [
        (False, [], []),
        (False, ["3"], [[3, 4]]),
        (False, ["4", "3"], [[3, 4]]),
        (True, ["3"], [[3, 4]]),
        (False, ["1"], [[1, 2, 3, 4]]),
        (True, ["1"], [[1, 2], [3, 4]]),
        (False, ["9"], [[1, 2, 3, 4]]),
        (True, [""], [[1, 2], [3, 4]]),
    ],
)
def test_what_is_tried_again(bisect: bool, reported: list[str], again: list[list[int]]) -> None:
    mapping = {
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "BisectBatchOnFunctionError": bisect,
    }
    body = {"batchItemFailures": [{"itemIdentifier": one} for one in reported]}
    left = after_attempt(mapping, [record(number) for number in range(1, 5)], {"body": body})
    assert left == [[record(number) for number in batch] for batch in again]


def test_shards_and_mappings_do_not_wait_for_each_other(aws: Emulator) -> None:
    slow = "import time\ndef handler(event, context):\n    time.sleep(8)\n"
    first, second = create_stream(aws), create_stream(aws)
    sleeping, function = create_function(aws, slow), create_function(aws, READING)
    aws.client("lambda").update_function_configuration(FunctionName=sleeping, Timeout=10)
    map_to(aws, first, sleeping)
    write(aws, first, "slow")
    time.sleep(1.5)
    map_to(aws, second, function)
    write(aws, second, "fast")
    wait_for(lambda: batches(aws, function) == [["fast"]], seconds=5)


def test_a_throttled_batch_is_tried_again(aws: Emulator) -> None:
    stream, function = create_stream(aws), create_function(aws, READING)
    functions = aws.client("lambda")
    functions.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0)
    map_to(aws, stream, function)
    write(aws, stream, "patient")
    time.sleep(0.5)
    assert batches(aws, function) == []
    functions.delete_function_concurrency(FunctionName=function)
    wait_for(lambda: batches(aws, function) == [["patient"]])


def test_deleting_a_mapping_ends_its_retries(aws: Emulator) -> None:
    stream, function = create_stream(aws), create_function(aws, READING)
    mapping = map_to(aws, stream, function)
    write(aws, stream, "poison")
    wait_for(lambda: len(batches(aws, function)) >= 3)
    aws.client("lambda").delete_event_source_mapping(UUID=mapping)
    time.sleep(0.3)
    attempts = len(batches(aws, function))
    time.sleep(0.5)
    assert len(batches(aws, function)) == attempts


def scaled_out(function: str, group: str, role: str) -> dict[str, Any]:
    """A stream, a filter that sends to it, and a mapping that reads it."""
    return {
        "Stream": {"Type": "AWS::Kinesis::Stream", "Properties": {"ShardCount": 2}},
        "Policy": {
            "Type": "AWS::IAM::Policy",
            "Properties": {
                "PolicyName": "put",
                "Roles": [role.rsplit("/", 1)[-1]],
                "PolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Action": ["kinesis:PutRecord", "kinesis:PutRecords"],
                            "Resource": {"Fn::GetAtt": ["Stream", "Arn"]},
                        }
                    ],
                },
            },
        },
        "Filter": {
            "Type": "AWS::Logs::SubscriptionFilter",
            "DependsOn": "Policy",
            "Properties": {
                "LogGroupName": group,
                "FilterPattern": "wanted",
                "DestinationArn": {"Fn::GetAtt": ["Stream", "Arn"]},
                "RoleArn": role,
            },
        },
        "Mapping": {
            "Type": "AWS::Lambda::EventSourceMapping",
            "Properties": {
                "FunctionName": function,
                "EventSourceArn": {"Fn::GetAtt": ["Stream", "Arn"]},
                "StartingPosition": "TRIM_HORIZON",
                "BatchSize": 100,
                "BisectBatchOnFunctionError": True,
                "FunctionResponseTypes": ["ReportBatchItemFailures"],
            },
        },
    }


def test_a_stack_scales_out_over_a_stream(aws: Emulator) -> None:
    function, group = create_function(aws, UNPACKING), create_group(aws)
    stack, role = unique("stack"), create_logs_role(aws, [])
    created = deploy(aws, stack, scaled_out(function, group, role))
    assert created["StackStatus"] == "CREATE_COMPLETE"
    put(aws, group, "wanted one", "other", "wanted two")
    expected = [f"LINE DATA_MESSAGE {group} wanted {word}" for word in ("one", "two")]
    wait_for(lambda: [line for line in lines_of(aws, function) if "LINE DATA" in line] == expected)
    delete_stack(aws, stack)
    assert not aws.client("lambda").list_event_source_mappings(FunctionName=function)[
        "EventSourceMappings"
    ]


def test_a_filter_before_its_roles_policy_fails_the_stack(aws: Emulator) -> None:
    resources = scaled_out(
        create_function(aws, UNPACKING), create_group(aws), create_logs_role(aws, [])
    )
    del resources["Policy"], resources["Filter"]["DependsOn"]
    assert deploy(aws, unique("stack"), resources)["StackStatus"] == "ROLLBACK_COMPLETE"


def test_a_loop_through_a_stream_stops(aws: Emulator) -> None:
    function, stream = create_function(aws, UNPACKING), create_stream(aws)
    role, group = create_logs_role(aws, [allow("kinesis:*", stream)]), create_group(aws)
    own_group = f"/aws/lambda/{name_of(function)}"
    logs = aws.client("logs")
    logs.create_log_group(logGroupName=own_group)
    map_to(aws, stream, function)
    for name in (group, own_group):
        logs.put_subscription_filter(
            logGroupName=name,
            filterName="loop",
            filterPattern="again",
            destinationArn=stream,
            roleArn=role,
        )
    put(aws, group, "again")

    def lines() -> int:
        return sum("again" in line for line in lines_of(aws, function))

    wait_for(lambda: lines() == 10)
    time.sleep(0.5)
    assert lines() == 10


def refused(aws: Emulator, source: str, function: str, **settings: Any) -> str:
    with pytest.raises(ClientError) as error:
        aws.client("lambda").create_event_source_mapping(
            EventSourceArn=source, FunctionName=function, **settings
        )
    return str(error.value.response["Error"]["Message"])


def test_what_lambda_refuses(aws: Emulator) -> None:
    stream, function = create_stream(aws), create_function(aws, READING)
    assert "TRIM_HORIZON only" in refused(aws, stream, function, StartingPosition="LATEST")
    start = {"StartingPosition": "TRIM_HORIZON"}
    assert "Stream not found" in refused(aws, f"{stream}-none", function, **start)
    unable = create_function(aws, READING, role=create_role(aws))
    assert "call kinesis:DescribeStream" in refused(aws, stream, unable, **start)
