from __future__ import annotations

import itertools
import json
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from emulator import Emulator
from tests.emulator.support import (
    ACCOUNT,
    allow,
    create_function,
    create_queue,
    create_role,
    deploy,
    lines_of,
    unique,
    wait_for,
)

pytestmark = pytest.mark.emulator

RECEIVING = """
import json
def handler(event, context):
    records = event["Records"]
    bodies = [record["body"][:20] for record in records]
    print("BATCH", json.dumps(bodies))
    if "poison" in bodies:
        raise RuntimeError("poison")
    failures = [r["messageId"] for r in records if r["body"] == "bad"]
    failures += ["unknown" for r in records if r["body"] == "confused"]
    return {"batchItemFailures": [{"itemIdentifier": one} for one in failures]}
"""


def send(aws: Emulator, url: str, *bodies: str) -> None:
    for body in bodies:
        aws.client("sqs").send_message(QueueUrl=url, MessageBody=body)


def map_to(aws: Emulator, queue: str, function: str, **settings: Any) -> None:
    aws.client("lambda").create_event_source_mapping(
        EventSourceArn=queue, FunctionName=function, **settings
    )


def batches(aws: Emulator, function: str) -> list[list[str]]:
    lines = lines_of(aws, function)
    return [json.loads(line[6:]) for line in lines if line.startswith("BATCH ")]


def received(aws: Emulator, function: str) -> list[str]:
    return sorted(itertools.chain.from_iterable(batches(aws, function)))


def left(aws: Emulator, url: str) -> int:
    attributes = aws.client("sqs").get_queue_attributes(
        QueueUrl=url,
        AttributeNames=[
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesNotVisible",
        ],
    )["Attributes"]
    return sum(map(int, attributes.values()))


def set_attributes(aws: Emulator, url: str, **attributes: str) -> None:
    aws.client("sqs").set_queue_attributes(QueueUrl=url, Attributes=attributes)


def quick(aws: Emulator, function: str) -> None:
    """A function whose queue may have a short visibility timeout."""
    aws.client("lambda").update_function_configuration(FunctionName=function, Timeout=1)


def test_messages_that_failed_come_again_after_their_visibility_timeout(aws: Emulator) -> None:
    function, (url, queue) = create_function(aws, RECEIVING), create_queue(aws)
    quick(aws, function)
    set_attributes(aws, url, VisibilityTimeout="1")
    send(aws, url, "good", "bad")
    map_to(aws, queue, function, FunctionResponseTypes=["ReportBatchItemFailures"])
    wait_for(lambda: received(aws, function).count("bad") >= 2)
    assert received(aws, function).count("good") == 1
    assert left(aws, url) == 1


def test_an_unknown_identifier_fails_the_whole_batch(aws: Emulator) -> None:
    function, (url, queue) = create_function(aws, RECEIVING), create_queue(aws)
    quick(aws, function)
    set_attributes(aws, url, VisibilityTimeout="1")
    send(aws, url, "good", "confused")
    map_to(aws, queue, function, FunctionResponseTypes=["ReportBatchItemFailures"])
    wait_for(lambda: received(aws, function).count("good") >= 2)
    assert left(aws, url) == 2


def test_a_redrive_policy_ends_the_attempts(aws: Emulator) -> None:
    function = create_function(aws, RECEIVING)
    (url, queue), (dead_url, dead) = create_queue(aws), create_queue(aws)
    quick(aws, function)
    redrive = json.dumps({"deadLetterTargetArn": dead, "maxReceiveCount": 2})
    set_attributes(aws, url, VisibilityTimeout="1", RedrivePolicy=redrive)
    send(aws, url, "poison")
    map_to(aws, queue, function)
    wait_for(lambda: left(aws, dead_url) == 1)
    assert batches(aws, function) == [["poison"], ["poison"]]
    assert left(aws, url) == 0


def test_a_batch_may_be_larger_than_a_receipt(aws: Emulator) -> None:
    function, (url, queue) = create_function(aws, RECEIVING), create_queue(aws)
    map_to(aws, queue, function, BatchSize=12, MaximumBatchingWindowInSeconds=2)
    send(aws, url, *map(str, range(15)))
    wait_for(lambda: sorted(map(len, batches(aws, function))) == [3, 12])
    assert left(aws, url) == 0


def test_a_batch_fits_an_invocation(aws: Emulator) -> None:
    function, (url, queue) = create_function(aws, RECEIVING), create_queue(aws)
    send(aws, url, *["x" * 1_000_000] * 8)
    map_to(aws, queue, function)
    wait_for(lambda: sorted(map(len, batches(aws, function))) == [2, 6])


def test_no_more_batches_at_once_than_the_maximum(aws: Emulator) -> None:
    source = """
import time
def handler(event, context):
    started = time.time()
    time.sleep(0.4)
    print("SPAN", started, time.time())
"""
    function, (url, queue) = create_function(aws, source), create_queue(aws)
    send(aws, url, *map(str, range(6)))
    map_to(aws, queue, function, BatchSize=1, ScalingConfig={"MaximumConcurrency": 2})

    def spans() -> list[tuple[float, float]]:
        found = [line.split() for line in lines_of(aws, function) if line.startswith("SPAN")]
        return [(float(start), float(end)) for _, start, end in found]

    wait_for(lambda: len(spans()) == 6)
    at_once = [sum(start <= at < end for start, end in spans()) for at, _ in spans()]
    assert max(at_once) == 2


def refused(aws: Emulator, queue: str, function: str, **settings: Any) -> str:
    with pytest.raises(ClientError) as error:
        map_to(aws, queue, function, **settings)
    return str(error.value.response["Error"]["Message"])


def test_what_lambda_refuses(aws: Emulator) -> None:
    function, (_, queue) = create_function(aws, RECEIVING), create_queue(aws)
    assert "Maximum batch window" in refused(aws, queue, function, BatchSize=11)
    assert "Unsupported MaximumRetryAttempts" in refused(
        aws, queue, function, MaximumRetryAttempts=1
    )
    assert "NonExistentQueue" in refused(aws, f"{queue}-none", function)
    aws.client("lambda").update_function_configuration(FunctionName=function, Timeout=31)
    assert "less than Function timeout: 31 seconds" in refused(aws, queue, function)
    unable = create_function(aws, RECEIVING, role=create_role(aws))
    assert "permissions to call ReceiveMessage" in refused(aws, queue, unable)
    half = create_role(aws, [allow("sqs:ReceiveMessage", queue)])
    assert "DeleteMessage" in refused(aws, queue, create_function(aws, RECEIVING, role=half))
    able = create_function(aws, RECEIVING, role=create_role(aws, [allow("sqs:*", queue)]))
    map_to(aws, queue, able)
    assert "already exists" in refused(aws, queue, able)


def mapping(queue: str, function: str, **properties: Any) -> dict[str, Any]:
    return {
        "Mapping": {
            "Type": "AWS::Lambda::EventSourceMapping",
            "Properties": {"EventSourceArn": queue, "FunctionName": function, **properties},
        }
    }


def test_a_stack_maps_a_queue(aws: Emulator) -> None:
    function, (url, queue), stack = create_function(aws, RECEIVING), create_queue(aws), unique("s")
    settings = {
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "ScalingConfig": {"MaximumConcurrency": 2},
    }
    assert deploy(aws, stack, mapping(queue, function, **settings))["StackStatus"] == (
        "CREATE_COMPLETE"
    )
    (found,) = aws.client("lambda").list_event_source_mappings(FunctionName=function)[
        "EventSourceMappings"
    ]
    assert found["ScalingConfig"] == {"MaximumConcurrency": 2}
    assert "StartingPosition" not in found
    deploy(aws, stack, mapping(queue, function, Enabled="false"))
    (found,) = aws.client("lambda").list_event_source_mappings(FunctionName=function)[
        "EventSourceMappings"
    ]
    assert found["State"] == "Disabled"
    assert "ScalingConfig" not in found
    send(aws, url, "later")
    time.sleep(0.3)
    assert batches(aws, function) == []
    deploy(aws, stack, mapping(queue, function))
    wait_for(lambda: batches(aws, function) == [["later"]])


def test_a_stack_with_a_mapping_of_no_queue_rolls_back(aws: Emulator) -> None:
    missing = f"arn:aws:sqs:us-east-1:{ACCOUNT}:none"
    resources = mapping(missing, create_function(aws, RECEIVING))
    assert deploy(aws, unique("stack"), resources)["StackStatus"] == "ROLLBACK_COMPLETE"
