from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from openreplay_cw_stack.runtime.aws_calls import CallFailed
from openreplay_cw_stack.runtime.parked_lines import ParkedLines
from openreplay_cw_stack.runtime.redelivery.redelivery import Redelivery
from openreplay_cw_stack.runtime.redelivery.settings import Settings
from openreplay_cw_stack.runtime.validator.delivery import DeliveryFailed
from tests.runtime.payloads import LOG_GROUP, NOW_MS
from tests.runtime.validator.test_delivery import StrictLogGroup, a_line

LATER_MS = NOW_MS + 3_600_000


@dataclass
class Group(StrictLogGroup):
    """Refuses the streams that are down, and keeps the times of the others."""

    down: frozenset[str] = frozenset()
    times: list[int] = field(default_factory=list)

    def put(self, stream: str, messages: list[str], timestamp: int) -> dict[str, Any]:
        self.calls += 1
        if stream in self.down:
            raise DeliveryFailed("ThrottlingException")
        self.times += [timestamp] * len(messages)
        return super().put(stream, messages, timestamp)


@dataclass
class Run:
    """A redelivery with everything around it in memory."""

    group: Group = field(default_factory=Group)
    hidden: list[tuple[str, int]] = field(default_factory=list)
    printed: list[str] = field(default_factory=list)
    queue_fails: bool = False

    def _hide(self, receipt_handle: str, seconds: int) -> None:
        if self.queue_fails:
            raise CallFailed("RequestThrottled")
        self.hidden.append((receipt_handle, seconds))

    @property
    def redelivery(self) -> Redelivery:
        settings = Settings("Shop", "/linked", "https://sqs/parked", 30, 900)
        return Redelivery(settings, self.group, self._hide, lambda: LATER_MS, self.printed.append)

    def redeliver(self, *bodies: str, receipts: int = 1) -> list[str]:
        records = [
            {
                "messageId": f"m{number}",
                "receiptHandle": f"r{number}",
                "body": body,
                "attributes": {"ApproximateReceiveCount": str(receipts)},
            }
            for number, body in enumerate(bodies)
        ]
        answer = self.redelivery.redeliver({"Records": records})
        return [one["itemIdentifier"] for one in answer["batchItemFailures"]]

    def metric(self, name: str, **dimensions: str) -> int:
        documents = [json.loads(line) for line in self.printed]
        return sum(one.get(name, 0) for one in documents if dimensions.items() <= one.items())


def parked(stream: str = LOG_GROUP, lines: Sequence[int] = (1, 2)) -> str:
    encoded = [a_line(number).encode() for number in lines]
    return ParkedLines(stream, stream, NOW_MS, encoded).encode()


def test_parked_lines_are_written_with_the_time_of_their_first_attempt() -> None:
    run = Run()
    assert run.redeliver(parked(), parked("/app/search", [3])) == []
    assert run.group.streams == {
        LOG_GROUP: [a_line(1).encode(), a_line(2).encode()],
        "/app/search": [a_line(3).encode()],
    }
    assert set(run.group.times) == {NOW_MS}
    assert run.metric("RedeliveredLines") == 3
    assert run.metric("LinkedLines", LogGroup=LOG_GROUP) == 2


def test_what_fails_comes_back_and_the_rest_is_given_back_untried() -> None:
    run = Run(Group(down=frozenset({"/down"})))
    assert run.redeliver(parked(), parked("/down"), parked("/app/search")) == ["m1", "m2"]
    assert set(run.group.streams) == {LOG_GROUP}
    assert run.hidden == [("r1", 30), ("r2", 30)]
    assert run.metric("RedeliveredLines") == 2


@pytest.mark.parametrize(
    ("receipts", "seconds"),
    [(1, 30), (2, 60), (3, 120), (5, 480), (6, 900), (100, 900), (9999, 900)],
)
def test_the_pause_doubles_up_to_a_quarter_of_an_hour(receipts: int, seconds: int) -> None:
    run = Run(Group(down=frozenset({LOG_GROUP})))
    run.redeliver(parked(), receipts=receipts)
    assert run.hidden == [("r0", seconds)]


def test_lines_that_are_too_old_by_then_are_dropped_with_the_reason() -> None:
    info = {"rejectedLogEventsInfo": {"tooOldLogEventEndIndex": 2}}
    run = Run(Group({LOG_GROUP: []}, responses=[info]))
    assert run.redeliver(parked()) == []
    assert run.metric("DroppedLines", Reason="too_old") == 2
    assert run.metric("RedeliveredLines") == 0


def test_a_message_that_is_none_stays_in_the_queue_and_stops_nothing() -> None:
    run = Run()
    assert run.redeliver("a line of a customer", parked()) == ["m0"]
    assert run.metric("RedeliveredLines") == 2
    assert "customer" not in "".join(run.printed)


def test_where_the_pause_cannot_be_set_the_queues_own_counts() -> None:
    run = Run(Group(down=frozenset({LOG_GROUP})), queue_fails=True)
    assert run.redeliver(parked()) == ["m0"]
    assert any("RequestThrottled" in line for line in run.printed)


def test_nothing_of_a_line_is_printed() -> None:
    for down in (frozenset(), frozenset({LOG_GROUP})):
        run = Run(Group(down=down))
        run.redeliver(parked())
        assert run.printed
        assert "openReplaySession" not in "".join(run.printed)
        assert "xxxxxxxxxx" not in "".join(run.printed)
