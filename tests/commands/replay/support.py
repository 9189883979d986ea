"""A dead-letter queue, a stream and a validator in memory."""

from __future__ import annotations

import base64
import gzip
import json
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

import pytest

from openreplay_cw_stack.commands import main
from openreplay_cw_stack.runtime.validator.queues import MAX_MESSAGE_BYTES, dead_letter
from openreplay_cw_stack.runtime.validator.subscription import LogEvent, Payload, encode_payload
from openreplay_cw_stack.tagging import token_tag
from tests.commands.support import DEAD_LETTERS, NOW
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


def replayed(capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, str]:
    status = main(["replay", "--stack", "Shop", *options])
    printed = capsys.readouterr()
    for secret in ("customer", a_token(), "\x1b"):
        assert secret not in printed.out + printed.err
    return status, printed.out + printed.err
