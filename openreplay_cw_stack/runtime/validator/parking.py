"""A batch of linked lines that CloudWatch Logs did not take, into the queue of parked lines."""

from __future__ import annotations

from collections.abc import Iterator

from openreplay_cw_stack.runtime.linked_line import LinkedLine
from openreplay_cw_stack.runtime.parked_lines import (
    MAX_MESSAGE_BYTES,
    SURELY_FITTING_BYTES,
    ParkedLines,
)
from openreplay_cw_stack.runtime.validator.delivery import (
    Batch,
    DeliveryFailed,
    DeliveryReport,
    ParkedLinesQueue,
    ParkingFailed,
)


def park(
    queue: ParkedLinesQueue, stream: str, batch: Batch, arrival_ms: int, report: DeliveryReport
) -> None:
    """Send a batch to the queue; raises DeliveryFailed."""
    try:
        for message in _parked_messages(stream, batch, arrival_ms, report):
            queue.send(message)
    except ParkingFailed as failed:
        raise DeliveryFailed(f"{report.failure}; and the queue: {failed}") from None
    report.parked += len(batch.messages)


def _parked_messages(
    stream: str, batch: Batch, arrival_ms: int, report: DeliveryReport
) -> Iterator[str]:
    """A batch as messages that the queue takes: halved until each is short enough."""
    waiting = [range(len(batch.messages))]
    while waiting:
        places = waiting.pop()
        lines = batch.messages[places.start : places.stop]
        message = _parked(stream, arrival_ms, lines)
        if len(message) <= MAX_MESSAGE_BYTES:
            yield message
        elif len(lines) > 1:
            middle = places.start + len(lines) // 2
            waiting += [range(middle, places.stop), range(places.start, middle)]
        else:
            whole = batch.cut.get(places.start) or LinkedLine.decode(lines[0])
            report.cut += places.start not in batch.cut
            yield _parked(stream, arrival_ms, [whole.encode_within(SURELY_FITTING_BYTES)[0]])


def _parked(stream: str, arrival_ms: int, lines: list[str]) -> str:
    # The stream of the linked log group is named after the tracked log group.
    return ParkedLines(stream, stream, arrival_ms, lines).encode()
