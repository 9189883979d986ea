"""Write session items to the session table.

Amazon DynamoDB API reference, "BatchWriteItem": a call has at most 25 items and 16 MB. Throttled
items are returned in ``UnprocessedItems``; if no item could be written, the call fails with
``ProvisionedThroughputExceededException``. One invalid item fails the whole call with
``ValidationException``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import chain
from typing import Protocol

from openreplay_cw_stack.contract.limits import ITEMS_PER_BATCH_WRITE
from openreplay_cw_stack.contract.session_table import Attributes, SessionItem

RETRY_SECONDS = 3.0
"""How long a call retries items that DynamoDB throttled."""

_FIRST_PAUSE_SECONDS = 0.1


class Refusal(Enum):
    """Why DynamoDB rejected a call."""

    THROTTLED = "throttled"
    """The partition or the table exceeds its write capacity."""
    INVALID = "invalid"
    """An item of the call is invalid."""
    UNAVAILABLE = "unavailable"
    """DynamoDB did not respond, or had a server error: the next call may succeed."""
    DENIED = "denied"
    """The permission or the table is missing: the next call fails too."""


class WriteRefused(Exception):
    """DynamoDB rejected a call. The message is only the error's code.

    Attributes:
        refusal: why DynamoDB rejected it.
    """

    def __init__(self, refusal: Refusal, code: str) -> None:
        super().__init__(code)
        self.refusal = refusal


class SessionTable(Protocol):
    """Writes to the session table."""

    def write(self, items: Sequence[Attributes]) -> Sequence[Attributes]:
        """Write up to ``ITEMS_PER_BATCH_WRITE`` items and return the unwritten ones.

        Raises:
            WriteRefused: no item was written.
        """


@dataclass
class StoringReport:
    """The result of writing items.

    Attributes:
        stored: the items that were written.
        missing: the unwritten items that can be written later.
        invalid: the items that DynamoDB will always reject, each with the error's code.
        throttled: how often DynamoDB throttled an item.
        failure: the code of the last error that left items missing.
    """

    stored: list[SessionItem] = field(default_factory=list)
    missing: list[SessionItem] = field(default_factory=list)
    invalid: list[tuple[SessionItem, str]] = field(default_factory=list)
    throttled: int = 0
    failure: str | None = None


@dataclass(frozen=True)
class ItemWriter:
    """Writes items.

    Attributes:
        table: the session table.
        clock: a monotonic clock, in seconds.
        sleep: waits for a number of seconds.
    """

    table: SessionTable
    clock: Callable[[], float]
    sleep: Callable[[float], None]

    def store(
        self,
        items: Sequence[SessionItem],
        *,
        arrived_ms: int,
        retention_seconds: int,
        has_time: Callable[[], bool],
    ) -> StoringReport:
        """Write every item, and retry the throttled ones for a short time.

        The first attempt covers every item, so that a session with too many lines does not delay
        other sessions.

        Args:
            items: the items, which must have different keys.
            arrived_ms: the time of their arrival, in milliseconds since 1970.
            retention_seconds: how long the table keeps them.
            has_time: returns whether there is time for one more call.
        """
        report = StoringReport()
        attempt = _Attempt(self.table, arrived_ms, retention_seconds, has_time, report)
        waiting = attempt.write(items)
        pause, ends = _FIRST_PAUSE_SECONDS, self.clock() + RETRY_SECONDS
        while waiting and attempt.may_be_repeated and self.clock() + pause < ends and has_time():
            self.sleep(pause)
            pause *= 2
            waiting = attempt.write(waiting)
        report.missing = waiting
        return report


@dataclass
class _Attempt:
    """Successive attempts at writing items, with one report for all of them."""

    table: SessionTable
    arrived_ms: int
    retention_seconds: int
    has_time: Callable[[], bool]
    report: StoringReport
    may_be_repeated: bool = True

    def write(self, items: Sequence[SessionItem]) -> list[SessionItem]:
        """Write items in as few calls as possible and return the ones that are still missing."""
        missing: list[SessionItem] = []
        batches = deque(
            items[first : first + ITEMS_PER_BATCH_WRITE]
            for first in range(0, len(items), ITEMS_PER_BATCH_WRITE)
        )
        while batches:
            batch = batches.popleft()
            if not self.has_time():
                self.may_be_repeated = False
                self.report.failure = "no time left"
                return [*missing, *batch, *chain.from_iterable(batches)]
            try:
                missing += self._call(batch)
            except WriteRefused as refused:
                self.report.failure = str(refused)
                if refused.refusal is Refusal.INVALID and len(batch) > 1:
                    # Write each item alone, to find the ones that DynamoDB rejects.
                    batches.extendleft([item] for item in reversed(batch))
                elif refused.refusal is Refusal.INVALID:
                    self.report.invalid.append((batch[0], str(refused)))
                elif refused.refusal is Refusal.THROTTLED:
                    self.report.throttled += len(batch)
                    missing += batch
                else:
                    # Each further call would wait as long as this one for a response.
                    self.may_be_repeated = refused.refusal is Refusal.UNAVAILABLE
                    return [*missing, *batch, *chain.from_iterable(batches)]
        return missing

    def _call(self, batch: Sequence[SessionItem]) -> list[SessionItem]:
        attributes = {
            (str(item.session), item.key): item.attributes(
                arrived_ms=self.arrived_ms, retention_seconds=self.retention_seconds
            )
            for item in batch
        }
        unprocessed = {
            (one["session"]["S"], one["item"]["S"])
            for one in self.table.write(list(attributes.values()))
        }
        missing = []
        for item in batch:
            if (str(item.session), item.key) in unprocessed:
                missing.append(item)
            else:
                self.report.stored.append(item)
        if missing:
            self.report.throttled += len(missing)
            self.report.failure = "UnprocessedItems"
        return missing
