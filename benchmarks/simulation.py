"""The validator with a table and a queue in memory, on a simulated clock.

The validator, its envelopes and the bridge's reader are the real code. AWS is simulated:

* invocations: any number at the same time for payloads, two for the retry queue; the retry queue
* with its visibility timeouts; the session table with faults and with its limits: 25 items per
* call, 400 KB per item, 1,000 write units per second and partition, and pages of 1 MB.

A call to the table takes 10 ms of simulated time; computation takes none.
"""

from __future__ import annotations

import bisect
import heapq
import itertools
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.cost_model import item_bytes, write_units
from benchmarks.stand_ins import validator
from benchmarks.subscription_payloads import NOW_MS
from openreplay_cw_stack.contract.session_table import PARTITION_KEY, SORT_KEY, Attributes
from openreplay_cw_stack.runtime.bridge.session_lines import Page
from openreplay_cw_stack.runtime.validator.envelopes import take
from openreplay_cw_stack.runtime.validator.storing import Refusal, WriteRefused

TIMEOUT_SECONDS = 60.0
CALL_SECONDS = 0.01
MAX_ITEMS = 25
MAX_ITEM_BYTES = 400 * 1024
PARTITION_UNITS = 1000
PAGE_BYTES = 1_048_576
VISIBILITY_SECONDS = 6 * TIMEOUT_SECONDS
CONCURRENCY = 2
"""The number of messages of the retry queue that are processed at the same time."""

Refuses = Callable[[float], WriteRefused | None]


def never_refuses(_time: float) -> None:
    """Accept every call: a table without an outage."""


@dataclass
class Clock:
    """The simulated time of the current invocation, in seconds."""

    now: float = 0.0

    def read(self) -> float:
        """Return the time."""
        return self.now

    def read_ms(self) -> int:
        """Return the time in milliseconds since 1970."""
        return NOW_MS + int(self.now * 1000)

    def sleep(self, seconds: float) -> None:
        """Advance the time."""
        self.now += seconds


@dataclass
class Table:
    """The session table.

    Attributes:
        clock: the simulated clock.
        refuses: returns for a time whether every call is rejected.
        faults: the share of calls that leave some items unprocessed, of calls that fail, and of
            calls that write and then fail.
        partition_units: the write units that a partition accepts per second.
        calls: the number of calls of BatchWriteItem.
        units: the consumed write units.
        throttled: the number of throttled items.
        stored_at: the time of each item's first write.
    """

    clock: Clock
    refuses: Refuses = never_refuses
    faults: float = 0.0
    partition_units: int = PARTITION_UNITS
    calls: int = 0
    units: int = 0
    throttled: int = 0
    stored_at: dict[tuple[str, str], float] = field(default_factory=dict)
    _source: random.Random = field(default_factory=lambda: random.Random(3))
    _partitions: dict[str, dict[str, Attributes]] = field(default_factory=lambda: defaultdict(dict))
    _used: Counter[tuple[str, int]] = field(default_factory=Counter)

    def write(self, items: Sequence[Attributes]) -> Sequence[Attributes]:
        """Write items like BatchWriteItem."""
        self.calls += 1
        self.clock.sleep(CALL_SECONDS)
        keys = {(item[PARTITION_KEY]["S"], item[SORT_KEY]["S"]) for item in items}
        sizes = max(map(item_bytes, items))
        if len(items) > MAX_ITEMS or len(keys) < len(items) or sizes > MAX_ITEM_BYTES:
            raise WriteRefused(Refusal.INVALID, "ValidationException")
        refused = self.refuses(self.clock.now)
        if refused is not None:
            raise refused
        fault = self._source.random() / self.faults if self.faults else 3
        if 1 <= fault < 2:
            raise WriteRefused(Refusal.UNAVAILABLE, "InternalServerError")
        unprocessed = [item for item in items if not self._put(item, fault < 1)]
        self.throttled += len(unprocessed)
        if len(unprocessed) == len(items):
            raise WriteRefused(Refusal.THROTTLED, "ProvisionedThroughputExceededException")
        if 2 <= fault < 3:
            raise WriteRefused(Refusal.UNAVAILABLE, "ReadTimeoutError")
        return unprocessed

    def _put(self, item: Attributes, is_faulty: bool) -> bool:
        session, key = item[PARTITION_KEY]["S"], item[SORT_KEY]["S"]
        units = write_units(item)
        second = (session, int(self.clock.now))
        if self._used[second] + units > self.partition_units:
            return False
        if is_faulty and self._source.random() < 0.5:
            return False
        self._used[second] += units
        self.units += units
        self._partitions[session][key] = item
        self.stored_at.setdefault((session, key), self.clock.now)
        return True

    def sessions(self) -> Iterator[int]:
        """Return the sessions with items."""
        return map(int, self._partitions)

    def page(self, session_id: int, *, start: Any = None) -> Page:
        """Return a page of a session's items."""
        items = self._partitions.get(str(session_id), {})
        keys = sorted(items)
        found: list[Attributes] = []
        size = 0
        for key in keys[bisect.bisect_right(keys, start) if start else 0 :]:
            found.append(items[key])
            size += item_bytes(items[key])
            if size >= PAGE_BYTES:
                return Page(found, key)
        return Page(found)

    def newest(self, session_id: int, limit: int) -> Page:
        """Return a session's last items."""
        items = self._partitions.get(str(session_id), {})
        return Page([items[key] for key in sorted(items, reverse=True)[:limit]])


@dataclass
class Message:
    """A message of the retry queue."""

    number: int
    body: str
    sent_ms: int
    receipts: int = 0


@dataclass
class RetryQueue:
    """The retry queue.

    Attributes:
        clock: the simulated clock.
        sent: the number of all messages.
        peak: the highest number of messages at the same time.
        waiting: the messages by the time at which they become visible.
    """

    clock: Clock
    sent: int = 0
    peak: int = 0
    waiting: list[tuple[float, int, Message]] = field(default_factory=list)
    hidden_until: dict[str, float] = field(default_factory=dict)

    def send(self, message: str) -> None:
        """Accept a message, which is visible at once."""
        self.sent += 1
        self._wait(self.clock.now, Message(self.sent, message, self.clock.read_ms()))
        self.peak = max(self.peak, len(self.waiting))

    def hide(self, receipt_handle: str, seconds: int) -> None:
        """Make a received message visible again after some seconds."""
        self.hidden_until[receipt_handle] = self.clock.now + seconds

    def receive(self) -> Message:
        """Return the message that becomes visible first."""
        _, _, message = heapq.heappop(self.waiting)
        message.receipts += 1
        self.hidden_until[str(message.number)] = self.clock.now + VISIBILITY_SECONDS
        return message

    def settle(self, message: Message, *, failed: bool) -> None:
        """Delete a message, or make it visible again."""
        until = self.hidden_until.pop(str(message.number))
        if failed:
            self._wait(until, message)

    def _wait(self, until: float, message: Message) -> None:
        heapq.heappush(self.waiting, (until, message.number, message))


@dataclass
class DeadLetters:
    """The dead-letter queue."""

    letters: list[str] = field(default_factory=list)

    def send(self, message: str) -> None:
        """Accept a message."""
        self.letters.append(message)


class Simulation:
    """A simulation of payloads on their way to the session table."""

    def __init__(self, refuses: Refuses = never_refuses, faults: float = 0.0) -> None:
        """Start at time 0.

        Args:
            refuses: see :class:`Table`.
            faults: see :class:`Table`.
        """
        self.clock = Clock()
        self.table = Table(self.clock, refuses, faults)
        self.queue = RetryQueue(self.clock)
        self.dead_letters = DeadLetters()
        self.attempts = 0
        self.ended = 0.0
        self._free = [0.0] * CONCURRENCY
        self._validator = validator(
            self.table,
            retry_queue=self.queue,
            dead_letters=self.dead_letters,
            clock=self.clock.read,
            sleep=self.clock.sleep,
            clock_ms=self.clock.read_ms,
        )

    def run(self, arrivals: Iterator[tuple[float, dict[str, Any]]]) -> None:
        """Deliver payloads in order at their times, then empty the retry queue."""
        for time, event in itertools.chain(arrivals, [(float("inf"), {})]):
            while self.queue.waiting and self._next_attempt() < time:
                self._attempt()
            if event:
                self._invoke(time, event)
        self.clock.now = self.ended

    def _next_attempt(self) -> float:
        return max(min(self._free), self.queue.waiting[0][0])

    def _attempt(self) -> None:
        begins = self._next_attempt()
        self.clock.now = begins
        message = self.queue.receive()
        self.attempts += 1
        record = {
            "eventSource": "aws:sqs",
            "messageId": str(message.number),
            "receiptHandle": str(message.number),
            "body": message.body,
            "attributes": {
                "SentTimestamp": str(message.sent_ms),
                "ApproximateReceiveCount": str(message.receipts),
            },
        }
        answer = self._invoke(begins, {"Records": [record]})
        self._free[self._free.index(min(self._free))] = self.clock.now
        self.queue.settle(message, failed=bool(answer and answer["batchItemFailures"]))

    def _invoke(self, begins: float, event: dict[str, Any]) -> dict[str, Any] | None:
        self.clock.now = begins
        answer = take(
            event,
            self._validator,
            self.queue,
            lambda: int(1000 * (begins + TIMEOUT_SECONDS - self.clock.now)),
        )
        if self.clock.now > begins + TIMEOUT_SECONDS:
            raise AssertionError("the function would have been killed")
        self.ended = max(self.ended, self.clock.now)
        return answer
