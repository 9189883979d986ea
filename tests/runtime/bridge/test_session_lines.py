from __future__ import annotations

from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openreplay_cw_stack.runtime.bridge.session_lines import (
    ReadFailed,
    Reading,
    read_any,
    read_session,
)
from tests.runtime.bridge.support import (
    NOW_MS,
    OTHER_SESSION,
    SESSION,
    START_MS,
    Group,
    a_line,
)


def read(group: Group, session: int = SESSION, *, seconds: float = 10.0) -> Reading:
    return read_session(group, session, start_ms=START_MS, end_ms=NOW_MS, time_left=lambda: seconds)


def test_one_exact_term_is_asked_for() -> None:
    group = Group()
    read(group)
    assert group.calls == [
        {
            "pattern": f'"openReplaySession.id={SESSION}]"',
            "start_ms": START_MS,
            "end_ms": NOW_MS,
        }
    ]


def test_a_session_whose_id_begins_like_another_is_not_the_other() -> None:
    group = Group()
    group.add(a_line(1, session=SESSION * 10 + 1))
    assert read(group).lines == []


def test_whose_line_it_is_says_its_session_field_alone() -> None:
    group = Group()
    quoting = a_line(1, session=OTHER_SESSION, text=f"he said [openReplaySession.id={SESSION}]")
    group.add(quoting, a_line(2))
    assert read(group).lines == [a_line(2)]
    assert read(group, OTHER_SESSION).lines == [quoting]


def test_a_line_that_was_delivered_twice_is_there_once() -> None:
    group = Group()
    group.add(a_line(1), a_line(2))
    group.add(a_line(1), delay_ms=60_000)
    assert read(group).lines == [a_line(1), a_line(2)]


def test_equal_ids_of_other_groups_and_accounts_are_other_lines() -> None:
    group = Group()
    lines = [a_line(1), a_line(1, group="/app/search"), a_line(1, owner="210987654321")]
    group.add(*lines)
    assert sorted(read(group).lines, key=repr) == sorted(lines, key=repr)


@given(st.permutations(range(8)), st.integers(1, 9))
def test_the_order_is_that_of_the_source(order: list[int], page_size: int) -> None:
    # Pieces of one traceback have one timestamp; their ids ascend, from 9 to 10 as well.
    pieces = [a_line(number, time=START_MS + 5, id=str(7 + number)) for number in range(8)]
    group = Group(page_size=page_size)
    group.add(*(pieces[number] for number in order))
    assert read(group).lines == pieces


def test_empty_pages_are_followed() -> None:
    group = Group(page_size=1)
    group.add(*(a_line(number, session=OTHER_SESSION) for number in range(20)), a_line(30))
    reading = read(group)
    assert reading.complete
    assert reading.lines == [a_line(30)]
    assert len(group.calls) == 21


def test_the_newest_arrival_is_remembered() -> None:
    group = Group()
    group.add(a_line(5), delay_ms=1)
    group.add(a_line(1), delay_ms=90_000)
    assert read(group).newest_arrival_ms == a_line(1).time + 90_000
    assert read(Group()).newest_arrival_ms is None


def test_what_is_no_linked_line_is_passed_over() -> None:
    group = Group()
    term = f"[openReplaySession.id={SESSION}]"
    later = a_line(3).encode().replace('{"v":1', '{"v":2')
    group.events += [(START_MS, f"a forged line {term}"), (START_MS, f'{{"v":1}} {term}')]
    group.events += [(START_MS, later), (START_MS, f'["{term}"]')]
    group.add(a_line(2))
    assert read(group).lines == [a_line(2)]


class TestNotNow:
    def test_a_failed_page_shows_nothing(self) -> None:
        group = Group(page_size=1)
        group.add(a_line(1), a_line(2))
        group.failures = ["ThrottlingException"]
        reading = read(group)
        assert not reading.complete
        assert reading.lines == []

    def test_no_page_is_asked_for_after_the_deadline(self) -> None:
        group = Group(page_size=1)
        group.add(*map(a_line, range(9)))
        left = count(3, -1)
        reading = read_session(
            group, SESSION, start_ms=START_MS, end_ms=NOW_MS, time_left=lambda: next(left)
        )
        assert not reading.complete
        assert reading.lines == []
        assert len(group.calls) == 3


class TestAnyLine:
    def test_some_line(self) -> None:
        group = Group()
        group.add(a_line(1), a_line(2))
        assert read_any(group, start_ms=START_MS, end_ms=NOW_MS) == a_line(1)
        assert len(group.calls) == 1

    def test_none(self) -> None:
        group = Group(events=[(START_MS, "openReplaySession.id= but no linked line")])
        assert read_any(group, start_ms=START_MS, end_ms=NOW_MS) is None

    def test_failure(self) -> None:
        with pytest.raises(ReadFailed):
            read_any(Group(failures=["x"]), start_ms=START_MS, end_ms=NOW_MS)
