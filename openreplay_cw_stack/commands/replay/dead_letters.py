"""Receives each message of the dead-letter queue once."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from openreplay_cw_stack.commands.aws import aws_must
from openreplay_cw_stack.commands.replay.errors import NotReplayed
from openreplay_cw_stack.runtime.aws_calls import CallFailed, asked

HIDDEN_SECONDS = 600
"""How long SQS hides a message while the command works on it."""


@dataclass(frozen=True)
class DeadLetters:
    """The dead-letter queue.

    Attributes:
        client: a client of SQS.
        url: the queue's URL.
    """

    client: Any
    url: str

    def messages(self) -> Iterator[tuple[dict[str, Any], bool]]:
        """Yield every message, and whether it arrived after the start."""
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
        """Receive the next messages. Long polling queries all servers of a queue."""
        with aws_must("read the dead-letter queue"):
            answer: dict[str, Any] = self.client.receive_message(
                QueueUrl=self.url,
                MaxNumberOfMessages=10,
                WaitTimeSeconds=2,
                VisibilityTimeout=HIDDEN_SECONDS,
                AttributeNames=["SentTimestamp"],
            )
        return answer

    def delete(self, message: dict[str, Any]) -> None:
        """Delete a replayed message; raises NotReplayed."""
        try:
            asked(
                self.client.delete_message,
                QueueUrl=self.url,
                ReceiptHandle=message["ReceiptHandle"],
            )
        except CallFailed as failed:
            raise NotReplayed(f"replayed, but not deleted from the queue: {failed}") from None

    def show(self, message: dict[str, Any]) -> None:
        """Make a message visible again at once."""
        with aws_must("return a message to the queue"):
            self.client.change_message_visibility(
                QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
            )


def _time_of(answer: dict[str, Any]) -> float:
    """Return the time of AWS's response by its own clock, in seconds since 1970, rounded up."""
    date = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    try:
        return parsedate_to_datetime(date).timestamp() + 1
    except (TypeError, ValueError):
        return time.time()
