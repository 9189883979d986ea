from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from openreplay_cw_stack.contract.error_event import ErrorEvent
from openreplay_cw_stack.runtime.aws_calls import CallFailed
from openreplay_cw_stack.runtime.validator.error_events import (
    ErrorEvents,
    Published,
    read_error_events,
    send_error_events,
)
from openreplay_cw_stack.runtime.validator.validator import DeliveryFailed
from openreplay_cw_stack.tagging import token_tag
from openreplay_cw_stack.tagging.replay_url import EXAMPLE
from tests.runtime.payloads import NOW_MS, a_document, an_event
from tests.runtime.validator.fakes import FakeQueue, Surroundings, throttling
from tests.tagging.tokens import SESSION_ID, a_token

MINUTE_MS = 60_000
GOOD = token_tag(a_token())
OTHER = token_tag(a_token(session_id=SESSION_ID + 1))


def envelope_of(*messages: str, first: int = 0) -> dict[str, Any]:
    document = a_document(*messages)
    for number, event in enumerate(document["logEvents"]):
        event["id"] = f"{first + number:056}"
    return an_event(document)


@dataclass
class FakeBus:
    """An event bus; ``failures`` are raised, or are the ids that one call refuses."""

    events: list[ErrorEvent] = field(default_factory=list)
    failures: list[Any] = field(default_factory=list)
    calls: int = 0

    def put(self, events: Sequence[ErrorEvent]) -> Sequence[ErrorEvent]:
        self.calls += 1
        failure = self.failures.pop(0) if self.failures else None
        if isinstance(failure, Exception):
            raise failure
        failed = [one for one in events if failure and one.session == failure]
        self.events += [one for one in events if one not in failed]
        return failed


@dataclass
class FakeMarks:
    """The marks in the session table, with the condition of the real ones."""

    last: dict[int, tuple[str, int]] = field(default_factory=dict)
    failures: list[Exception] = field(default_factory=list)

    def mark(self, session: int, event_id: str, now_ms: int, interval_seconds: int) -> bool:
        if self.failures:
            raise self.failures.pop(0)
        last_id, at_ms = self.last.get(session, ("", -(10**15)))
        if last_id != event_id and at_ms > now_ms - 1000 * interval_seconds:
            return False
        self.last[session] = (event_id, now_ms)
        return True


class World(Surroundings):
    """A validator that publishes error events."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.bus, self.marks = FakeBus(), FakeMarks()
        events = ErrorEvents(
            self.bus, self.marks, "Shop", EXAMPLE, 300, clock_ms=lambda: self.now_ms
        )
        object.__setattr__(self.validator, "error_events", events)

    def details(self) -> list[dict[str, Any]]:
        return [json.loads(one.detail) for one in self.bus.events]


@pytest.fixture
def world() -> World:
    return World()


class TestAPayload:
    def test_one_event_for_each_session_with_an_error(self, world: World) -> None:
        world.validate(
            envelope_of(
                f"{GOOD} ERROR card declined",
                f"{GOOD} ERROR again",
                f"{GOOD} all is well",
                f"{OTHER} all is well",
            )
        )
        (detail,) = world.details()
        assert (detail["session"], detail["lines"]) == (str(SESSION_ID), 2)
        assert detail["message"] == "ERROR card declined"
        assert detail["replay_url"] == f"https://openreplay.example/5/session/{SESSION_ID}"

    def test_a_line_that_was_not_stored_makes_no_event(self, world: World) -> None:
        world.table.fault = throttling(SESSION_ID)
        world.validate(envelope_of(f"{GOOD} ERROR a", f"{OTHER} ERROR b"))
        assert [one["session"] for one in world.details()] == [str(SESSION_ID + 1)]

    def test_no_token_is_in_an_event(self, world: World) -> None:
        world.validate(envelope_of(f"{GOOD} ERROR {a_token()} {a_token(session_id=3)}"))
        assert a_token().rsplit(".", 1)[1] not in str(world.details())


class TestTheRateLimit:
    def test_a_thousand_errors_make_one_event_in_five_minutes(self, world: World) -> None:
        for number in range(1000):
            world.now_ms = NOW_MS + number * 299
            world.validate(envelope_of(f"{GOOD} ERROR {number}", first=number))
        assert len(world.details()) == 1
        assert len(world.table.lines()) == 1000
        world.now_ms = NOW_MS + 5 * MINUTE_MS
        world.validate(envelope_of(f"{GOOD} ERROR later", first=1000))
        assert [one["message"] for one in world.details()] == ["ERROR 0", "ERROR later"]

    def test_it_is_by_session(self, world: World) -> None:
        for number in range(3):
            world.validate(envelope_of(f"{GOOD} ERROR a", f"{OTHER} ERROR b", first=2 * number))
        assert len(world.details()) == 2


@pytest.mark.parametrize(
    "failures",
    [
        [CallFailed("ThrottlingException")],
        [CallFailed("AccessDeniedException")],
        [CallFailed("ResourceNotFoundException")],
        [SESSION_ID],
    ],
    ids=["throttled", "denied", "deleted", "one entry refused"],
)
class TestABusThatFails:
    def test_no_line_is_lost_or_stored_twice_and_the_event_comes_later(
        self, world: World, failures: list[Any]
    ) -> None:
        world.bus.failures = list(failures)
        world.validate(envelope_of(f"{GOOD} ERROR a"))
        assert len(world.table.lines()) == 1
        assert world.metric("FailedErrorEvents") == 1
        (message,) = world.retry_queue.messages
        events = read_error_events(json.loads(message))
        assert events is not None
        writes = len(world.table.calls)
        handled = world.validator.publish_again(events, remaining_ms=lambda: 60_000)
        assert handled.counts.totals["ErrorEvents"] == 1
        assert [one["message"] for one in world.details()] == ["ERROR a"]
        assert len(world.table.calls) == writes

    def test_it_comes_again_until_it_is_published(self, world: World, failures: list[Any]) -> None:
        world.bus.failures = list(failures) * 2
        world.validate(envelope_of(f"{GOOD} ERROR a"))
        events = read_error_events(json.loads(world.retry_queue.messages[0])) or []
        with pytest.raises(DeliveryFailed):
            world.validator.publish_again(events, remaining_ms=lambda: 60_000)
        world.validator.publish_again(events, remaining_ms=lambda: 60_000)
        assert len(world.details()) == 1

    def test_the_other_sessions_events_are_published(
        self, world: World, failures: list[Any]
    ) -> None:
        world.bus.failures = [*failures]
        world.validate(envelope_of(f"{GOOD} ERROR a", f"{OTHER} ERROR b"))
        sent = read_error_events(json.loads(world.retry_queue.messages[0])) or []
        assert len(world.details()) + len(sent) == 2


def test_a_queue_that_fails_as_well_costs_the_event_and_no_line(world: World) -> None:
    world.bus.failures = [CallFailed("ThrottlingException")]
    world.retry_queue.code = "Down"
    world.validate(envelope_of(f"{GOOD} ERROR a"))
    assert len(world.table.lines()) == 1
    assert any("error events are lost" in line for line in world.printed)


def test_marks_that_cannot_be_written(world: World) -> None:
    world.marks.failures = [CallFailed("ThrottlingException")]
    world.validate(envelope_of(f"{GOOD} ERROR a", f"{OTHER} ERROR b"))
    assert [one["session"] for one in world.details()] == [str(SESSION_ID + 1)]
    assert len(world.retry_queue.messages) == 1


def test_what_there_is_no_time_for_is_published_later(world: World) -> None:
    events = [ErrorEvent(str(number), number, 1, "{}") for number in range(25)]
    publisher = world.validator.error_events
    assert publisher is not None
    times = iter([True] * 14)
    outcome = publisher.publish(events, lambda: next(times, False))
    assert outcome.published + len(outcome.failed) == 25
    assert outcome.failure == "no time left"
    assert publisher.publish(outcome.failed, lambda: True) == Published(len(outcome.failed))
    assert len({one.id for one in world.bus.events}) == 25
    assert world.bus.calls == 3


def test_events_survive_the_queue() -> None:
    # Escaped twice: JSON in JSON.
    detail = json.dumps("😀" * 500)
    events = [ErrorEvent(f"{number:032}", 2**64 - 1, number, detail) for number in range(250)]
    queue = FakeQueue()
    send_error_events(queue, events)
    assert len(queue.messages) == 3
    assert max(map(len, queue.messages)) < 1_048_576
    read = [
        one for message in queue.messages for one in read_error_events(json.loads(message)) or []
    ]
    assert read == events


@pytest.mark.parametrize(
    "envelope", [None, [], "x", {}, {"awslogs": {}}, {"error_events": 1}, {"error_events": {}}]
)
def test_other_messages_are_told_apart(envelope: object) -> None:
    assert read_error_events(envelope) is None


def test_a_damaged_event_is_left_out() -> None:
    rows = [["id", 1, 2, "{}"], ["id", True, 2, "{}"], ["id"], 7, ["id", 1, 2, None]]
    assert read_error_events({"error_events": rows}) == [ErrorEvent("id", 1, 2, "{}")]
