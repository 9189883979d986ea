from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openreplay_cw_stack.runtime.linked_line import LinkedLine
from openreplay_cw_stack.runtime.validator.delivery import (
    DeliveryFailed,
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

    def put(self, stream: str, events: list[dict[str, Any]]) -> dict[str, Any]:
        if stream not in self.streams:
            raise StreamMissing
        self.calls += 1
        sizes = [len(event["message"].encode()) + 26 for event in events]
        assert 1 <= len(events) <= 10_000
        assert sum(sizes) <= MEGABYTE
        assert all(event["message"] for event in events)
        timestamps = [event["timestamp"] for event in events]
        assert timestamps == sorted(timestamps)
        self.streams[stream].extend(event["message"] for event in events)
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
    )
)
def test_every_limit_is_kept_and_no_line_is_missing(sizes: list[tuple[int, str]]) -> None:
    group = StrictLogGroup()
    lines = [a_line(number, *size) for number, size in enumerate(sizes)]
    report = deliver(group, LOG_GROUP, lines, arrival_ms=NOW_MS)
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
    report = deliver(group, LOG_GROUP, map(a_line, range(10)), arrival_ms=NOW_MS)
    assert report.dropped == dropped
    assert report.linked == 10 - sum(dropped.values())


def test_a_group_that_is_gone_is_a_failed_delivery() -> None:
    with pytest.raises(DeliveryFailed, match="ResourceNotFoundException"):
        deliver(StrictLogGroup(can_create=False), LOG_GROUP, [a_line(1)], arrival_ms=NOW_MS)
