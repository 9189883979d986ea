"""Linked lines into the linked log group, within every limit of PutLogEvents.

AWS API reference, "PutLogEvents": at most 10,000 events and 1,048,576 bytes to a call, an event
counted as its UTF-8 length plus 26 bytes and at most 1 MB long, in the order of their timestamps,
none more than 24 hours from another. All events of a call here carry one timestamp, the arrival
time, since readers that poll never look back. A call can succeed and still leave events out:
``rejectedLogEventsInfo`` names them.

A batch that CloudWatch Logs does not take is parked, and so is what comes after it: where one call
has failed to its end, the next would use up the invocation's time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from openreplay_cw_stack.runtime.linked_line import LinkedLine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol
else:
    Protocol = object

MAX_EVENTS = 10_000
MAX_BYTES = 1_048_576
EVENT_OVERHEAD_BYTES = 26
MAX_MESSAGE_BYTES = MAX_BYTES - EVENT_OVERHEAD_BYTES
LINES_AT_ONCE = 100
"""How many lines are measured together."""


class DeliveryFailed(Exception):
    """CloudWatch Logs did not take a batch. The message is the error's code alone."""


class StreamMissing(Exception):
    """The log stream does not exist yet."""


class ParkingFailed(Exception):
    """The queue did not take a message either. The message is the error's code alone."""


class ParkedLinesQueue(Protocol):
    """Where lines wait that CloudWatch Logs did not take."""

    def send(self, message: str) -> None:
        """Send one message. Raises :class:`ParkingFailed`."""


class LogGroupWriter(Protocol):
    """The two calls that delivery makes. Both raise :class:`DeliveryFailed`."""

    def create_stream(self, stream: str) -> None:
        """Create a log stream; one that exists already is fine."""

    def put(self, stream: str, messages: list[str], timestamp: int) -> dict[str, Any]:
        """PutLogEvents; the response. Raises :class:`StreamMissing` where there is no stream.

        The messages are encoded linked lines; the timestamp is that of each.
        """


class DeliveryReport:
    """What became of the lines.

    Attributes:
        linked: lines that CloudWatch Logs took.
        cut: lines, whatever became of them, whose message had to be cut.
        dropped: lines it refused for good, by reason: ``too_new``, ``too_old``, ``expired``.
        parked: lines that wait in the queue.
        failure: the code of the error for which lines were parked.
    """

    def __init__(self) -> None:
        self.linked = 0
        self.cut = 0
        self.dropped: Counter[str] = Counter()
        self.parked = 0
        self.failure: str | None = None


class Batch:
    """What goes into one call: encoded lines, and by their place the whole ones of those cut."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.cut: dict[int, LinkedLine] = {}
        self._bytes = 0

    def take(self, messages: list[str]) -> bool:
        """Take all of these encoded lines, if the limits allow."""
        needed = len("".join(messages).encode()) + EVENT_OVERHEAD_BYTES * len(messages)
        if self._bytes + needed > MAX_BYTES or len(self.messages) + len(messages) > MAX_EVENTS:
            return False
        self.messages += messages
        self._bytes += needed
        return True


def deliver(
    writer: LogGroupWriter,
    stream: str,
    lines: Sequence[LinkedLine | str],
    *,
    arrival_ms: int,
    queue: ParkedLinesQueue | None = None,
) -> DeliveryReport:
    """Put linked lines into a log stream, in as few calls as the limits allow.

    Args:
        writer: of the linked log group.
        stream: the log stream's name.
        lines: linked lines; a text is one that is encoded already.
        arrival_ms: the timestamp of every event, in milliseconds since 1970.
        queue: takes what CloudWatch Logs does not; None: a batch that fails is an error.

    Raises:
        DeliveryFailed: a batch was not taken, and not parked. Earlier batches were; delivered
            again, their lines are there twice, under the same id.
    """
    report = DeliveryReport()
    for batch in _batches(lines, report):
        if report.failure is None or queue is None:
            try:
                _deliver(writer, stream, batch, arrival_ms, report)
                continue
            except DeliveryFailed as failed:
                if queue is None:
                    raise
                report.failure = str(failed)
        from openreplay_cw_stack.runtime.validator.parking import park

        park(queue, stream, batch, arrival_ms, report)
    return report


def _deliver(
    writer: LogGroupWriter, stream: str, batch: Batch, arrival_ms: int, report: DeliveryReport
) -> None:
    lines = len(batch.messages)
    rejected = _rejections(_put(writer, stream, batch.messages, arrival_ms), lines)
    report.dropped.update(rejected)
    report.linked += lines - sum(rejected.values())


def _batches(lines: Sequence[LinkedLine | str], report: DeliveryReport) -> Iterator[Batch]:
    batch = Batch()
    for first in range(0, len(lines), LINES_AT_ONCE):
        some = lines[first : first + LINES_AT_ONCE]
        messages = [line for line in some if isinstance(line, str)]
        if len(messages) == len(some) and batch.take(messages):
            continue
        for line in some:
            message, cut = _encoded(line)
            if not batch.take([message]):
                yield batch
                batch = Batch()
                batch.take([message])
            if cut is not None:
                batch.cut[len(batch.messages) - 1] = cut
                report.cut += 1
    if batch.messages:
        yield batch


def _encoded(line: LinkedLine | str) -> tuple[str, LinkedLine | None]:
    """A line as it is sent, and itself if it had to be cut for that."""
    if isinstance(line, str):
        # Only ids and names longer than any of CloudWatch Logs make one that does not fit.
        if len(line.encode()) <= MAX_MESSAGE_BYTES:
            return line, None
        line = LinkedLine.decode(line)
    message, cut = line.encode_within(MAX_MESSAGE_BYTES)
    return message, line if cut else None


def _put(
    writer: LogGroupWriter, stream: str, messages: list[str], timestamp: int
) -> dict[str, Any]:
    try:
        return writer.put(stream, messages, timestamp)
    except StreamMissing:
        writer.create_stream(stream)
    try:
        return writer.put(stream, messages, timestamp)
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
