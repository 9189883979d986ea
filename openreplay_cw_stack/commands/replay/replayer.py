"""Invokes the validator with each payload of a message of the dead-letter queue.

A message of that queue has one of four forms:

* a dead letter of the validator: a payload with a ``reason``;
* a failure record of an asynchronous invocation, with the payload in ``requestPayload`` (Lambda
  Developer Guide, "Capturing records of Lambda asynchronous invocations");
* a payload that SQS moved from the retry queue;
* a failure record of a Kinesis batch, which names records that the stream still has (Lambda
  Developer Guide, "Retain discarded batch records for a Kinesis event source").
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from openreplay_cw_stack.commands.deployed.account import Account
from openreplay_cw_stack.commands.replay.errors import NotReplayed
from openreplay_cw_stack.commands.replay.stream import Shard
from openreplay_cw_stack.runtime.aws_calls import CallFailed, asked
from openreplay_cw_stack.runtime.validator.queues import (
    MAX_MESSAGE_BYTES,
    SendFailed,
    send_events,
)
from openreplay_cw_stack.runtime.validator.subscription import UnusablePayload, read_payload

MAX_PAYLOAD_BYTES = MAX_MESSAGE_BYTES
"""The most bytes of an asynchronous invocation: Lambda allows 1 MB. Longer payloads are split."""

Envelope = Mapping[str, Any]


@dataclass(frozen=True)
class Invocations:
    """Asynchronous invocations of the validator, with the interface of a queue.

    Attributes:
        client: a client of Lambda.
        function: the name of the validator's function.
    """

    client: Any
    function: str

    def send(self, message: str) -> None:
        """Invoke the validator with a payload; raises SendFailed."""
        try:
            asked(
                self.client.invoke,
                FunctionName=self.function,
                InvocationType="Event",
                Payload=message.encode(),
            )
        except CallFailed as failed:
            raise SendFailed(str(failed)) from None


@dataclass(frozen=True)
class Replayer:
    """Invokes the validator with the payloads of messages.

    Attributes:
        account: the AWS account.
        invocations: invokes the validator.
        dry_run: whether to read the messages only.
    """

    account: Account
    invocations: Invocations
    dry_run: bool

    def replay(self, body: str) -> int:
        """Invoke the validator with each payload of a message, and return their number.

        Raises:
            NotReplayed: some payloads failed. The others are replayed.
        """
        payloads = 0
        failures: list[str] = []
        for envelope in self._envelopes(body):
            payloads += 1
            try:
                self._invoke(envelope)
            except NotReplayed as failed:
                failures.append(str(failed))
        if failures:
            some = f"{len(failures)} of {payloads} payloads: " if payloads > 1 else ""
            raise NotReplayed(some + failures[0])
        return payloads

    def _envelopes(self, body: str) -> Iterator[Envelope]:
        document = _document(body)
        batch = document.get("KinesisBatchInfo")
        if isinstance(batch, dict):
            yield from self._records(batch)
        elif isinstance(document.get("requestPayload"), dict):
            yield document["requestPayload"]
        elif "awslogs" in document:
            yield document
        elif isinstance(document.get("reason"), str):
            missing = document.get("left_out", "it has no payload")
            raise NotReplayed(f"{document['reason']} ({missing})")
        else:
            raise NotReplayed("neither a payload nor a failure record of Lambda")

    def _invoke(self, envelope: Envelope) -> None:
        try:
            payload = read_payload(envelope)
        except UnusablePayload as unusable:
            raise NotReplayed(f"not a usable payload: {unusable}") from None
        if payload is None or self.dry_run:
            return
        counted = payload.counted
        plain = {"awslogs": {"data": envelope["awslogs"]["data"]}, "counted": counted}
        text = json.dumps(plain, separators=(",", ":"))
        try:
            if len(text) <= MAX_PAYLOAD_BYTES:
                self.invocations.send(text)
            else:
                send_events(self.invocations, payload, payload.events, counted=counted)
        except SendFailed as failed:
            raise NotReplayed(f"the validator was not invoked: {failed}") from None

    def _records(self, batch: Mapping[str, Any]) -> Iterator[Envelope]:
        """Read the records of a Kinesis batch that the stream still has."""
        try:
            arn, shard = str(batch["streamArn"]), str(batch["shardId"])
            first, last = batch["startSequenceNumber"], int(batch["endSequenceNumber"])
            first_number = int(first)
        except (KeyError, TypeError, ValueError):
            raise NotReplayed("a failure record of Kinesis without its sequence numbers") from None
        client = self.account.regional_client("kinesis", arn)
        shard_reader = Shard(client, arn, shard, time.sleep)
        found_first = False
        for record in shard_reader.records(first, last):
            found_first |= int(record["SequenceNumber"]) == first_number
            yield {"awslogs": {"data": base64.b64encode(record["Data"]).decode()}}
        if not found_first:
            raise NotReplayed(
                "its first record has expired from the stream, which keeps records for 7 days"
            )


def _document(body: str) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise NotReplayed("not JSON") from None
    if not isinstance(document, dict):
        raise NotReplayed("JSON, but not an object")
    return document
