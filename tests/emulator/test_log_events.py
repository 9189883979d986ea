from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator import log_events
from emulator.log_events import (
    DAY,
    MAXIMUM_BYTES,
    MAXIMUM_EVENTS,
    InvalidBatch,
    InvalidToken,
    Position,
    check_batch,
    new_event_id,
    read_page,
)

NOW = 1_800_000_000_000
HOUR = 60 * 60 * 1000


def event(timestamp: int, message: str = "m") -> dict[str, Any]:
    return {"timestamp": timestamp, "message": message}


def accepted(*timestamps: int, retention: int | None = None) -> tuple[list[int], dict[str, int]]:
    events = [event(timestamp) for timestamp in timestamps]
    batch = check_batch(events, now=NOW, retention_in_days=retention)
    return [kept["timestamp"] for kept in batch.accepted], dict(batch.rejected)


def test_a_good_batch_is_stored_whole() -> None:
    assert accepted(NOW - 1, NOW, NOW) == ([NOW - 1, NOW, NOW], {})


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ([], "length"),
        ([event(NOW)] * (MAXIMUM_EVENTS + 1), "length"),
        ([event(NOW, "")], "'logEvents.1.member.message'"),
        ([event(NOW), {"timestamp": NOW}], "'logEvents.2.member.message'"),
        ([{"message": "m"}], "timestamp"),
        ([event(-1)], "timestamp"),
        ([{"timestamp": True, "message": "m"}], "timestamp"),
        ([event(NOW), event(NOW - 1)], "chronological order"),
        ([event(NOW - DAY - 1), event(NOW)], "24 hours"),
        ([event(NOW, "x" * (MAXIMUM_BYTES - 25))], "Log event too large: 1048577 bytes"),
        ([event(NOW, "x" * 524_262), event(NOW, "x" * 524_263)], "Upload too large: 1048577"),
        # Counted in UTF-8.
        ([event(NOW, "é" * 524_276)], "Log event too large"),
    ],
)
def test_a_bad_batch_is_refused_whole(events: list[dict[str, Any]], reason: str) -> None:
    with pytest.raises(InvalidBatch, match=reason):
        check_batch(events, now=NOW)


@pytest.mark.parametrize(
    "events",
    [
        [event(NOW)] * MAXIMUM_EVENTS,
        [event(NOW, "x" * (MAXIMUM_BYTES - 26))],
        [event(NOW, "x" * 524_262), event(NOW, "x" * 524_262)],
        [event(NOW, "é" * 524_275)],
        [event(NOW - DAY), event(NOW)],
    ],
)
def test_the_largest_batches_are_stored(events: list[dict[str, Any]]) -> None:
    assert list(check_batch(events, now=NOW).accepted) == events


def test_events_out_of_time_are_rejected_one_by_one() -> None:
    old, new = NOW - 14 * DAY - 1, NOW + 2 * HOUR + 1
    assert accepted(old, old, NOW) == ([NOW], {"tooOldLogEventEndIndex": 2})
    assert accepted(NOW, new) == ([NOW], {"tooNewLogEventStartIndex": 1})
    assert accepted(NOW - 14 * DAY) == ([NOW - 14 * DAY], {})
    assert accepted(NOW + 2 * HOUR) == ([NOW + 2 * HOUR], {})
    assert accepted(old, NOW, new)[1] == {
        "tooOldLogEventEndIndex": 1,
        "tooNewLogEventStartIndex": 2,
    }
    assert accepted(old) == ([], {"tooOldLogEventEndIndex": 1})


def test_events_before_the_retention_are_expired() -> None:
    stamps = NOW - 14 * DAY - 1, NOW - DAY - 1, NOW
    assert accepted(*stamps, retention=1) == (
        [NOW],
        {"tooOldLogEventEndIndex": 1, "expiredLogEventEndIndex": 2},
    )
    assert accepted(NOW - DAY, retention=1) == ([NOW - DAY], {})
    # A longer retention does not help what is older than 14 days.
    assert accepted(NOW - 20 * DAY, retention=30)[0] == []


def test_event_ids_look_like_those_of_aws_and_order_by_time_and_arrival() -> None:
    ids = [new_event_id(1_432_826_855_000), *(new_event_id(NOW) for _ in range(3))]
    assert all(len(identifier) == 56 and identifier.isdecimal() for identifier in ids)
    assert ids == sorted(set(ids))
    # The id of an event of that time in AWS's documentation.
    assert ids[0][:12] == "31953106606966983378809025079804211143289615424298221568"[:12]
    assert len(new_event_id(0)) == 56


def stored(timestamp: int, message: str = "m") -> dict[str, Any]:
    return {
        "timestamp": timestamp,
        "message": message,
        "ingestionTime": NOW,
        "eventId": new_event_id(timestamp),
    }


def read_all(events: list[dict[str, Any]], *, limit: int, only: str = "") -> list[Any]:
    pages: list[Any] = []
    after = None
    while True:
        page = read_page(
            events,
            matches=lambda message: only in message,
            limit=limit,
            after=after,
        )
        assert len(page.events) <= limit
        pages.append(page.events)
        if page.next_token is None:
            return pages
        after = Position.from_token(page.next_token)


@given(
    st.lists(st.tuples(st.integers(0, 5), st.sampled_from("ab")), max_size=12),
    st.integers(1, 4),
)
def test_pages_hold_every_match_once_and_in_order(
    content: list[tuple[int, str]], limit: int
) -> None:
    events = [stored(timestamp, message) for timestamp, message in content]
    pages = read_all(events, limit=limit, only="a")
    expected = sorted(
        (found for found in events if found["message"] == "a"),
        key=log_events.sort_key,
    )
    assert [found for page in pages for found in page] == expected


def test_a_page_may_be_empty_and_not_the_last() -> None:
    events = [stored(NOW, "other") for _ in range(MAXIMUM_EVENTS)]
    events.append(stored(NOW, "wanted"))
    assert [len(page) for page in read_all(events, limit=10, only="wanted")] == [0, 1]


def test_a_page_ends_at_a_megabyte() -> None:
    events = [stored(NOW, "x" * 600_000) for _ in range(3)]
    assert [len(page) for page in read_all(events, limit=10)] == [1, 1, 1]
    assert len(read_all([stored(NOW, "x" * (MAXIMUM_BYTES - 26))], limit=10)) == 1


def test_no_token_after_the_last_event() -> None:
    assert len(read_all([stored(NOW)] * 2, limit=2)) == 1


@pytest.mark.parametrize("token", ["", "x", "ä", "bnVsbA==", "WzEsMl0=", "WzEsMiwzXQ=="])
def test_other_tokens_are_refused(token: str) -> None:
    with pytest.raises(InvalidToken):
        Position.from_token(token)
