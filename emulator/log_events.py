"""The rules of CloudWatch Logs for batches, event ids and pages, free of MiniStack.

AWS: API Reference, "PutLogEvents", "RejectedLogEventsInfo" and "FilterLogEvents".
"""

from __future__ import annotations

import base64
import itertools
import json
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MAXIMUM_EVENTS = 10_000
MAXIMUM_BYTES = 1_048_576
EVENT_OVERHEAD = 26
DAY = 24 * 60 * 60 * 1000
MAXIMUM_SPAN = DAY
MAXIMUM_AGE = 14 * DAY
MAXIMUM_LEAD = 2 * 60 * 60 * 1000
EVENT_ID_DIGITS = 56

LogEvent = Mapping[str, Any]

# An id orders by time and then by arrival, as those AWS shows do: 31953106606966983378809025079…
# is 1432826855000, the timestamp of that event, shifted by 144 bits, and its neighbours differ in
# the last bits.
_ID_SHIFT = 144
_sequence = itertools.count(secrets.randbits(96))


class InvalidBatch(ValueError):
    """PutLogEvents refuses the whole batch."""


class InvalidToken(ValueError):
    """A nextToken that FilterLogEvents did not give."""


def new_event_id(timestamp: int) -> str:
    """Return a fresh event id: 56 decimal digits, ordered by time and then by arrival."""
    number = (max(timestamp, 0) << _ID_SHIFT) + next(_sequence)
    return str(number).zfill(EVENT_ID_DIGITS)


def event_size(message: str) -> int:
    """Return what a message counts against the limits: its UTF-8 bytes and 26 more."""
    return len(message.encode("utf-8", "surrogatepass")) + EVENT_OVERHEAD


@dataclass(frozen=True)
class Batch:
    """What PutLogEvents makes of a batch: the events it stores, and why not the others."""

    accepted: Sequence[LogEvent]
    rejected: Mapping[str, int]


def check_batch(
    events: Sequence[LogEvent], *, now: int, retention_in_days: int | None = None
) -> Batch:
    """Apply the limits of PutLogEvents.

    Args:
        events: The request's `logEvents`.
        now: The time of the request in milliseconds.
        retention_in_days: The log group's retention, `None` for ever.

    Raises:
        InvalidBatch: The operation fails and stores nothing.
    """
    _check_events(events)
    batch = _reject_by_time(events, now, retention_in_days)
    if batch.accepted:
        span = batch.accepted[-1]["timestamp"] - batch.accepted[0]["timestamp"]
        if span > MAXIMUM_SPAN:
            raise InvalidBatch(
                "The batch of log events in a single PutLogEvents request cannot span more than "
                "24 hours."
            )
    return batch


def _check_events(events: Sequence[LogEvent]) -> None:
    if not 1 <= len(events) <= MAXIMUM_EVENTS:
        raise InvalidBatch(
            "1 validation error detected: Value at 'logEvents' failed to satisfy constraint: "
            f"Member must have length between 1 and {MAXIMUM_EVENTS}"
        )
    for position, event in enumerate(events, start=1):
        _check_event(event, f"logEvents.{position}.member")
    sizes = [event_size(event["message"]) for event in events]
    for size in sizes:
        if size > MAXIMUM_BYTES:
            raise InvalidBatch(
                f"Log event too large: {size} bytes exceeds limit of {MAXIMUM_BYTES}"
            )
    if sum(sizes) > MAXIMUM_BYTES:
        raise InvalidBatch(f"Upload too large: {sum(sizes)} bytes exceeds limit of {MAXIMUM_BYTES}")
    stamps = [event["timestamp"] for event in events]
    if any(later < earlier for earlier, later in itertools.pairwise(stamps)):
        raise InvalidBatch(
            "Log events in a single PutLogEvents request must be in chronological order."
        )


def _check_event(event: LogEvent, member: str) -> None:
    message = event.get("message")
    if not isinstance(message, str) or not message:
        raise InvalidBatch(
            f"1 validation error detected: Value '{message or ''}' at '{member}.message' failed to "
            "satisfy constraint: Member must have length greater than or equal to 1"
        )
    timestamp = event.get("timestamp")
    if not isinstance(timestamp, int) or isinstance(timestamp, bool) or timestamp < 0:
        raise InvalidBatch(
            f"1 validation error detected: Value at '{member}.timestamp' failed to satisfy "
            "constraint: Member must have value greater than or equal to 0"
        )


def _reject_by_time(events: Sequence[LogEvent], now: int, retention_in_days: int | None) -> Batch:
    stamps = [event["timestamp"] for event in events]
    too_old = sum(stamp < now - MAXIMUM_AGE for stamp in stamps)
    expired = (
        sum(stamp < now - retention_in_days * DAY for stamp in stamps) if retention_in_days else 0
    )
    too_new = sum(stamp > now + MAXIMUM_LEAD for stamp in stamps)
    rejected = {}
    if too_new:
        rejected["tooNewLogEventStartIndex"] = len(events) - too_new
    if too_old:
        rejected["tooOldLogEventEndIndex"] = too_old
    if expired:
        rejected["expiredLogEventEndIndex"] = expired
    return Batch(events[max(too_old, expired) : len(events) - too_new], rejected)


@dataclass(frozen=True)
class Position:
    """A place between two events of a log group."""

    timestamp: int
    ingestion_time: int
    event_id: str

    @property
    def key(self) -> tuple[int, int, str]:
        """The sort key of the event just read."""
        return (self.timestamp, self.ingestion_time, self.event_id)

    def to_token(self) -> str:
        """Return this position as a nextToken."""
        content = [self.timestamp, self.ingestion_time, self.event_id]
        return base64.urlsafe_b64encode(json.dumps(content).encode()).decode()

    @staticmethod
    def from_token(token: str) -> Position:
        """Return the position that `to_token` made `token` from.

        Raises:
            InvalidToken: It made no such token.
        """
        try:
            timestamp, ingestion_time, event_id = json.loads(
                base64.b64decode(token, altchars=b"-_", validate=True)
            )
            position = Position(int(timestamp), int(ingestion_time), str(event_id))
        except (ValueError, TypeError) as error:
            raise InvalidToken(token) from error
        if not isinstance(event_id, str):
            raise InvalidToken(token)
        return position


def sort_key(event: LogEvent) -> tuple[int, int, str]:
    """Return the order of FilterLogEvents: event time, ingestion time, order of arrival."""
    return (event["timestamp"], event["ingestionTime"], event["eventId"])


@dataclass(frozen=True)
class Page:
    """One answer of FilterLogEvents."""

    events: Sequence[LogEvent]
    next_token: str | None


def read_page(
    events: Iterable[LogEvent],
    *,
    matches: Callable[[str], bool],
    limit: int,
    after: Position | None = None,
) -> Page:
    """Return the next page of `events`.

    A page ends after `limit` matches, 1 MB of them, or 10 000 events looked at. AWS does not
    promise more: "A returned page might only be partially full, or even empty." So a reader that
    takes an empty page for the end fails here as it would there.
    """
    ordered = sorted(events, key=sort_key)
    if after is not None:
        ordered = [event for event in ordered if sort_key(event) > after.key]
    found: list[LogEvent] = []
    size = 0
    for looked_at, event in enumerate(ordered):
        if len(found) >= limit or looked_at >= MAXIMUM_EVENTS:
            return Page(found, _token_after(ordered[looked_at - 1]))
        if not matches(event["message"]):
            continue
        size += event_size(event["message"])
        if size > MAXIMUM_BYTES and found:
            return Page(found, _token_after(ordered[looked_at - 1]))
        found.append(event)
    return Page(found, None)


def _token_after(event: LogEvent) -> str:
    return Position(*sort_key(event)).to_token()
