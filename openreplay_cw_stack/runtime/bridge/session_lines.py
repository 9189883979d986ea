"""The linked lines of one session, read from the linked log group.

Only the time in which the session's lines can have arrived is read, with one exact term, so that
the cost of a question does not grow with the age of the log group. The term only narrows: whose
line it is says its ``session`` field alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from openreplay_cw_stack.runtime.linked_line import LinkedLine, NotALinkedLine
from openreplay_cw_stack.tagging import ID_TAG_NAME

BEFORE_START_MS = 600_000
"""How long before its start a session's lines are looked for: clocks differ."""


class ReadFailed(Exception):
    """A page could not be read: throttled, or worse. The message is the error's code alone."""


@dataclass(frozen=True)
class Page:
    """One page of FilterLogEvents, which may be empty and yet have a successor."""

    events: Sequence[tuple[int, str]]
    next_token: str | None


class LinkedLogGroup(Protocol):
    """Reads the linked log group."""

    def page(
        self, *, pattern: str, start_ms: int, end_ms: int, token: str | None, limit: int | None
    ) -> Page:
        """A page of events, each with its arrival time. Raises :class:`ReadFailed`."""


@dataclass
class Reading:
    """What was read.

    Attributes:
        lines: the session's lines, each once, in the order of their time and id.
        newest_arrival_ms: when the last of them arrived; None without lines.
        complete: whether everything was read; otherwise the lines are not to be shown.
        failure: the code of the error that ended the reading early; None at a deadline.
    """

    lines: list[LinkedLine] = field(default_factory=list)
    newest_arrival_ms: int | None = None
    complete: bool = False
    failure: str | None = None


def read_session(
    group: LinkedLogGroup,
    session_id: int,
    *,
    start_ms: int,
    end_ms: int,
    time_left: Callable[[], float],
) -> Reading:
    """Read a session's lines.

    Args:
        group: where from.
        session_id: whose.
        start_ms: of the arrival times, inclusive.
        end_ms: likewise.
        time_left: seconds until the answer is due; no page is asked for after that.
    """
    reading = Reading()
    lines: dict[tuple[str, str, str], LinkedLine] = {}
    token: str | None = None
    pattern = f'"{ID_TAG_NAME}={session_id}]"'
    while time_left() > 0:
        try:
            page = group.page(
                pattern=pattern, start_ms=start_ms, end_ms=end_ms, token=token, limit=None
            )
        except ReadFailed as failed:
            reading.failure = str(failed)
            return reading
        for arrival_ms, text in page.events:
            line = _line_of(session_id, text)
            if line is not None:
                lines.setdefault((line.owner, line.group, line.id), line)
                reading.newest_arrival_ms = max(arrival_ms, reading.newest_arrival_ms or 0)
        token = page.next_token
        if token is None:
            reading.complete = True
            reading.lines = sorted(lines.values(), key=_order)
            return reading
    return reading


def read_any(group: LinkedLogGroup, *, start_ms: int, end_ms: int) -> LinkedLine | None:
    """Some linked line of a time, if the first page has one. Raises :class:`ReadFailed`."""
    page = group.page(
        pattern=f'"{ID_TAG_NAME}="', start_ms=start_ms, end_ms=end_ms, token=None, limit=1
    )
    for _, text in page.events:
        try:
            return LinkedLine.decode(text)
        except NotALinkedLine:
            continue
    return None


def _line_of(session_id: int, text: str) -> LinkedLine | None:
    try:
        line = LinkedLine.decode(text)
    except NotALinkedLine:
        return None
    return line if line.session == session_id else None


def _order(line: LinkedLine) -> tuple[int, int, str, str, str]:
    # Ids are numbers of one length; a longer one is a later one.
    return (line.time, len(line.id), line.id, line.owner, line.group)
