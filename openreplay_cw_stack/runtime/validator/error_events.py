"""Publishes error events: one per session and payload, and one per session and interval.

Lines are stored before, and no line depends on an event: what cannot be published is sent to the
retry queue by itself.
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

_EVENTS_OF_A_MESSAGE = 200
"""A detail takes less than 5 KB, and a message of SQS 1 MiB."""

_FIELD = "error_events"


class Bus(Protocol):
    """An event bus."""

    def put(self, events: Sequence[ErrorEvent]) -> Sequence[ErrorEvent]:
        """Publish up to 10 events and return the ones that were not. Raises CallFailed."""


class Marks(Protocol):
    """Remembers when the last event of a session was published."""

    def mark(self, session: int, event_id: str, now_ms: int, interval_seconds: int) -> bool:
        """Note an event, and return whether it may be published now. Raises CallFailed."""


@dataclass
class Published:
    """What became of events.

    Attributes:
        published: how many were published.
        failed: the ones that were not, and are to be tried again.
        failure: why, as a code.
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
        replay_url: the template of replay links; None: the events have none.
        interval_seconds: how long the next event of a session waits.
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
        """Compose the events of a payload's lines that were stored."""
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
        """Publish the events whose sessions had none for the interval.

        Args:
            events: of different sessions, or of different payloads.
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
    """Return the events of a message of :func:`send_error_events`; None for any other message."""
    if not isinstance(envelope, dict) or not isinstance(envelope.get(_FIELD), list):
        return None
    return list(_events(envelope[_FIELD]))


def _events(rows: list[Any]) -> Iterator[ErrorEvent]:
    for row in rows:
        if isinstance(row, list) and [type(one) for one in row] == [str, int, int, str]:
            yield ErrorEvent(*row)
