from __future__ import annotations

import itertools
import json
import time
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError

from emulator import Emulator
from tests.emulator.support import (
    allow,
    create_function,
    create_group,
    create_logs_role,
    create_queue,
    create_role,
    create_stream,
    delete_stack,
    deploy,
    lines_of,
    name_of,
    put,
    receive,
    unique,
    wait_for,
)

pytestmark = pytest.mark.emulator

# Prints the batch it was given; fails as a whole, or reports items, for records named so.
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
    arguments = {"StartingPosition": "TRIM_HORIZON", **settings}
    created = aws.client("lambda").create_event_source_mapping(
        EventSourceArn=stream, FunctionName=function, **arguments
    )
    return str(created["UUID"])


def batches(aws: Emulator, function: str) -> list[list[str]]:
    lines = lines_of(aws, function)
    return [json.loads(line[6:]) for line in lines if line.startswith("BATCH ")]


def texts(aws: Emulator, function: str) -> list[str]:
    return list(itertools.chain.from_iterable(batches(aws, function)))


def has_read(aws: Emulator, function: str, text: str) -> bool:
    return text in texts(aws, function)


def test_records_are_read_in_order_from_the_start_or_the_end(aws: Emulator) -> None:
    stream = create_stream(aws)
    write(aws, stream, "before")
    horizon, latest = create_function(aws, READING), create_function(aws, READING)
    map_to(aws, stream, horizon)
    map_to(aws, stream, latest, StartingPosition="LATEST")
    write(aws, stream, *map(str, range(5)))
    after = list(map(str, range(5)))
    wait_for(lambda: texts(aws, horizon) == ["before", *after])
    wait_for(lambda: texts(aws, latest) == after)


def test_batches_have_a_size_and_a_window(aws: Emulator) -> None:
    stream, function = create_stream(aws), create_function(aws, READING)
    write(aws, stream, *map(str, range(5)))
    map_to(aws, stream, function, BatchSize=2, MaximumBatchingWindowInSeconds=1)
    wait_for(lambda: batches(aws, function) == [["0", "1"], ["2", "3"], ["4"]])


def test_poison_is_isolated_and_ends_in_the_queue(aws: Emulator) -> None:
    stream, function = create_stream(aws), create_function(aws, READING)
    url, queue = create_queue(aws)
    write(aws, stream, "0", "1", "poison", "3")
    map_to(
        aws,
        stream,
        function,
        BisectBatchOnFunctionError=True,
        MaximumRetryAttempts=1,
        DestinationConfig={"OnFailure": {"Destination": queue}},
    )
    record = json.loads(receive(aws, url)["Body"])
    wait_for(lambda: batches(aws, function)[-1] == ["3"])
    found = batches(aws, function)
    assert found == [
        ["0", "1", "poison", "3"],
        ["0", "1"],
        ["poison", "3"],
        ["poison"],
        ["poison"],
        ["3"],
    ]
    assert record["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert record["requestContext"]["functionArn"] == function
    assert record["requestContext"]["approximateInvokeCount"] == 2
    assert record["responseContext"]["functionError"] == "Unhandled"
    information = record["KinesisBatchInfo"]
    assert information["batchSize"] == 1
    assert information["streamArn"] == stream
    assert information["startSequenceNumber"] == information["endSequenceNumber"]
    assert "responsePayload" not in record


def test_a_reported_record_is_the_checkpoint(aws: Emulator) -> None:
    stream, function = create_stream(aws), create_function(aws, READING)
    write(aws, stream, "0", "1", "bad", "3")
    map_to(
        aws,
        stream,
        function,
        FunctionResponseTypes=["ReportBatchItemFailures"],
        MaximumRetryAttempts=1,
    )
    wait_for(lambda: len(batches(aws, function)) == 2)
    write(aws, stream, "4")
    wait_for(lambda: len(batches(aws, function)) == 3)
    assert batches(aws, function) == [["0", "1", "bad", "3"], ["bad", "3"], ["4"]]


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


def test_lanes_of_a_shard_run_at_once_and_lose_nothing(aws: Emulator) -> None:
    stream, function = create_stream(aws), create_function(aws, READING)
    for number in range(20):
        write(aws, stream, str(number), key=f"key-{number}")
    map_to(aws, stream, function, ParallelizationFactor=4)
    expected = sorted(map(str, range(20)))
    wait_for(lambda: sorted(texts(aws, function)) == expected)
    assert len(batches(aws, function)) > 1


def test_the_number_of_lanes_changes_without_loss_or_start_again(aws: Emulator) -> None:
    stream, function = create_stream(aws), create_function(aws, READING)
    mapping = map_to(aws, stream, function)
    for factor in (3, 2):
        write(aws, stream, f"before {factor}", key=f"key-{factor}")
        wait_for(partial(has_read, aws, function, f"before {factor}"))
        aws.client("lambda").update_event_source_mapping(UUID=mapping, ParallelizationFactor=factor)
        for number in range(6):
            write(aws, stream, f"{factor} {number}", key=f"key-{number}")
    expected = [f"{factor} {number}" for factor in (3, 2) for number in range(6)]
    wait_for(lambda: set(expected) <= set(texts(aws, function)))
    assert texts(aws, function).count("before 3") == 1


def test_a_throttled_batch_uses_up_no_retry(aws: Emulator) -> None:
    stream, function = create_stream(aws), create_function(aws, READING)
    functions = aws.client("lambda")
    functions.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0)
    map_to(aws, stream, function, MaximumRetryAttempts=0)
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


def test_the_age_of_the_last_record_is_a_metric(aws: Emulator) -> None:
    stream, function = create_stream(aws), create_function(aws, READING)
    map_to(aws, stream, function)
    write(aws, stream, "one")
    wait_for(lambda: batches(aws, function))
    metrics = aws.client("cloudwatch").list_metrics(
        Namespace="AWS/Lambda",
        MetricName="IteratorAge",
        Dimensions=[{"Name": "FunctionName", "Value": name_of(function)}],
    )["Metrics"]
    assert len(metrics) == 1


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
                "MaximumRetryAttempts": "3",
                "BisectBatchOnFunctionError": "true",
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
    latest = {"StartingPosition": "LATEST"}
    assert "startingPosition" in refused(aws, stream, function)
    assert "not implemented" in refused(aws, stream, function, StartingPosition="AT_TIMESTAMP")
    assert "ParallelizationFactor" in refused(
        aws, stream, function, ParallelizationFactor=11, **latest
    )
    assert "at least 60" in refused(aws, stream, function, MaximumRecordAgeInSeconds=59, **latest)
    assert "Stream not found" in refused(aws, f"{stream}-none", function, **latest)
    unable = create_function(aws, READING, role=create_role(aws))
    assert "Cannot access stream" in refused(aws, stream, unable, **latest)
    map_to(aws, stream, function)
    assert "already exists" in refused(aws, stream, function, **latest)
