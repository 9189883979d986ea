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
    create_group,
    create_queue,
    create_role,
    deploy,
    iam_evaluated,
    lines_of,
    now,
    policy,
    put,
    receive,
    subscribe,
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
    for settings in ({"BatchSize": 11}, {"MaximumBatchingWindowInSeconds": 1}):
        assert "not implemented" in refused(aws, queue, function, **settings)
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


# Prints both envelopes of a function that reads a queue and is subscribed to a log group. A message
# says what becomes of it.
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

    def test_a_function_may_read_a_queue_and_log_groups(self, aws: Emulator) -> None:
        function, url = self.retrying(aws)
        group = create_group(aws)
        subscribe(aws, group, function)
        put(aws, group, "a line")
        send(aws, url, "good")
        wait_for(lambda: self.records(aws, function))
        wait_for(lambda: "SUBSCRIBED ['awslogs']" in lines_of(aws, function))
        wait_for(lambda: left(aws, url) == 0)

    def test_a_record_tells_its_age_and_its_receipts(self, aws: Emulator) -> None:
        function, url = self.retrying(aws)
        before = now()
        send(aws, url, "failing")
        first, second = wait_for(lambda: self.pair(aws, function))
        assert [one["ApproximateReceiveCount"] for one in (first, second)] == ["1", "2"]
        assert first["id"] == second["id"]
        assert before <= int(first["SentTimestamp"]) <= first["at"] * 1000
        assert first["SentTimestamp"] == second["SentTimestamp"]
        assert second["at"] - first["at"] >= 1

    def pair(self, aws: Emulator, function: str) -> list[dict[str, Any]]:
        """Return the first two records, as soon as there are two."""
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

    def test_a_message_may_have_a_mebibyte(self, aws: Emulator) -> None:
        function, url = self.retrying(aws)
        send(aws, url, "x" * 1_048_576)
        assert wait_for(lambda: self.records(aws, function))[0]["size"] == 1_048_576
        wait_for(lambda: left(aws, url) == 0)

    def test_failures_end_in_the_dead_letter_queue(self, aws: Emulator) -> None:
        function, url = self.retrying(aws)
        dead_url, dead = create_queue(aws)
        redrive = json.dumps({"deadLetterTargetArn": dead, "maxReceiveCount": 2})
        set_attributes(aws, url, RedrivePolicy=redrive)
        send(aws, url, "failing")
        wait_for(lambda: left(aws, dead_url) == 1)
        assert len(self.records(aws, function)) == 2
        assert receive(aws, dead_url)["Body"] == "failing"


def test_reading_a_queues_length_is_authorised_on_the_queue(aws: Emulator) -> None:
    iam, user, (url, queue) = aws.client("iam"), unique("user"), create_queue(aws)
    iam.create_user(UserName=user)
    new = iam.create_access_key(UserName=user)["AccessKey"]
    client = aws.client(
        "sqs", access_key_id=new["AccessKeyId"], secret_access_key=new["SecretAccessKey"]
    )
    attributes = {"QueueUrl": url, "AttributeNames": ["ApproximateNumberOfMessages"]}

    def permit(resource: str) -> None:
        statement = allow("sqs:GetQueueAttributes", resource)
        iam.put_user_policy(UserName=user, PolicyName="own", PolicyDocument=policy(statement))

    with iam_evaluated(aws):
        permit(queue)
        assert client.get_queue_attributes(**attributes)["Attributes"]
        for refused_call in (client.receive_message, client.purge_queue):
            with pytest.raises(ClientError, match="AccessDenied"):
                refused_call(QueueUrl=url)
        permit(f"{queue}-other")
        with pytest.raises(ClientError, match="AccessDenied"):
            client.get_queue_attributes(**attributes)


@pytest.mark.parametrize(
    ("code", "status"), [("RequestThrottled", 400), ("InternalError", 500), ("OverLimit", 400)]
)
def test_calls_of_sqs_can_fail(aws: Emulator, code: str, status: int) -> None:
    url, _ = create_queue(aws)
    aws.inject_fault("sqs", "SendMessage", error=code, status=status, times=None)
    with pytest.raises(ClientError, match=code) as error:
        send(aws, url, "lost")
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    aws.clear_faults()
    assert left(aws, url) == 0
