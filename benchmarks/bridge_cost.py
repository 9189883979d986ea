"""What one question costs the bridge: pages of FilterLogEvents, and CPU time.

The linked log group is a model that pages as FilterLogEvents does, 10,000 events looked at to a
page; a page of CloudWatch's takes its own time besides, which only AWS can show. Traffic is
constant, one session asks for its lines two days after it began, and the log group gets older.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.measuring import cpu_seconds
from openreplay_cw_stack.runtime.bridge.session_lines import (
    BEFORE_START_MS,
    Page,
    read_session,
)
from openreplay_cw_stack.runtime.linked_line import LinkedLine
from openreplay_cw_stack.tagging import id_tag
from openreplay_cw_stack.tagging.session_id import EPOCH_MS

DAY_MS = 86_400_000
WINDOW_MS = 2 * DAY_MS
PAGE_EVENTS = 10_000
LINES_A_DAY = 33_000
LINES_OF_A_SESSION = 5
NOW_MS = 1_795_492_800_000
DEADLINE_SECONDS = 10.0
# FilterLogEvents: a few requests a second to an account and region (AWS, "CloudWatch Logs quotas").
PAGES_A_SECOND = 5


@dataclass
class ModelGroup:
    """Events of a constant traffic in the order of their arrival, and pages over them."""

    times: list[int]
    texts: list[str]
    calls: int = field(default=0)

    def page(
        self, *, pattern: str, start_ms: int, end_ms: int, token: str | None, limit: int | None
    ) -> Page:
        """A page as FilterLogEvents gives it."""
        self.calls += 1
        first = int(token) if token else bisect_left(self.times, start_ms)
        last = bisect_right(self.times, end_ms)
        end = min(first + PAGE_EVENTS, last)
        term = pattern.strip('"')
        found = [
            (self.times[number], self.texts[number])
            for number in range(first, end)
            if term in self.texts[number]
        ]
        return Page(found[:limit], str(end) if end < last else None)


def run() -> None:
    """Print the cost by age with and without the window, then by lines a day."""
    print(f"\none question, {LINES_A_DAY} lines a day, the linked log group gets older")
    print("  days   pages   CPU ms   | reading all of it: pages   CPU ms")
    base: tuple[float, float] | None = None
    for days in (2, 5, 10, 20, 30):
        group, session, start_ms = _group(days, LINES_A_DAY)
        pages, seconds = _cost(group, session, start_ms - BEFORE_START_MS, start_ms + WINDOW_MS)
        all_pages, all_seconds = _cost(group, session, 0, NOW_MS)
        base = base or (pages, seconds)
        print(
            f"  {days:>4} {pages:>7} {seconds * 1000:>8.1f}   |"
            f" {all_pages:>24} {all_seconds * 1000:>8.1f}"
        )
        ratio = (pages / base[0], seconds / base[1])
    print(f"  30 days to 2 days: pages x {ratio[0]:.2f}, CPU x {ratio[1]:.2f}")
    print("\none question, the linked log group is 3 days old, more lines a day")
    print("  lines a day   pages   CPU ms   seconds at 5 pages a second")
    for lines_a_day in (10_000, 33_000, 100_000, 250_000, 500_000):
        group, session, start_ms = _group(3, lines_a_day)
        pages, seconds = _cost(group, session, start_ms - BEFORE_START_MS, start_ms + WINDOW_MS)
        total = pages / PAGES_A_SECOND + seconds
        late = "   past the deadline" if total > DEADLINE_SECONDS else ""
        print(f"  {lines_a_day:>11} {pages:>7} {seconds * 1000:>8.1f} {total:>12.1f}{late}")
    limit = DEADLINE_SECONDS * PAGES_A_SECOND * PAGE_EVENTS / (WINDOW_MS / DAY_MS)
    print(
        f"  the deadline of {DEADLINE_SECONDS:.0f} s is reached at about {limit:,.0f} lines a day"
    )


def _group(days: int, lines_a_day: int) -> tuple[ModelGroup, int, int]:
    start_ms = NOW_MS - WINDOW_MS
    count = days * lines_a_day
    step = days * DAY_MS / count
    times = [int(NOW_MS - (count - number) * step) for number in range(count)]
    texts = [_text(number // LINES_OF_A_SESSION, time) for number, time in enumerate(times)]
    group = ModelGroup(times, texts)
    session = (start_ms - EPOCH_MS) << 24
    for number in range(LINES_OF_A_SESSION):
        position = bisect_left(times, start_ms + number * 1000)
        group.texts[min(position, count - 1)] = _line(session, start_ms + number * 1000, number)
    return group, session, start_ms


def _text(session: int, time_ms: int) -> str:
    return _line(2**61 + session, time_ms, session)


def _line(session: int, time_ms: int, number: int) -> str:
    return LinkedLine(
        session=session,
        time=time_ms,
        id=f"{number:056}",
        owner="123456789012",
        group="/app/checkout",
        stream="web-1",
        level="error",
        message=f"{id_tag(session)} ERROR the payment was refused by the bank",
    ).encode()


def _cost(group: ModelGroup, session: int, start_ms: int, end_ms: int) -> tuple[int, float]:
    def ask() -> Sequence[LinkedLine]:
        reading = read_session(
            group, session, start_ms=start_ms, end_ms=min(end_ms, NOW_MS), time_left=lambda: 1.0
        )
        if not reading.lines:
            raise RuntimeError("the session's lines were not found")
        return reading.lines

    group.calls = 0
    ask()
    pages = group.calls
    return pages, cpu_seconds(ask, rounds=3)
