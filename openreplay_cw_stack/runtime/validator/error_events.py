"""Publish error events: at most one per session and payload, and one per session and interval.

Lines are stored first, and do not depend on events. An event that cannot be published goes to the
retry queue without its lines.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from openreplay_cw_stack.contract.error_event import ErrorEvent, error_event
from openreplay_cw_stack.contract.linked_line import LinkedLine
from openreplay_cw_stack.contract.session_table import SessionItem
from openreplay_cw_stack.runtime.aws_calls import CallFailed
from openreplay_cw_stack.runtime.validator.queues import Queue

_ENTRIES_OF_A_CALL = 10
"""Amazon EventBridge API reference, "PutEvents": at most 10 entries."""

_EVENTS_OF_A_MESSAGE = 100
"""The number of events in one SQS message: a detail has less than 5 KB, and a message 1 MiB."""

_FIELD = "error_events"


class Bus(Protocol):
    """An event bus."""

    def put(self, events: Sequence[ErrorEvent]) -> Sequence[ErrorEvent]:
        """Publish up to 10 events and return the unpublished ones. Raises CallFailed."""


class Marks(Protocol):
    """Records when the last event of a session was published."""

    def mark(self, session: int, event_id: str, now_ms: int, interval_seconds: int) -> bool:
        """Record an event, and return whether it can be published now. Raises CallFailed."""


@dataclass
class Published:
    """The result of publishing events.

    Attributes:
        published: the number of published events.
        failed: the events to retry.
        failure: the error code of the failure.
    """

    published: int = 0
    failed: list[ErrorEvent] = field(default_factory=list)
    failure: str = ""


@dataclass(frozen=True)
class ErrorEvents:
    """Composes and publishes the error events of a deployment.

    Attributes:
        bus: the event bus.
        marks: the last events by session.
        deployment: the value of the metric dimension ``Deployment``.
        replay_url: the template of replay links; None for events without links.
        interval_seconds: the shortest time between two events of a session.
        clock_ms: returns the time in milliseconds since 1970.
    """

    bus: Bus
    marks: Marks
    deployment: str
    replay_url: str | None
    interval_seconds: int
    clock_ms: Callable[[], int]

    def of(
        self, by_session: dict[int, list[LinkedLine]], stored: Sequence[SessionItem]
    ) -> list[ErrorEvent]:
        """Compose the events for the stored lines of a payload."""
        ids: dict[int, set[str]] = {}
        for item in stored:
            ids.setdefault(item.session, set()).update(item.event_ids)
        found = []
        for session, lines in by_session.items():
            there = ids.get(session, set())
            errors = [line for line in lines if line.level == "error" and line.id in there]
            if errors:
                event = error_event(
                    errors, deployment=self.deployment, replay_url_template=self.replay_url
                )
                found.append(event)
        return found

    def publish(self, events: Sequence[ErrorEvent], has_time: Callable[[], bool]) -> Published:
        """Publish events of sessions that had no event within the interval.

        Args:
            events: the events. No two have both their session and their payload in common.
            has_time: returns whether there is time for one more call.
        """
        outcome = Published()
        due: list[ErrorEvent] = []
        for event in events:
            if not has_time():
                outcome.failed.append(event)
                outcome.failure = "no time left"
                continue
            try:
                if self.marks.mark(event.session, event.id, self.clock_ms(), self.interval_seconds):
                    due.append(event)
            except CallFailed as failed:
                outcome.failed.append(event)
                outcome.failure = str(failed)
        for first in range(0, len(due), _ENTRIES_OF_A_CALL):
            self._put(due[first : first + _ENTRIES_OF_A_CALL], has_time, outcome)
        return outcome

    def _put(
        self, events: Sequence[ErrorEvent], has_time: Callable[[], bool], outcome: Published
    ) -> None:
        try:
            if not has_time():
                raise CallFailed("no time left")
            failed = self.bus.put(events)
        except CallFailed as error:
            failed, outcome.failure = events, str(error)
        else:
            outcome.failure = outcome.failure if not failed else "FailedEntryCount"
        outcome.failed += failed
        outcome.published += len(events) - len(failed)


def send_error_events(queue: Queue, events: Sequence[ErrorEvent]) -> None:
    """Send events to the retry queue. Raises :class:`.SendFailed`."""
    for first in range(0, len(events), _EVENTS_OF_A_MESSAGE):
        some = events[first : first + _EVENTS_OF_A_MESSAGE]
        queue.send(
            json.dumps({_FIELD: [[one.id, one.session, one.time_ms, one.detail] for one in some]})
        )


def read_error_events(envelope: Any) -> list[ErrorEvent] | None:
    """Return the events of a message from :func:`send_error_events`; None for other messages."""
    if not isinstance(envelope, dict) or not isinstance(envelope.get(_FIELD), list):
        return None
    return list(_events(envelope[_FIELD]))


def _events(rows: list[Any]) -> Iterator[ErrorEvent]:
    for row in rows:
        if isinstance(row, list) and [type(one) for one in row] == [str, int, int, str]:
            yield ErrorEvent(*row)
