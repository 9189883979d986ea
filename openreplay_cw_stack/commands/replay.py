"""``replay``: puts everything in the dead-letter queue of a deployed stack back on its way."""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any

from openreplay_cw_stack.commands.aws import asked
from openreplay_cw_stack.commands.check.account import Account, error_code
from openreplay_cw_stack.commands.check.deployment import Deployment, find_deployments
from openreplay_cw_stack.commands.check.findings import count
from openreplay_cw_stack.commands.check.stack import read_stack
from openreplay_cw_stack.commands.errors import CommandFailed
from openreplay_cw_stack.runtime.parked_lines import NotParkedLines, ParkedLines

HELP = "put what is in the dead-letter queue of a deployed stack back on its way"

HIDDEN_SECONDS = 600
"""How long a message that is at work is hidden from others."""

_PAYLOADS = "payload"
_PARKED = "message of parked lines"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.add_argument("--stack", required=True, help="the name of the deployed stack")
    parser.add_argument("--deployment", help="only this one, where the stack has several")
    parser.add_argument("--dry-run", action="store_true", help="say what there is, change nothing")
    parser.epilog = (
        "Payloads are invoked on the validator again, parked lines go back to their queue; each "
        "message is deleted once it was taken. Ends with 0 where nothing is left, with 1 where "
        "something is, with 2 where it could not be run. No line is printed."
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
            print(f"{deployment.name}: {line}")  # noqa: T201
        anything_left |= bool(outcome.left)
    return 1 if anything_left else 0


@dataclass
class Outcome:
    """What became of the messages.

    Attributes:
        replayed: messages that are back on their way, by what they hold.
        left: messages that stay, by the reason.
    """

    replayed: Counter[str] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)

    def lines(self, *, dry_run: bool) -> Iterator[str]:
        """The outcome in words."""
        if not self.replayed and not self.left:
            yield "the dead-letter queue is empty"
        done = {
            _PAYLOADS: "invoked on the validator again",
            _PARKED: "back in their queue",
        }
        for kind, what in done.items():
            if self.replayed[kind]:
                told = f"would be {what}" if dry_run else what
                yield f"{count(self.replayed[kind], kind, _plural(kind))} {told}"
        for reason, number in sorted(self.left.items()):
            yield f"{count(number, 'message')} left: {reason}"


def _plural(kind: str) -> str:
    return "messages of parked lines" if kind == _PARKED else f"{kind}s"


@dataclass(frozen=True)
class _Queues:
    """Where messages come from, and where they go."""

    sqs: Any
    functions: Any
    dead_letters: str
    parked_lines: str
    validator: str

    def receive(self) -> dict[str, Any]:
        """The next messages. Long polling asks all of a queue's servers."""
        answer: dict[str, Any] = asked(
            "read the dead-letter queue",
            lambda: self.sqs.receive_message(
                QueueUrl=self.dead_letters,
                MaxNumberOfMessages=10,
                WaitTimeSeconds=2,
                VisibilityTimeout=HIDDEN_SECONDS,
                AttributeNames=["SentTimestamp"],
            ),
        )
        return answer

    def put_back(self, kind: str, body: str) -> None:
        """Have a message taken where it belongs."""
        if kind == _PARKED:
            self.sqs.send_message(QueueUrl=self.parked_lines, MessageBody=body)
        else:
            payload = json.dumps(json.loads(body)["requestPayload"], separators=(",", ":"))
            self.functions.invoke(
                FunctionName=self.validator, InvocationType="Event", Payload=payload.encode()
            )

    def delete(self, message: dict[str, Any]) -> None:
        """Delete a message that was taken."""
        self.sqs.delete_message(QueueUrl=self.dead_letters, ReceiptHandle=message["ReceiptHandle"])

    def show(self, message: dict[str, Any]) -> None:
        """Have a message be seen again at once."""
        asked(
            "give a message back",
            lambda: self.sqs.change_message_visibility(
                QueueUrl=self.dead_letters,
                ReceiptHandle=message["ReceiptHandle"],
                VisibilityTimeout=0,
            ),
        )


def _replay(account: Account, deployment: Deployment, *, dry_run: bool) -> Outcome:
    queues = _queues_of(account, deployment)
    outcome = Outcome()
    kept: list[dict[str, Any]] = []
    try:
        for message, is_new in _messages(queues):
            kind = kind_of(message["Body"])
            if is_new:
                # What fails again at once would go round for ever.
                outcome.left["arrived meanwhile; run it again"] += 1
            elif kind not in (_PAYLOADS, _PARKED):
                outcome.left[kind] += 1
            elif dry_run:
                outcome.replayed[kind] += 1
            elif refusal := _refusal(queues, kind, message):
                outcome.left[f"a {kind}, not taken: {refusal}"] += 1
            else:
                outcome.replayed[kind] += 1
                continue
            kept.append(message)
    finally:
        for message in kept:
            queues.show(message)
    return outcome


def _messages(queues: _Queues) -> Iterator[tuple[dict[str, Any], bool]]:
    """Every message of the dead-letter queue, and whether it came after we began."""
    began_ms: float | None = None
    while True:
        answer = queues.receive()
        if began_ms is None:
            began_ms = _time_of(answer) * 1000
        messages = answer.get("Messages") or []
        if not messages:
            return
        for message in messages:
            yield message, int(message["Attributes"]["SentTimestamp"]) > began_ms


def _time_of(answer: dict[str, Any]) -> float:
    """When AWS answered, by its own clock, in seconds since 1970, rounded up."""
    date = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    try:
        return parsedate_to_datetime(date).timestamp() + 1
    except (TypeError, ValueError):
        return time.time()


def _refusal(queues: _Queues, kind: str, message: dict[str, Any]) -> str | None:
    """Put a message back; why that was not possible, as AWS's code alone."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        queues.put_back(kind, message["Body"])
        queues.delete(message)
    except (BotoCoreError, ClientError) as error:
        return error_code(error) or type(error).__name__
    return None


def kind_of(body: str) -> str:
    """What a message holds, or why it is none of ours. Nothing of it is in the answer."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return "not JSON"
    if not isinstance(document, dict):
        return "JSON, but no object"
    # AWS documentation, "Capturing records of Lambda asynchronous invocations".
    if "requestContext" in document and isinstance(document.get("requestPayload"), dict):
        return _PAYLOADS
    try:
        ParkedLines.decode(body)
    except NotParkedLines as refused:
        return f"neither an invocation record nor parked lines: {refused}"
    return _PARKED


def _queues_of(account: Account, deployment: Deployment) -> _Queues:
    validator = deployment.validator
    if validator is None:
        raise CommandFailed(f"{deployment.name} has no validator that is there")
    dead_letters = deployment.stack.find("AWS::SQS::Queue", f"{validator.path}DeadLetterQueue")
    parked_lines = validator.environment.get("PARKED_LINES_QUEUE")
    if dead_letters is None or not parked_lines:
        raise CommandFailed(
            f"{deployment.name} is of a version without a queue for parked lines: deploy it again"
        )
    return _Queues(
        sqs=account.client("sqs"),
        functions=account.client("lambda"),
        dead_letters=dead_letters.physical_id,
        parked_lines=parked_lines,
        validator=validator.name,
    )
