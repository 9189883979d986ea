from __future__ import annotations

import base64
import gzip
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

import pytest

from openreplay_cw_stack.commands import main
from openreplay_cw_stack.runtime.validator.queues import MAX_MESSAGE_BYTES, dead_letter
from openreplay_cw_stack.runtime.validator.subscription import LogEvent, Payload, encode_payload
from openreplay_cw_stack.tagging import token_tag
from tests.commands.check.support import DEAD_LETTERS, NOW, Client, refusal
from tests.commands.deployed.test_deployment import configuration
from tests.commands.support import deploy
from tests.tagging.tokens import a_token

LINE = f"{token_tag(a_token())} a line of a customer"
STREAM_ARN = "arn:aws:kinesis:eu-west-1:123456789012:stream/ingest"


def a_payload(*messages: str, counted: bool = False) -> dict[str, Any]:
    events = [LogEvent(f"{number:056}", 7, one) for number, one in enumerate(messages or (LINE,))]
    payload = Payload("123456789012", "/app/checkout", "web-1", events)
    envelope: dict[str, Any] = json.loads(encode_payload(payload, events, counted=counted))
    return envelope


def delivered(*messages: str) -> dict[str, Any]:
    """As CloudWatch Logs hands it over."""
    return {"awslogs": a_payload(*messages)["awslogs"]}


def failure_record(payload: Any) -> str:
    return json.dumps(
        {
            "version": "1.0",
            "requestContext": {"functionArn": "arn:…:function:validator:$LATEST"},
            "requestPayload": payload,
            "responseContext": {"statusCode": 200, "functionError": "Unhandled"},
        }
    )


def batch_record(first: int, last: int, **changes: Any) -> str:
    batch = {
        "shardId": "shardId-000000000007",
        "startSequenceNumber": str(first),
        "endSequenceNumber": str(last),
        "batchSize": 1 + last - first,
        "streamArn": STREAM_ARN,
        **changes,
    }
    return json.dumps({"requestContext": {}, "version": "1.0", "KinesisBatchInfo": batch})


PAYLOAD = delivered()
RECORD = failure_record(PAYLOAD)
REDRIVEN = json.dumps(a_payload(counted=True))
OF_ITS_OWN = dead_letter(a_payload(counted=True), "not stored within 86400 seconds")


@dataclass
class Queue:
    """The dead-letter queue: what is hidden is not received."""

    messages: dict[str, dict[str, Any]] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)
    deleted: list[str] = field(default_factory=list)

    def add(self, body: str, *, seconds_ago: float = 60) -> None:
        handle = f"r{len(self.messages)}"
        self.messages[handle] = {
            "MessageId": handle,
            "ReceiptHandle": handle,
            "Body": body,
            "Attributes": {"SentTimestamp": str(int(1000 * (NOW - seconds_ago)))},
        }

    def receive(self, **arguments: Any) -> dict[str, Any]:
        assert arguments["QueueUrl"] == DEAD_LETTERS
        assert arguments["VisibilityTimeout"] > 0
        visible = [one for one in self.messages if one not in self.hidden][:10]
        self.hidden.update(visible)
        return {
            "Messages": [self.messages[one] for one in visible],
            "ResponseMetadata": {"HTTPHeaders": {"date": formatdate(NOW, usegmt=True)}},
        }

    def delete(self, *, QueueUrl: str, ReceiptHandle: str) -> dict[str, Any]:  # noqa: N803
        del self.messages[ReceiptHandle]
        self.deleted.append(ReceiptHandle)
        return {}

    def show(self, *, ReceiptHandle: str, **arguments: Any) -> dict[str, Any]:  # noqa: N803
        assert arguments == {"QueueUrl": DEAD_LETTERS, "VisibilityTimeout": 0}
        self.hidden.remove(ReceiptHandle)
        return {}


@dataclass
class Shard:
    """One shard of the stream. Some reads find nothing though more is to come, as in Kinesis."""

    records: dict[int, bytes] = field(default_factory=dict)
    page_size: int = 2
    failure: Exception | None = None

    def add(self, number: int, envelope: Any) -> None:
        self.records[number] = base64.b64decode(envelope["awslogs"]["data"])

    def get_shard_iterator(self, **arguments: Any) -> dict[str, str]:
        first = arguments.pop("StartingSequenceNumber")
        assert arguments == {
            "StreamARN": STREAM_ARN,
            "ShardId": "shardId-000000000007",
            "ShardIteratorType": "AT_SEQUENCE_NUMBER",
        }
        if self.failure:
            raise self.failure
        return {"ShardIterator": f"{first} empty"}

    def get_records(self, *, ShardIterator: str, StreamARN: str) -> dict[str, Any]:  # noqa: N803
        first, _, empty = ShardIterator.partition(" ")
        if empty:
            return {"Records": [], "MillisBehindLatest": 9, "NextShardIterator": first}
        numbers = sorted(number for number in self.records if number >= int(first))
        page = numbers[: self.page_size]
        return {
            "Records": [{"SequenceNumber": str(one), "Data": self.records[one]} for one in page],
            "MillisBehindLatest": 9 if numbers[self.page_size :] else 0,
            "NextShardIterator": f"{page[-1] + 1 if page else first} empty" if numbers else first,
        }


@dataclass
class World:
    queue: Queue
    shard: Shard
    clients: dict[str, Any]
    refused: dict[int, Exception] = field(default_factory=dict)
    invoked: list[dict[str, Any]] = field(default_factory=list)

    def invoke(self, **arguments: Any) -> dict[str, Any]:
        payload = arguments.pop("Payload")
        assert arguments == {"FunctionName": "validator", "InvocationType": "Event"}
        assert len(payload) <= MAX_MESSAGE_BYTES
        self.invoked.append(json.loads(payload))
        if len(self.invoked) in self.refused:
            raise self.refused[len(self.invoked)]
        return {"StatusCode": 202}

    @property
    def messages(self) -> list[str]:
        """The messages of all events that were invoked, without those that were refused."""
        return [
            event["message"]
            for number, envelope in enumerate(self.invoked, 1)
            if number not in self.refused
            for event in json.loads(gzip.decompress(base64.b64decode(envelope["awslogs"]["data"])))[
                "logEvents"
            ]
        ]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    queue, shard = Queue(), Shard()
    sqs = Client(
        {
            "receive_message": queue.receive,
            "delete_message": queue.delete,
            "change_message_visibility": queue.show,
        }
    )
    world = World(queue, shard, {})
    world.clients = deploy(
        monkeypatch,
        sqs=sqs,
        kinesis=shard,
        lambda_={"invoke": lambda **arguments: world.invoke(**arguments)},
    )
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    yield world
    assert not queue.hidden & set(queue.messages), "what stays can be seen again at once"


def replayed(capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, str]:
    status = main(["replay", "--stack", "Shop", *options])
    printed = capsys.readouterr()
    for secret in ("customer", a_token(), "\x1b"):
        assert secret not in printed.out + printed.err
    return status, printed.out + printed.err


@pytest.mark.parametrize(
    ("body", "counted"), [(RECORD, False), (REDRIVEN, True), (OF_ITS_OWN, True)]
)
def test_each_kind_of_payload(
    world: World, capsys: pytest.CaptureFixture[str], body: str, counted: bool
) -> None:
    for _ in range(12):
        world.queue.add(body)
    status, printed = replayed(capsys)
    assert (status, printed) == (
        0,
        "Shop: 12 messages with 12 payloads: the validator was invoked again\n",
    )
    assert world.queue.messages == {}
    assert world.invoked == [{**PAYLOAD, "counted": counted}] * 12


def test_records_of_the_stream(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Several per failure record, over several reads; none before or behind them."""
    for number in range(3, 20):
        world.shard.add(number, delivered(f"record {number}"))
    world.queue.add(batch_record(5, 9))
    world.queue.add(batch_record(12, 12))
    world.queue.add(RECORD)
    status, printed = replayed(capsys)
    assert (status, printed) == (
        0,
        "Shop: 3 messages with 7 payloads: the validator was invoked again\n",
    )
    assert world.messages == [*(f"record {number}" for number in (5, 6, 7, 8, 9, 12)), LINE]


def test_a_message_is_deleted_once_all_of_it_was_taken(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(5, 10):
        world.shard.add(number, delivered(f"record {number}"))
    world.queue.add(batch_record(5, 9))
    world.refused = {3: refusal("Invoke", "TooManyRequestsException")}
    status, printed = replayed(capsys)
    assert status == 1
    assert printed == (
        "Shop: 1 message left: 1 of 5 payloads: the validator was not invoked: "
        "TooManyRequestsException\n"
    )
    assert world.messages == ["record 5", "record 6", "record 8", "record 9"]
    world.refused = {}
    assert replayed(capsys)[0] == 0
    assert world.queue.messages == {}


@pytest.mark.parametrize(
    ("records", "body", "said"),
    [
        ([7, 8, 9], batch_record(5, 9), "its first record has expired from the stream"),
        ([], batch_record(5, 9), "its first record has expired from the stream"),
        ([5], batch_record(5, 9, streamArn=None, shardId=None), "cannot be read"),
        ([5], batch_record(5, 9, endSequenceNumber="x"), "without its sequence numbers"),
        ([5], json.dumps({"KinesisBatchInfo": {}}), "without its sequence numbers"),
    ],
)
def test_records_that_are_gone(
    world: World,
    capsys: pytest.CaptureFixture[str],
    records: list[int],
    body: str,
    said: str,
) -> None:
    for number in records:
        world.shard.add(number, delivered(f"record {number}"))
    if "null" in body:
        world.clients["kinesis"] = Client(
            {"get_shard_iterator": refusal("GetShardIterator", "InvalidArgumentException")}
        )
    world.queue.add(body)
    status, printed = replayed(capsys)
    assert status == 1
    assert said in printed
    assert len(world.queue.messages) == 1
    # What is left of the batch was taken all the same.
    assert world.messages == [f"record {number}" for number in records if number > 5]


def test_a_stream_that_may_not_be_read(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.shard.failure = refusal("GetShardIterator", "AccessDeniedException", "customer")
    world.queue.add(batch_record(5, 9))
    status, printed = replayed(capsys)
    assert status == 1
    assert "1 message left: the stream cannot be read: AccessDeniedException" in printed


def test_an_unusable_record_keeps_the_others_from_nothing(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.shard.add(5, delivered("record 5"))
    world.shard.records[6] = b"a line of a customer"
    world.shard.add(7, delivered("record 7"))
    world.queue.add(batch_record(5, 7))
    status, printed = replayed(capsys)
    assert status == 1
    assert "1 of 3 payloads: not a usable payload: its data is not" in printed
    assert world.messages == ["record 5", "record 7"]


def test_a_payload_that_no_invocation_takes_is_split(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    noise = random.Random(7)
    messages = [f"{number} {noise.randbytes(120_000).hex()}" for number in range(12)]
    world.shard.add(5, delivered(*messages))
    world.queue.add(batch_record(5, 5))
    assert replayed(capsys)[0] == 0
    assert len(world.invoked) > 1
    assert world.messages == messages


def test_a_control_message_is_done_with(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    data = gzip.compress(json.dumps({"messageType": "CONTROL_MESSAGE"}).encode())
    world.queue.add(failure_record({"awslogs": {"data": base64.b64encode(data).decode()}}))
    assert replayed(capsys)[0] == 0
    assert (world.invoked, world.queue.messages) == ([], {})


def test_an_empty_queue(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert replayed(capsys) == (0, "Shop: the dead-letter queue is empty\n")
    assert not world.invoked


def test_a_dry_run_changes_nothing(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.shard.add(5, delivered("record 5"))
    world.shard.add(6, delivered("record 6"))
    world.queue.add(batch_record(5, 6))
    world.queue.add(OF_ITS_OWN)
    status, printed = replayed(capsys, "--dry-run")
    assert status == 0
    assert printed == "Shop: 2 messages with 3 payloads: the validator would be invoked again\n"
    assert (world.invoked, world.queue.deleted) == ([], [])


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("a line of a customer", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('["a line of a customer"]', "JSON, but not an object"),
        ('{"a line of a customer": 1}', "neither a payload nor a failure record"),
        ('{"requestContext": {}, "requestPayload": "customer"}', "neither a payload"),
        (failure_record({"x": "customer"}), "not a usable payload: it has no awslogs.data"),
        (failure_record({"awslogs": "customer"}), "it has no awslogs.data"),
        (dead_letter({"awslogs": {"data": "customer"}}, "x"), "its data is not"),
        (dead_letter("customer", "not a usable payload: x"), "x (it has no payload)"),
        (dead_letter({"a": "b" * 2**20}, "too \x1b[2J long"), "bytes, too long for SQS"),
    ],
)
def test_what_is_not_usable_stays_with_its_reason(
    world: World, capsys: pytest.CaptureFixture[str], body: str, words: str
) -> None:
    world.queue.add(body)
    world.queue.add(OF_ITS_OWN)
    status, printed = replayed(capsys)
    assert status == 1
    assert "1 message with 1 payload: the validator was invoked again" in printed
    assert "1 message left: " in printed
    assert words in printed
    assert [one["Body"] for one in world.queue.messages.values()] == [body]


def test_what_is_not_taken_is_not_deleted(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.refused = {1: refusal("Invoke", "AccessDeniedException", "a line of a customer")}
    world.queue.add(RECORD)
    status, printed = replayed(capsys)
    assert status == 1
    assert "the validator was not invoked: AccessDeniedException" in printed
    assert len(world.queue.messages) == 1


def test_what_is_not_deleted_is_said(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.clients["sqs"].answers["delete_message"] = refusal("DeleteMessage")
    world.queue.add(RECORD)
    status, printed = replayed(capsys)
    assert status == 1
    assert "taken, but not deleted from the queue: AccessDenied" in printed


def test_what_arrives_meanwhile_is_left_for_the_next_run(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """Else what fails again at once would go round for ever."""
    world.queue.add(RECORD, seconds_ago=-60)
    assert replayed(capsys) == (1, "Shop: 1 message left: arrived meanwhile; run it again\n")


def test_a_queue_that_may_not_be_read(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.clients["sqs"].answers["receive_message"] = refusal("ReceiveMessage")
    status, printed = replayed(capsys)
    assert status == 2
    assert printed.startswith("cannot read the dead-letter queue: ")


def test_a_deployment_of_another_version(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    older = configuration("validator")
    del older["Environment"]["Variables"]["DEAD_LETTER_QUEUE_URL"]
    world.clients["lambda"].answers["get_function_configuration"] = older
    status, printed = replayed(capsys)
    assert status == 2
    assert "has no DEAD_LETTER_QUEUE_URL" in printed
