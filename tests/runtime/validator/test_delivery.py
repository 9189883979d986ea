from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openreplay_cw_stack.runtime.linked_line import LinkedLine
from openreplay_cw_stack.runtime.parked_lines import ParkedLines
from openreplay_cw_stack.runtime.validator.delivery import (
    DeliveryFailed,
    ParkingFailed,
    StreamMissing,
    deliver,
)
from openreplay_cw_stack.tagging import id_tag
from tests.runtime.payloads import LOG_GROUP, NOW_MS

MEGABYTE = 1_048_576


@dataclass
class StrictLogGroup:
    """Refuses what PutLogEvents refuses, and keeps the rest."""

    streams: dict[str, list[str]] = field(default_factory=dict)
    calls: int = 0
    responses: list[dict[str, Any]] = field(default_factory=list)
    can_create: bool = True

    def create_stream(self, stream: str) -> None:
        if self.can_create:
            self.streams.setdefault(stream, [])

    def put(self, stream: str, messages: list[str], timestamp: int) -> dict[str, Any]:
        if stream not in self.streams:
            raise StreamMissing
        self.calls += 1
        sizes = [len(message.encode()) + 26 for message in messages]
        assert 1 <= len(messages) <= 10_000
        assert sum(sizes) <= MEGABYTE
        assert all(messages)
        assert timestamp == NOW_MS
        self.streams[stream].extend(messages)
        return self.responses.pop(0) if self.responses else {}


def a_line(number: int, length: int = 10, filler: str = "x") -> LinkedLine:
    message = f"{id_tag(7)} {filler * length}"
    return LinkedLine(7, NOW_MS, str(number), "1", LOG_GROUP, "s", "info", message)


def test_lines_go_to_the_stream_which_is_made_when_it_is_missing() -> None:
    group = StrictLogGroup()
    report = deliver(group, LOG_GROUP, [a_line(1), a_line(2)], arrival_ms=NOW_MS)
    assert group.streams == {LOG_GROUP: [a_line(1).encode(), a_line(2).encode()]}
    assert (report.linked, report.cut, report.dropped) == (2, 0, Counter())
    assert group.calls == 1


def test_nothing_is_put_for_no_lines() -> None:
    group = StrictLogGroup()
    deliver(group, LOG_GROUP, [], arrival_ms=NOW_MS)
    assert group.calls == 0
    assert group.streams == {}


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([0, 9, 90_000, 400_000, 1_100_000]), st.sampled_from('xé"\n')),
        max_size=9,
    ),
    st.sets(st.integers(0, 8)),
)
def test_every_limit_is_kept_and_no_line_is_missing(
    sizes: list[tuple[int, str]], encoded: set[int]
) -> None:
    group = StrictLogGroup()
    lines = [a_line(number, *size) for number, size in enumerate(sizes)]
    given_lines = [line.encode() if n in encoded else line for n, line in enumerate(lines)]
    report = deliver(group, LOG_GROUP, given_lines, arrival_ms=NOW_MS)
    arrived = [LinkedLine.decode(text) for text in group.streams.get(LOG_GROUP, [])]
    assert [line.id for line in arrived] == [line.id for line in lines]
    assert report.linked == len(lines)
    whole = sum(line in lines for line in arrived)
    assert report.cut == len(lines) - whole


def test_ten_thousand_events_to_a_call() -> None:
    group = StrictLogGroup()
    lines = [LinkedLine(7, 1, "1", "1", "g", "s", "info", "m")] * 20_001
    assert deliver(group, LOG_GROUP, lines, arrival_ms=NOW_MS).linked == 20_001
    assert group.calls == 3


def test_a_batch_of_exactly_a_megabyte_is_one_call() -> None:
    group = StrictLogGroup()
    room = MEGABYTE - 26
    overhead = len(a_line(1, 0).encode())
    deliver(group, LOG_GROUP, [a_line(1, room - overhead)], arrival_ms=NOW_MS)
    assert len(group.streams[LOG_GROUP][0].encode()) == room
    report = deliver(group, LOG_GROUP, [a_line(1, room - overhead + 1)], arrival_ms=NOW_MS)
    assert report.cut == 1


@pytest.mark.parametrize(
    ("info", "dropped"),
    [
        ({"tooNewLogEventStartIndex": 7}, {"too_new": 3}),
        ({"tooOldLogEventEndIndex": 4}, {"too_old": 4}),
        ({"expiredLogEventEndIndex": 2}, {"expired": 2}),
        ({"expiredLogEventEndIndex": 2, "tooOldLogEventEndIndex": 5}, {"expired": 2, "too_old": 3}),
        (
            {"tooOldLogEventEndIndex": 6, "tooNewLogEventStartIndex": 9},
            {"too_old": 6, "too_new": 1},
        ),
        ({"tooOldLogEventEndIndex": 10, "tooNewLogEventStartIndex": 0}, {"too_old": 10}),
        ({"tooOldLogEventEndIndex": 99}, {"too_old": 10}),
        ({}, {}),
    ],
)
def test_rejected_events_are_counted(info: dict[str, int], dropped: dict[str, int]) -> None:
    group = StrictLogGroup({LOG_GROUP: []}, responses=[{"rejectedLogEventsInfo": info}])
    report = deliver(group, LOG_GROUP, list(map(a_line, range(10))), arrival_ms=NOW_MS)
    assert report.dropped == dropped
    assert report.linked == 10 - sum(dropped.values())


def test_a_group_that_is_gone_is_a_failed_delivery() -> None:
    with pytest.raises(DeliveryFailed, match="ResourceNotFoundException"):
        deliver(StrictLogGroup(can_create=False), LOG_GROUP, [a_line(1)], arrival_ms=NOW_MS)


@dataclass
class StrictQueue:
    """Refuses what SQS refuses, and keeps the rest."""

    messages: list[str] = field(default_factory=list)
    takes: int = 1000

    def send(self, message: str) -> None:
        assert len(message.encode()) <= MEGABYTE
        if len(self.messages) == self.takes:
            raise ParkingFailed("KmsAccessDenied")
        self.messages.append(message)

    @property
    def lines(self) -> list[LinkedLine]:
        return [
            LinkedLine.decode(line)
            for message in self.messages
            for line in ParkedLines.decode(message).lines
        ]


@dataclass
class DownAfter(StrictLogGroup):
    """Takes so many calls, and no more."""

    takes: int = 0

    def put(self, stream: str, messages: list[str], timestamp: int) -> dict[str, Any]:
        if self.calls == self.takes:
            raise DeliveryFailed("ServiceUnavailableException")
        return super().put(stream, messages, timestamp)


def incompressible(characters: int) -> str:
    """Text of which gzip can make nothing shorter than base64 makes it longer again."""
    alphabet = [chr(code) for code in range(0x20, 0x7F) if chr(code) not in '"\\']
    return "".join(random.Random(7).choices(alphabet, k=characters))


class TestParking:
    def test_what_was_not_taken_is_parked(self) -> None:
        queue = StrictQueue()
        report = deliver(
            DownAfter(), LOG_GROUP, [a_line(1), a_line(2)], arrival_ms=NOW_MS, queue=queue
        )
        (message,) = queue.messages
        parked = ParkedLines.decode(message)
        assert (parked.log_group, parked.stream) == (LOG_GROUP, LOG_GROUP)
        assert parked.arrival_ms == NOW_MS
        assert parked.lines == [a_line(1).encode(), a_line(2).encode()]
        assert (report.linked, report.parked, report.cut) == (0, 2, 0)
        assert report.failure == "ServiceUnavailableException"

    def test_after_one_failure_the_rest_is_parked_untried(self) -> None:
        group, queue = DownAfter({LOG_GROUP: []}, takes=1), StrictQueue()
        lines = [a_line(number, 600_000) for number in range(4)]
        report = deliver(group, LOG_GROUP, lines, arrival_ms=NOW_MS, queue=queue)
        assert group.calls == 1
        assert (report.linked, report.parked) == (1, 3)
        assert queue.lines == lines[1:]

    @settings(max_examples=25, deadline=None)
    @given(
        st.lists(
            st.tuples(st.sampled_from([0, 9, 90_000, 400_000, 1_100_000]), st.booleans()),
            max_size=6,
        ),
        st.integers(0, 3),
    )
    def test_no_line_is_missing_and_every_limit_is_kept(
        self, sizes: list[tuple[int, bool]], takes: int
    ) -> None:
        noise = incompressible(1_100_000)
        lines = []
        for number, (length, random_text) in enumerate(sizes):
            text = noise[:length] if random_text else "x" * length
            lines.append(LinkedLine(7, NOW_MS, str(number), "1", LOG_GROUP, "s", "info", text))
        group, queue = DownAfter({LOG_GROUP: []}, takes=takes), StrictQueue()
        report = deliver(group, LOG_GROUP, lines, arrival_ms=NOW_MS, queue=queue)
        arrived = [LinkedLine.decode(text) for text in group.streams[LOG_GROUP]]
        assert sorted(line.id for line in arrived + queue.lines) == [line.id for line in lines]
        assert report.linked + report.parked == len(lines)
        whole = sum(line in lines for line in arrived + queue.lines)
        assert report.cut == len(lines) - whole

    @pytest.mark.parametrize("length", [1_000_000, 1_100_000])
    def test_a_line_that_no_message_has_room_for_is_cut_and_counted_once(self, length: int) -> None:
        noise = incompressible(length)
        line = LinkedLine(7, NOW_MS, "1", "1", LOG_GROUP, "s", "info", f"{id_tag(7)} {noise}")
        queue = StrictQueue()
        report = deliver(DownAfter(), LOG_GROUP, [line], arrival_ms=NOW_MS, queue=queue)
        (parked,) = queue.lines
        kept, note = parked.message.rsplit(" [cut: ", 1)
        assert line.message.startswith(kept)
        missing = len(line.message) - len(kept)
        assert note == f"{missing} more characters in the tracked log group]"
        assert (report.parked, report.cut) == (1, 1)

    def test_an_encoded_one_likewise(self) -> None:
        line = LinkedLine(7, NOW_MS, "1", "1", LOG_GROUP, "s", "info", incompressible(1_000_000))
        queue = StrictQueue()
        report = deliver(DownAfter(), LOG_GROUP, [line.encode()], arrival_ms=NOW_MS, queue=queue)
        assert (len(queue.lines), report.parked, report.cut) == (1, 1, 1)

    def test_rejected_events_are_drops_and_not_parked(self) -> None:
        info = {"rejectedLogEventsInfo": {"tooOldLogEventEndIndex": 1}}
        group, queue = StrictLogGroup({LOG_GROUP: []}, responses=[info]), StrictQueue()
        report = deliver(group, LOG_GROUP, [a_line(1), a_line(2)], arrival_ms=NOW_MS, queue=queue)
        assert (report.linked, report.dropped, report.parked) == (1, {"too_old": 1}, 0)
        assert queue.messages == []

    def test_where_the_queue_refuses_too_both_codes_are_named(self) -> None:
        lines = [a_line(number, 600_000) for number in range(3)]
        for takes in (0, 2):
            with pytest.raises(
                DeliveryFailed,
                match=r"^ServiceUnavailableException; and the queue: KmsAccessDenied$",
            ):
                deliver(
                    DownAfter(),
                    LOG_GROUP,
                    lines,
                    arrival_ms=NOW_MS,
                    queue=StrictQueue(takes=takes),
                )
