from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from emulator import Emulator
from emulator.tests.support import (
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


def refused(aws: Emulator, queue: str, function: str, **settings: Any) -> str:
    with pytest.raises(ClientError) as error:
        map_to(aws, queue, function, **settings)
    return str(error.value.response["Error"]["Message"])


def test_what_lambda_refuses(aws: Emulator) -> None:
    function, (_, queue) = create_function(aws, RECEIVING), create_queue(aws)
    assert "NonExistentQueue" in refused(aws, f"{queue}-none", function)
    aws.client("lambda").update_function_configuration(FunctionName=function, Timeout=31)
    assert "less than Function timeout: 31 seconds" in refused(aws, queue, function)
    unable = create_function(aws, RECEIVING, role=create_role(aws))
    assert "permissions to call sqs:ReceiveMessage" in refused(aws, queue, unable)
    half = create_role(aws, [allow("sqs:ReceiveMessage", queue)])
    assert "DeleteMessage" in refused(aws, queue, create_function(aws, RECEIVING, role=half))
    able = create_function(aws, RECEIVING, role=create_role(aws, [allow("sqs:*", queue)]))
    map_to(aws, queue, able)


def mapping(queue: str, function: str, **properties: Any) -> dict[str, Any]:
    return {
        "Mapping": {
            "Type": "AWS::Lambda::EventSourceMapping",
            "Properties": {"EventSourceArn": queue, "FunctionName": function, **properties},
        }
    }


def test_a_stack_with_a_mapping_of_no_queue_rolls_back(aws: Emulator) -> None:
    missing = f"arn:aws:sqs:us-east-1:{ACCOUNT}:none"
    resources = mapping(missing, create_function(aws, RECEIVING))
    assert deploy(aws, unique("stack"), resources)["StackStatus"] == "ROLLBACK_COMPLETE"


# Prints both envelopes of a function that reads a queue and is subscribed to a log group. A message
# decides whether it fails.
RETRYING = """
import boto3, json, time
def handler(event, context):
    if "Records" not in event:
        print("SUBSCRIBED", sorted(event))
        return
    (record,) = event["Records"]
    what = record["body"]
    told = {**record["attributes"], "at": time.time(), "size": len(what), "id": record["messageId"]}
    print("RECORD", json.dumps(told))
    if what == "late":
        while True:
            time.sleep(1)
    if what == "killed":
        boto3.client("sts").get_caller_identity()
    if what == "soon":
        queues = boto3.client("sqs")
        url = queues.get_queue_url(QueueName=record["eventSourceARN"].rpartition(":")[2])
        queues.change_message_visibility(
            QueueUrl=url["QueueUrl"], ReceiptHandle=record["receiptHandle"], VisibilityTimeout=0
        )
    failed = what in ("soon", "failing")
    items = [{"itemIdentifier": record["messageId"]}] if failed else []
    return {"batchItemFailures": items}
"""


class TestRetryQueue:
    """A queue with batches of one, partial batch responses and a maximum concurrency."""

    @staticmethod
    def retrying(aws: Emulator, *, visibility: int = 1) -> tuple[str, str]:
        """Return the function and the URL of its queue."""
        function, (url, queue) = create_function(aws, RETRYING), create_queue(aws)
        quick(aws, function)
        set_attributes(aws, url, VisibilityTimeout=str(visibility))
        settings = {
            "BatchSize": 1,
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
            "ScalingConfig": {"MaximumConcurrency": 2},
        }
        map_to(aws, queue, function, **settings)
        return function, url

    @staticmethod
    def records(aws: Emulator, function: str) -> list[dict[str, Any]]:
        lines = [line for line in lines_of(aws, function) if line.startswith("RECORD ")]
        return [json.loads(line.removeprefix("RECORD ")) for line in lines]

    def pair(self, aws: Emulator, function: str) -> list[dict[str, Any]]:
        """Wait for two records and return them."""
        found = self.records(aws, function)
        return found[:2] if len(found) >= 2 else []

    def test_a_function_may_say_when_a_message_comes_again(self, aws: Emulator) -> None:
        function, url = self.retrying(aws, visibility=60)
        send(aws, url, "soon")
        first, second = wait_for(lambda: self.pair(aws, function))
        assert second["at"] - first["at"] < 10
        assert second["ApproximateReceiveCount"] == "2"

    @pytest.mark.parametrize("what", ["late", "killed"])
    def test_a_message_whose_function_died_comes_again(self, aws: Emulator, what: str) -> None:
        function, url = self.retrying(aws, visibility=2)
        if what == "killed":
            aws.inject_fault("sts", "GetCallerIdentity", kill=True)
        send(aws, url, what)
        first, second = wait_for(lambda: self.pair(aws, function))
        # The receipt was before the function's start.
        assert second["at"] - first["at"] > 1
        assert first["id"] == second["id"]
        aws.clear_faults()
