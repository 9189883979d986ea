"""Send events to the retry queue or the dead-letter queue if they were not stored.

A message of the retry queue is a subscription payload in the format that CloudWatch Logs delivers.
A dead letter also has a ``reason``. The function and the ``replay`` command read both.

Amazon SQS Developer Guide, "Amazon SQS message quotas": a message has at most 1,048,576 bytes, and
only characters that XML allows. ASCII JSON contains no others.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Protocol

from openreplay_cw_stack.runtime.aws_calls import CallFailed
from openreplay_cw_stack.runtime.validator.subscription import LogEvent, Payload, encode_payload

MAX_MESSAGE_BYTES = 1_048_576

MAX_PAYLOAD_BYTES = MAX_MESSAGE_BYTES - 1024
"""The maximum size of a payload in a message. It leaves room for the reason of a dead letter."""


class SendFailed(CallFailed):
    """The queue did not accept a message. The error's message is only a code."""


class Queue(Protocol):
    """Takes messages."""

    def send(self, message: str) -> None:
        """Send one message. Raises :class:`SendFailed`."""


def send_events(
    queue: Queue,
    payload: Payload,
    events: Sequence[LogEvent],
    *,
    counted: bool,
    reason: str | None = None,
) -> None:
    """Send some events of a payload to a queue, in as few messages as the limit allows.

    Args:
        queue: the retry queue or the dead-letter queue.
        payload: the payload of the events.
        events: the events to send.
        counted: whether the events were judged and counted.
        reason: why the events become a dead letter; None for the retry queue.

    Raises:
        SendFailed: the queue did not accept all of them.
    """
    if not events:
        return
    message = encode_payload(payload, events, counted=counted, reason=reason)
    if len(message) <= MAX_PAYLOAD_BYTES:
        queue.send(message)
    elif len(events) == 1:
        raise SendFailed("MessageTooLong")
    else:
        middle = len(events) // 2
        for half in (events[:middle], events[middle:]):
            send_events(queue, payload, half, counted=counted, reason=reason)


def dead_letter(envelope: object, reason: str) -> str:
    """Compose a dead letter.

    Args:
        envelope: a payload as CloudWatch Logs delivers it, or any other event.
        reason: why the envelope was not stored. It never quotes the envelope.
    """
    document = envelope if isinstance(envelope, dict) else {"event": envelope}
    try:
        message = json.dumps({**document, "reason": reason}, separators=(",", ":"))
    except RecursionError:
        return json.dumps({"reason": reason, "left_out": "nested too deeply"})
    if len(message) <= MAX_MESSAGE_BYTES:
        return message
    return json.dumps({"reason": reason, "left_out": f"{len(message)} bytes, too long for SQS"})
