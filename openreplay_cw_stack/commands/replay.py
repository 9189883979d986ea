"""``replay``: invokes the validator again with everything in the dead-letter queue.

A message of that queue is one of four:

* a dead letter of the validator's own: a payload with a ``reason``;
* a failure record of an asynchronous invocation, with the payload in ``requestPayload`` (Lambda
  Developer Guide, "Capturing records of Lambda asynchronous invocations");
* a payload as the retry queue has it, which SQS moved;
* a failure record of a Kinesis batch, which names records that the stream still has (Lambda
  Developer Guide, "Retain discarded batch records for a Kinesis event source").
"""

from __future__ import annotations

import argparse
import base64
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any

from openreplay_cw_stack.commands.aws import asked
from openreplay_cw_stack.commands.deployed.account import Account, error_code
from openreplay_cw_stack.commands.deployed.deployment import (
    Deployment,
    find_deployments,
    validator_of,
    variable,
)
from openreplay_cw_stack.commands.deployed.stack import read_stack
from openreplay_cw_stack.commands.terminal import clean, count
from openreplay_cw_stack.runtime.aws_calls import region_of
from openreplay_cw_stack.runtime.validator.queues import (
    MAX_MESSAGE_BYTES,
    SendFailed,
    send_events,
)
from openreplay_cw_stack.runtime.validator.subscription import UnusablePayload, read_payload

HELP = "invoke the validator again with what is in the dead-letter queue"

HIDDEN_SECONDS = 600
"""How long a message that is at work is hidden from others."""
MAX_PAYLOAD_BYTES = MAX_MESSAGE_BYTES
"""Of an asynchronous invocation: Lambda takes 1 MB. A longer payload is split."""

_SECONDS_PER_READ = 0.2
"""A shard takes five GetRecords a second."""

Envelope = Mapping[str, Any]


class NotReplayed(Exception):
    """A message, or a part of it, stays. The message says why, and quotes nothing."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.add_argument("--stack", required=True, help="the name of the deployed stack")
    parser.add_argument("--deployment", help="only this one, where the stack has several")
    parser.add_argument("--dry-run", action="store_true", help="say what there is, change nothing")
    parser.epilog = (
        "Each message is deleted once the validator was invoked with all of it; a payload that "
        "this version cannot read either is left, with its reason. The command may be repeated: "
        "nothing is stored twice. Ends with 0 where nothing is left, with 1 where something is, "
        "with 2 where the command could not run. No line is printed. Permissions: "
        "cloudformation:DescribeStacks and ListStackResources on the stack, "
        "lambda:GetFunctionConfiguration on its functions, sqs:ReceiveMessage, DeleteMessage and "
        "ChangeMessageVisibility on the dead-letter queue, lambda:InvokeFunction on the validator; "
        "with a Kinesis stream kinesis:GetShardIterator and GetRecords on it."
    )


def run(arguments: argparse.Namespace) -> int:
    """Replay, and print what was done; the exit status.

    Raises:
        CommandFailed: there is no such stack or deployment, it has no such queue, or AWS refuses.
    """
    account = Account(now=time.time(), minutes=60)
    stack = read_stack(account, arguments.stack)
    anything_left = False
    for deployment in find_deployments(account, stack, arguments.deployment):
        outcome = _replay(account, deployment, dry_run=arguments.dry_run)
        for line in outcome.lines(dry_run=arguments.dry_run):
            print(f"{clean(deployment.name)}: {line}")  # noqa: T201
        anything_left |= bool(outcome.left)
    return 1 if anything_left else 0


@dataclass
class Outcome:
    """What became of the messages.

    Attributes:
        replayed: messages that the validator was invoked with.
        payloads: payloads in them.
        left: messages that stay, by the reason.
    """

    replayed: int = 0
    payloads: int = 0
    left: Counter[str] = field(default_factory=Counter)

    def lines(self, *, dry_run: bool) -> Iterator[str]:
        """The outcome in words."""
        if not self.replayed and not self.left:
            yield "the dead-letter queue is empty"
        if self.replayed:
            messages, payloads = count(self.replayed, "message"), count(self.payloads, "payload")
            if dry_run:
                yield f"{messages} with {payloads}: the validator would be invoked again"
            else:
                yield f"{messages} with {payloads}: the validator was invoked again"
        for reason, number in sorted(self.left.items()):
            yield f"{count(number, 'message')} left: {clean(reason)}"


def _replay(account: Account, deployment: Deployment, *, dry_run: bool) -> Outcome:
    validator = validator_of(deployment)
    letters = _DeadLetters(account.client("sqs"), variable(validator, "DEAD_LETTER_QUEUE_URL"))
    invocations = _Invocations(account.client("lambda"), validator.name)
    replayer = _Replayer(account, invocations, dry_run)
    outcome = Outcome()
    kept: list[dict[str, Any]] = []
    try:
        for message, is_new in letters.messages():
            try:
                if is_new:
                    # What fails again at once would go round for ever.
                    raise NotReplayed("arrived meanwhile; run it again")
                payloads = replayer.replay(message["Body"])
                if not dry_run:
                    letters.delete(message)
            except NotReplayed as left:
                outcome.left[str(left)] += 1
                kept.append(message)
            else:
                outcome.replayed += 1
                outcome.payloads += payloads
                if dry_run:
                    kept.append(message)
    finally:
        for message in kept:
            letters.show(message)
    return outcome


@dataclass(frozen=True)
class _Replayer:
    """Invokes the validator with the payloads of messages."""

    account: Account
    invocations: _Invocations
    dry_run: bool

    def replay(self, body: str) -> int:
        """Invoke the validator with each payload of a message; how many there were.

        Raises:
            NotReplayed: some of them could not be taken. The others were.
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
        """The records of a Kinesis batch, as the stream still has them."""
        try:
            arn, shard = str(batch["streamArn"]), str(batch["shardId"])
            first, last = batch["startSequenceNumber"], int(batch["endSequenceNumber"])
            first_number = int(first)
        except (KeyError, TypeError, ValueError):
            raise NotReplayed("a failure record of Kinesis without its sequence numbers") from None
        client = self.account.make_client("kinesis", region_name=region_of(arn))
        shard_reader = _Shard(client, arn, shard, time.sleep)
        found_first = False
        for record in shard_reader.records(first, last):
            found_first |= int(record["SequenceNumber"]) == first_number
            yield {"awslogs": {"data": base64.b64encode(record["Data"]).decode()}}
        if not found_first:
            raise NotReplayed(
                "its first record has expired from the stream, which keeps records for 7 days"
            )


@dataclass(frozen=True)
class _Shard:
    """Reads records of one shard again."""

    client: Any
    arn: str
    shard: str
    sleep: Callable[[float], None]

    def records(self, first: str, last: int) -> Iterator[Mapping[str, Any]]:
        """The records from one sequence number to another, as far as the stream has them.

        Raises:
            NotReplayed: Kinesis refuses.
        """
        iterator = self._ask(
            self.client.get_shard_iterator,
            ShardId=self.shard,
            ShardIteratorType="AT_SEQUENCE_NUMBER",
            StartingSequenceNumber=first,
        )["ShardIterator"]
        while iterator is not None:
            answer = self._ask(self.client.get_records, ShardIterator=iterator)
            for record in answer["Records"]:
                if int(record["SequenceNumber"]) > last:
                    return
                yield record
                if int(record["SequenceNumber"]) == last:
                    return
            if not answer["Records"] and not answer.get("MillisBehindLatest"):
                return
            iterator = answer.get("NextShardIterator")
            self.sleep(_SECONDS_PER_READ)

    def _ask(self, call: Callable[..., Any], **arguments: Any) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return call(StreamARN=self.arn, **arguments)
        except (BotoCoreError, ClientError) as error:
            code = error_code(error) or type(error).__name__
            raise NotReplayed(f"the stream cannot be read: {code}") from None


@dataclass(frozen=True)
class _Invocations:
    """Asynchronous invocations of the validator, as a queue that takes payloads."""

    client: Any
    function: str

    def send(self, message: str) -> None:
        """Invoke the validator with a payload; raises SendFailed."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            self.client.invoke(
                FunctionName=self.function, InvocationType="Event", Payload=message.encode()
            )
        except (BotoCoreError, ClientError) as error:
            raise SendFailed(error_code(error) or type(error).__name__) from None


@dataclass(frozen=True)
class _DeadLetters:
    """The dead-letter queue."""

    client: Any
    url: str

    def messages(self) -> Iterator[tuple[dict[str, Any], bool]]:
        """Every message, and whether it came after we began."""
        began_ms: float | None = None
        while True:
            answer = self._receive()
            if began_ms is None:
                began_ms = _time_of(answer) * 1000
            messages: Sequence[dict[str, Any]] = answer.get("Messages") or []
            if not messages:
                return
            for message in messages:
                yield message, int(message["Attributes"]["SentTimestamp"]) > began_ms

    def _receive(self) -> dict[str, Any]:
        """The next messages. Long polling asks all of a queue's servers."""
        answer: dict[str, Any] = asked(
            "read the dead-letter queue",
            self.client.receive_message,
            QueueUrl=self.url,
            MaxNumberOfMessages=10,
            WaitTimeSeconds=2,
            VisibilityTimeout=HIDDEN_SECONDS,
            AttributeNames=["SentTimestamp"],
        )
        return answer

    def delete(self, message: dict[str, Any]) -> None:
        """Delete a message that was taken; raises NotReplayed."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            self.client.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        except (BotoCoreError, ClientError) as error:
            code = error_code(error) or type(error).__name__
            raise NotReplayed(f"taken, but not deleted from the queue: {code}") from None

    def show(self, message: dict[str, Any]) -> None:
        """Make a message visible again at once."""
        asked(
            "give a message back",
            self.client.change_message_visibility,
            QueueUrl=self.url,
            ReceiptHandle=message["ReceiptHandle"],
            VisibilityTimeout=0,
        )


def _document(body: str) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise NotReplayed("not JSON") from None
    if not isinstance(document, dict):
        raise NotReplayed("JSON, but not an object")
    return document


def _time_of(answer: dict[str, Any]) -> float:
    """When AWS answered, by its own clock, in seconds since 1970, rounded up."""
    date = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    try:
        return parsedate_to_datetime(date).timestamp() + 1
    except (TypeError, ValueError):
        return time.time()
