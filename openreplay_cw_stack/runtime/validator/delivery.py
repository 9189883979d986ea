"""Linked lines into the linked log group, within every limit of PutLogEvents.

AWS API reference, "PutLogEvents": at most 10,000 events and 1,048,576 bytes to a call, an event
counted as its UTF-8 length plus 26 bytes and at most 1 MB long, in the order of their timestamps,
none more than 24 hours from another. All events of a call here carry one timestamp, the arrival
time, since readers that poll never look back. A call can succeed and still leave events out:
``rejectedLogEventsInfo`` names them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from openreplay_cw_stack.runtime.linked_line import LinkedLine

MAX_EVENTS = 10_000
MAX_BYTES = 1_048_576
EVENT_OVERHEAD_BYTES = 26
MAX_MESSAGE_BYTES = MAX_BYTES - EVENT_OVERHEAD_BYTES


class DeliveryFailed(Exception):
    """CloudWatch Logs did not take a batch. The message is the error's code alone."""


class StreamMissing(Exception):
    """The log stream does not exist yet."""


class LogGroupWriter(Protocol):
    """The two calls that delivery makes. Both raise :class:`DeliveryFailed`."""

    def create_stream(self, stream: str) -> None:
        """Create a log stream; one that exists already is fine."""

    def put(self, stream: str, events: list[dict[str, Any]]) -> dict[str, Any]:
        """PutLogEvents; the response. Raises :class:`StreamMissing` where there is no stream.

        The messages are encoded linked lines; all timestamps are the same.
        """


@dataclass
class DeliveryReport:
    """What became of the lines.

    Attributes:
        linked: lines that CloudWatch Logs took.
        cut: lines among them, or among the dropped, whose message had to be cut.
        dropped: lines it refused for good, by reason: ``too_new``, ``too_old``, ``expired``.
    """

    linked: int = 0
    cut: int = 0
    dropped: Counter[str] = field(default_factory=Counter)


def deliver(
    writer: LogGroupWriter, stream: str, lines: Iterable[LinkedLine | str], *, arrival_ms: int
) -> DeliveryReport:
    """Put linked lines into a log stream, in as few calls as the limits allow.

    Args:
        writer: of the linked log group.
        stream: the log stream's name.
        lines: linked lines; a text is one that is encoded already, and fits into an event.
        arrival_ms: the timestamp of every event, in milliseconds since 1970.

    Raises:
        DeliveryFailed: a batch was not taken. Earlier batches were; delivered again, their lines
            are there twice, under the same id.
    """
    report = DeliveryReport()
    for batch in _batches(lines, report):
        events = [{"timestamp": arrival_ms, "message": message} for message in batch]
        rejected = _rejections(_put(writer, stream, events), len(events))
        report.dropped.update(rejected)
        report.linked += len(events) - sum(rejected.values())
    return report


def _batches(lines: Iterable[LinkedLine | str], report: DeliveryReport) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for line in lines:
        if isinstance(line, str):
            message = line
        else:
            message, cut = line.encode_within(MAX_MESSAGE_BYTES)
            report.cut += cut
        length = len(message) if message.isascii() else len(message.encode())
        bytes_needed = length + EVENT_OVERHEAD_BYTES
        if batch and (size + bytes_needed > MAX_BYTES or len(batch) == MAX_EVENTS):
            yield batch
            batch, size = [], 0
        batch.append(message)
        size += bytes_needed
    if batch:
        yield batch


def _put(writer: LogGroupWriter, stream: str, events: list[dict[str, Any]]) -> dict[str, Any]:
    try:
        return writer.put(stream, events)
    except StreamMissing:
        writer.create_stream(stream)
    try:
        return writer.put(stream, events)
    except StreamMissing:
        raise DeliveryFailed("ResourceNotFoundException") from None


def _rejections(response: dict[str, Any], events: int) -> Counter[str]:
    """How many events were left out, by reason.

    Old ones are counted from the beginning up to an end index, new ones from a start index on.
    """
    info = response.get("rejectedLogEventsInfo") or {}
    expired = min(info.get("expiredLogEventEndIndex", 0), events)
    too_old = max(0, min(info.get("tooOldLogEventEndIndex", 0), events) - expired)
    too_new = events - max(info.get("tooNewLogEventStartIndex", events), expired + too_old)
    counts = {"expired": expired, "too_old": too_old, "too_new": max(0, too_new)}
    return Counter({reason: count for reason, count in counts.items() if count})
