"""A million lines, an hour without a session table, and a session shared by thousands of clients.

``python -m benchmarks load``, or ``LINES=100000 python -m benchmarks load``. It takes minutes, so
``make bench`` does not run it by default. benchmarks/simulation.py describes the simulated parts.
At the end, every session is read as the bridge reads it: it must contain each linkable line exactly
once, and no other line.

* *A million lines*: 500 per payload, five per session, one in twenty with a misspelled tag. One
* payload in fifty is delivered twice, the second time divided differently. Of a hundred calls to
* the table, one leaves unprocessed items, one fails, and one writes and then fails. For five
* seconds of each minute every call fails. *An outage*: for an hour every call is rejected, while
* lines keep arriving. *A hot session*: thousands of clients share one session token.
"""

from __future__ import annotations

import os
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from benchmarks.measuring import Bounds
from benchmarks.simulation import CONCURRENCY, Simulation, Table
from benchmarks.stand_ins import SETTINGS
from benchmarks.subscription_payloads import NOW_MS, TOKEN_SECRET, encoded
from openreplay_cw_stack.contract.linked_line import LinkedLine
from openreplay_cw_stack.contract.session_table import read_item
from openreplay_cw_stack.runtime.bridge.hits import MAX_HITS
from openreplay_cw_stack.runtime.bridge.session_lines import read_session
from openreplay_cw_stack.runtime.validator.storing import Refusal, WriteRefused
from openreplay_cw_stack.tagging import compose_token, token_tag

LINES = 1_000_000
LINES_OF_A_PAYLOAD = 500
LINES_OF_A_SESSION = 5
LOG_GROUPS = 20
MISSPELLED_EVERY = 20
REPEATED_EVERY = 50
PAYLOADS_A_SECOND = 5.0
FAULTS = 0.01

OUTAGE = (300.0, 3900.0)
OUTAGE_ENDS = 4500.0
"""The time of the last arriving lines."""
OUTAGE_PAYLOAD_SECONDS = 2.0
OUTAGE_PAYLOAD_LINES = 25
BACKLOG_SECONDS = 1800.0
"""The bound for the time to store the backlog after an outage: twice the longest pause."""

HOT_SECONDS = 20.0
HOT_PAYLOADS_A_SECOND = 1500
HOT_DELAY_SECONDS = 0.5
"""The bound for the delay of other sessions' lines, from arrival to storage."""

_NUMBER = re.compile(r"\bnumber=(\d+)\b")
_TEXT = "payment of order refused by the bank, card declined; the customer is asked for another"


def run() -> None:
    """Print the results of the three loads."""
    bounds = Bounds()
    _million(int(os.environ.get("LINES", LINES)), bounds)
    _outage(bounds)
    _hot_session(bounds)
    bounds.conclude()


def _million(lines: int, bounds: Bounds) -> None:
    print(f"\n{lines:,} tagged lines", flush=True)

    def refuses(now: float) -> WriteRefused | None:
        if now % 60 < 5:
            return WriteRefused(Refusal.UNAVAILABLE, "InternalServerError")
        return None

    simulation = Simulation(refuses, FAULTS)
    began = time.process_time()
    simulation.run(_arrivals(lines))
    seconds = time.process_time() - began
    print(
        f"  {seconds:.0f} s of CPU; {simulation.table.calls:,} calls to the table, "
        f"{simulation.table.units:,} write units; {simulation.table.throttled:,} items unprocessed;"
        f" {simulation.queue.sent:,} messages in the retry queue, {simulation.attempts:,} attempts",
        flush=True,
    )
    _judge(simulation, _linkable(range(lines)), bounds, "a million lines")


def _outage(bounds: Bounds) -> None:
    begins, ends = OUTAGE
    print(
        f"\nan hour of refused calls; {OUTAGE_PAYLOAD_LINES} lines each "
        f"{OUTAGE_PAYLOAD_SECONDS:.0f} s; pauses of "
        f"{SETTINGS.first_pause_seconds} to {SETTINGS.max_pause_seconds} s, {CONCURRENCY} at a "
        "time",
        flush=True,
    )

    def refuses(now: float) -> WriteRefused | None:
        if begins <= now < ends:
            return WriteRefused(Refusal.UNAVAILABLE, "InternalServerError")
        return None

    payloads = int(OUTAGE_ENDS / OUTAGE_PAYLOAD_SECONDS)
    arrivals = (
        (
            number * OUTAGE_PAYLOAD_SECONDS,
            _payload(_numbers(number, OUTAGE_PAYLOAD_LINES), number % LOG_GROUPS),
        )
        for number in range(payloads)
    )
    simulation = Simulation(refuses)
    simulation.run(arrivals)
    backlog = max(simulation.table.stored_at.values()) - ends
    held = bounds.check("seconds of backlog after an outage", backlog, BACKLOG_SECONDS)
    print(
        f"  {simulation.queue.sent:,} messages, {simulation.queue.peak:,} at most at a time, "
        f"{simulation.attempts:,} attempts\n"
        f"  the last line was stored {backlog / 60:.1f} minutes after the outage, at most "
        f"{BACKLOG_SECONDS / 60:.0f}   {held}",
        flush=True,
    )
    numbers = range(payloads * OUTAGE_PAYLOAD_LINES)
    _judge(simulation, _linkable(numbers), bounds, "an outage")


def _hot_session(bounds: Bounds) -> None:
    payloads = int(HOT_SECONDS * HOT_PAYLOADS_A_SECOND)
    print(
        f"\na hot session: for {HOT_SECONDS:.0f} s {HOT_PAYLOADS_A_SECOND:,} payloads a second, "
        "each with a line of it and a line of a session of its own",
        flush=True,
    )
    hot = _session(0)
    expected: dict[int, list[int]] = {hot: []}
    arrived: dict[int, float] = {}

    def arrivals() -> Iterator[tuple[float, dict[str, Any]]]:
        for number in range(payloads):
            at = number / HOT_PAYLOADS_A_SECOND
            other = _session(number + 1)
            expected[hot].append(2 * number)
            expected[other] = [2 * number + 1]
            arrived[other] = at
            first, second = 2 * number, 2 * number + 1
            lines = [(first, _line(first, 0)), (second, _line(second, number + 1))]
            yield at, _payload(lines, number % LOG_GROUPS)

    simulation = Simulation()
    simulation.run(arrivals())
    delay = max(
        at - arrived[int(session)]
        for (session, _), at in simulation.table.stored_at.items()
        if int(session) != hot
    )
    held = bounds.check("seconds until another session's line is stored", delay, HOT_DELAY_SECONDS)
    last = max(at for (session, _), at in simulation.table.stored_at.items() if int(session) == hot)
    print(
        f"  {simulation.table.throttled:,} writes throttled, {simulation.queue.sent:,} messages, "
        f"{simulation.queue.peak:,} at most at a time, {simulation.attempts:,} attempts\n"
        f"  lines of other sessions were stored within {delay:.2f} s, at most "
        f"{HOT_DELAY_SECONDS:g}   {held}\n"
        f"  the last line of the hot session was stored {last - HOT_SECONDS:.0f} s after it "
        "arrived last",
        flush=True,
    )
    _judge(simulation, expected, bounds, "a hot session")


def _judge(
    simulation: Simulation, expected: dict[int, list[int]], bounds: Bounds, name: str
) -> None:
    """Read every session as the bridge does, and compare it with the expected lines."""
    now_ms = NOW_MS + int(simulation.clock.now * 1000)
    missing = twice = strangers = 0
    for session in {*expected, *simulation.table.sessions()}:
        found = Counter(
            _number(line.message) for line in _lines_of(simulation.table, session, now_ms)
        )
        wanted = set(expected.get(session, ()))
        missing += len(wanted - set(found))
        strangers += len(set(found) - wanted)
        twice += found.total() - len(found)
    letters = len(simulation.dead_letters.letters)
    linkable = sum(map(len, expected.values()))
    held = bounds.require(
        f"{name}: each line exactly once", not (missing or twice or strangers or letters)
    )
    print(
        f"  {linkable:,} linkable lines in {len(expected):,} sessions: {missing} missing, {twice} "
        f"twice, {strangers} strangers, {letters} dead letters   {held}",
        flush=True,
    )


def _lines_of(table: Table, session: int, now_ms: int) -> Sequence[LinkedLine]:
    """Return a session's lines as the bridge reads them, and those beyond its thousand hits."""
    reading = read_session(table, session, wanted=MAX_HITS, now_ms=now_ms, time_left=lambda: 1.0)
    if reading.timed_out or reading.skipped:
        raise RuntimeError(f"a session cannot be read: {reading.failure} {reading.skipped}")
    if reading.to_the_end:
        return reading.lines
    lines: dict[tuple[str, str, str], LinkedLine] = {}
    page = table.page(session)
    while True:
        for item in page.items:
            for line in read_item(session, item).lines:
                lines.setdefault(line.identity, line)
        if page.next_key is None:
            break
        page = table.page(session, start=page.next_key)
    every = sorted(lines.values(), key=lambda line: line.order)
    if list(reading.lines[:MAX_HITS]) != every[:MAX_HITS]:
        raise RuntimeError("the bridge does not show the first lines of a session")
    return every


def _number(message: str) -> int:
    found = _NUMBER.search(message)
    return int(found[1]) if found else -1


def _arrivals(lines: int) -> Iterator[tuple[float, dict[str, Any]]]:
    began = time.monotonic()
    for count, first in enumerate(range(0, lines, LINES_OF_A_PAYLOAD)):
        at = count / PAYLOADS_A_SECOND
        size = min(LINES_OF_A_PAYLOAD, lines - first)
        some = [(number, _line(number)) for number in range(first, first + size)]
        yield at, _payload(some, count % LOG_GROUPS)
        if count % REPEATED_EVERY == 0:
            cut = size // 3 + 1
            yield at, _payload(some[cut:], count % LOG_GROUPS)
            yield at, _payload(some[:cut], count % LOG_GROUPS)
        if first and first % 100_000 == 0:
            print(f"  {first:>9,} after {time.monotonic() - began:.0f} s", flush=True)


def _numbers(payload: int, size: int) -> list[tuple[int, str]]:
    return [(number, _line(number)) for number in range(payload * size, (payload + 1) * size)]


def _linkable(numbers: Iterable[int]) -> dict[int, list[int]]:
    """Return the linkable lines of each session."""
    expected: dict[int, list[int]] = {}
    for number in numbers:
        if not _is_misspelled(number):
            expected.setdefault(_session(number // LINES_OF_A_SESSION), []).append(number)
    return expected


def _is_misspelled(number: int) -> bool:
    return number % MISSPELLED_EVERY == MISSPELLED_EVERY - 1


def _line(number: int, session: int | None = None) -> str:
    tag = _tag(number // LINES_OF_A_SESSION if session is None else session)
    if session is None and _is_misspelled(number):
        tag = tag.replace("=", ": ", 1)
    return f"{tag} ERROR number={number} {_TEXT}"


def _session(number: int) -> int:
    return (NOW_MS - 1_550_000_000_000 << 24) + number


def _tag(session: int) -> str:
    if session not in _tags:
        if len(_tags) > 1000:
            _tags.clear()
        token = compose_token(
            session_id=_session(session),
            delay_ms=session % 1000,
            expires_ms=NOW_MS + 7_200_000,
            token_secret=TOKEN_SECRET,
        )
        _tags[session] = token_tag(token)
    return _tags[session]


_tags: dict[int, str] = {}


def _payload(lines: list[tuple[int, str]], group: int) -> dict[str, Any]:
    return encoded(
        {
            "messageType": "DATA_MESSAGE",
            "owner": "123456789012",
            "logGroup": f"/app/service-{group:02}",
            "logStream": "web-1",
            "subscriptionFilters": ["OpenReplay"],
            "logEvents": [
                {"id": f"{number:056}", "timestamp": NOW_MS + number, "message": message}
                for number, message in lines
            ],
        }
    )
