"""Read the linked lines of one session from the session table.

The bridge queries the session's partition in ascending order. Items are ordered by the time of
their first line and may overlap in time, so reading ends when enough lines are earlier than the
next item's first line.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from openreplay_cw_stack.contract.linked_line import LinkedLine
from openreplay_cw_stack.contract.session_table import (
    Attributes,
    StoredItem,
    UnreadableItem,
    arrived_ms,
    first_time_ms,
    has_expired,
    is_tombstone,
    read_item,
)
from openreplay_cw_stack.runtime.bridge.layout import shortened

NEWEST_ITEMS = 5
"""The number of items that the descending Query reads."""

MAX_INFLATED_BYTES = 96 * 1024 * 1024
"""The decompressed size after which no more items of a session are read. It bounds the memory."""

MAX_LINES = 20_000
"""The maximum number of lines in memory; beyond it, only the first lines are kept."""

WHOLE_MESSAGES_CHARACTERS = 16 * 1024 * 1024
"""The number of characters after which messages are cut. A response has at most a quarter of it."""
_CUT_MESSAGE_CHARACTERS = 4096


class ReadFailed(Exception):
    """DynamoDB did not return a page. The message is only the error's code."""


@dataclass(frozen=True)
class Page:
    """One page of a Query.

    Attributes:
        items: the items in the order of the sort key.
        next_key: the start of the next page; None after the last one.
    """

    items: Sequence[Attributes]
    next_key: Any = None


class SessionTable(Protocol):
    """Reads the session table."""

    def page(self, session_id: int, *, start: Any = None) -> Page:
        """Return a page of a session's items in ascending order. Raises :class:`ReadFailed`."""

    def newest(self, session_id: int, limit: int) -> Page:
        """Return the last items of a session in descending order. Raises :class:`ReadFailed`."""


@dataclass
class Reading:
    """The result of reading a session.

    Attributes:
        lines: the session's first lines, without duplicates, ordered by time and id.
        newest_arrival_ms: when the newest of the items read arrived; None without items.
        to_the_end: whether these are all lines of the session.
        forgotten: whether the session has a tombstone.
        timed_out: whether reading ended early, so that lines in between may be missing.
        failure: the code of the error that ended the reading.
        skipped: the number of skipped items by reason: ``expired``, ``version``, ``corrupt``.
    """

    lines: list[LinkedLine] = field(default_factory=list)
    newest_arrival_ms: int | None = None
    to_the_end: bool = False
    forgotten: bool = False
    timed_out: bool = False
    failure: str | None = None
    skipped: Counter[str] = field(default_factory=Counter)


def read_session(
    table: SessionTable,
    session_id: int,
    *,
    wanted: int,
    now_ms: int,
    time_left: Callable[[], float],
) -> Reading:
    """Read a session's first lines.

    Args:
        table: the session table.
        session_id: the session.
        wanted: the number of lines to read.
        now_ms: the time for the expiry check, in milliseconds since 1970.
        time_left: returns the seconds until the response is due. Reading ends then.
    """
    reader = _Reader(session_id, wanted, now_ms, time_left)
    try:
        _read(table, reader)
    except _OutOfTime:
        reader.reading.timed_out = True
    except ReadFailed as failed:
        reader.reading.timed_out = True
        reader.reading.failure = str(failed)
    return reader.result()


class _OutOfTime(Exception):
    """The response is due."""


def _read(table: SessionTable, reader: _Reader) -> None:
    start = None
    while True:
        reader.check_time()
        page = table.page(reader.session_id, start=start)
        if not reader.take(page.items) or reader.reading.forgotten:
            break
        start = page.next_key
        if start is None:
            reader.reading.to_the_end = not reader.has_let_go
            return
    if reader.reading.forgotten:
        return
    reader.check_time()
    reader.note_arrivals(table.newest(reader.session_id, NEWEST_ITEMS).items)
    reader.check_time()


class _Reader:
    def __init__(
        self, session_id: int, wanted: int, now_ms: int, time_left: Callable[[], float]
    ) -> None:
        self.session_id = session_id
        self.reading = Reading()
        self.has_let_go = False
        self._wanted = wanted
        self._now_ms = now_ms
        self._time_left = time_left
        self._lines: dict[tuple[str, str, str], LinkedLine] = {}
        self._inflated_bytes = 0
        self._characters = 0
        self._later_times: list[int] = []
        self._earlier = 0

    def check_time(self) -> None:
        """Raise _OutOfTime if the response is due."""
        if self._time_left() <= 0:
            raise _OutOfTime

    def take(self, items: Sequence[Attributes]) -> bool:
        """Add items in order and return whether more items are needed."""
        for attributes in items:
            # A page of well-compressed items can hold more than can be read in time.
            self.check_time()
            if is_tombstone(attributes):
                if not has_expired(attributes, self._now_ms / 1000):
                    self.reading.forgotten = True
                    return False
                continue
            item = self._item(attributes)
            if item is None:
                continue
            time_ms = first_time_ms(attributes)
            if self._has_enough_before(time_ms):
                return False
            if self._inflated_bytes > MAX_INFLATED_BYTES:
                self._end_before(time_ms)
                return False
            self._add(item)
            self._inflated_bytes += item.inflated_bytes
        return True

    def note_arrivals(self, items: Sequence[Attributes]) -> None:
        """Record when items arrived, without reading their lines."""
        for attributes in items:
            if not has_expired(attributes, self._now_ms / 1000):
                self._note_arrival(arrived_ms(attributes))

    def result(self) -> Reading:
        """Return the reading, with its lines in order."""
        self.reading.lines = sorted(self._lines.values(), key=lambda line: line.order)
        return self.reading

    def _item(self, attributes: Attributes) -> StoredItem | None:
        """Decode an item; if it is expired or unreadable, count it and return None."""
        if has_expired(attributes, self._now_ms / 1000):
            self.reading.skipped["expired"] += 1
            return None
        try:
            first_time_ms(attributes)
            item = read_item(self.session_id, attributes)
        except UnreadableItem as unreadable:
            self.reading.skipped[unreadable.reason] += 1
            return None
        self._note_arrival(item.arrived_ms)
        return item

    def _note_arrival(self, time_ms: int | None) -> None:
        if time_ms is not None:
            self.reading.newest_arrival_ms = max(time_ms, self.reading.newest_arrival_ms or 0)

    def _has_enough_before(self, time_ms: int) -> bool:
        while self._later_times and self._later_times[0] < time_ms:
            heapq.heappop(self._later_times)
            self._earlier += 1
        return self._earlier >= self._wanted

    def _add(self, item: StoredItem) -> None:
        for line in item.lines:
            if line.identity not in self._lines:
                self._lines[line.identity] = self._kept(line)
                heapq.heappush(self._later_times, _sort_key_time(line))
        if len(self._lines) > MAX_LINES:
            self._let_go()

    def _let_go(self) -> None:
        """Keep twice the number of wanted lines, so that the total can be estimated."""
        first = heapq.nsmallest(2 * self._wanted, self._lines.values(), key=lambda line: line.order)
        self._lines = {line.identity: line for line in first}
        self._later_times = sorted(map(_sort_key_time, first))
        self._earlier = 0
        self.has_let_go = True

    def _end_before(self, time_ms: int) -> None:
        """Keep only lines earlier than ``time_ms``, the start of the unread items."""
        earlier = {
            identity: line
            for identity, line in self._lines.items()
            if _sort_key_time(line) < time_ms
        }
        if not earlier:
            raise ReadFailed("too many lines at one time")
        self._lines = earlier

    def _kept(self, line: LinkedLine) -> LinkedLine:
        """Return the line, with a cut message if long messages already fill the memory."""
        if self._characters <= WHOLE_MESSAGES_CHARACTERS:
            self._characters += len(line.message)
            return line
        return replace(line, message=shortened(line.message, _CUT_MESSAGE_CHARACTERS))


def _sort_key_time(line: LinkedLine) -> int:
    """Return a line's time as in sort keys, which are never before 1970."""
    return max(line.time, 0)
