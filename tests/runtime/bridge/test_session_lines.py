from __future__ import annotations

import zlib
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openreplay_cw_stack.contract.linked_line import MAX_MESSAGE_BYTES, LinkedLine
from openreplay_cw_stack.contract.session_table import SORT_KEY
from openreplay_cw_stack.runtime.bridge import session_lines
from openreplay_cw_stack.runtime.bridge.session_lines import (
    MAX_LINES,
    NEWEST_ITEMS,
    WHOLE_MESSAGES_CHARACTERS,
    Reading,
    read_session,
)
from tests.runtime.bridge.support import (
    NOW_MS,
    OTHER_SESSION,
    SESSION,
    START_MS,
    MemoryTable,
    a_line,
)


def read(
    table: MemoryTable, *, session: int = SESSION, wanted: int = 1000, seconds: float = 10.0
) -> Reading:
    return read_session(table, session, wanted=wanted, now_ms=NOW_MS, time_left=lambda: seconds)


def put_apart(table: MemoryTable, *lines: LinkedLine, **changes: Any) -> list[str]:
    """Each line as a payload of its own."""
    return [key for line in lines for key in table.put(line, **changes)]


class TestLines:
    def test_nothing(self) -> None:
        assert read(MemoryTable()) == Reading(to_the_end=True)

    def test_only_the_sessions_own(self) -> None:
        table = MemoryTable()
        table.put(a_line(1), a_line(2, session=OTHER_SESSION), a_line(3))
        assert read(table).lines == [a_line(1), a_line(3)]
        assert read(table, session=OTHER_SESSION).lines == [a_line(2, session=OTHER_SESSION)]

    def test_a_line_that_quotes_another_session_stays_where_it_is(self) -> None:
        table = MemoryTable()
        quoting = a_line(1, message=f"[openReplaySession.id={OTHER_SESSION}] he said")
        table.put(quoting)
        assert read(table).lines == [quoting]
        assert read(table, session=OTHER_SESSION).lines == []

    @given(st.permutations(range(8)), st.integers(1, 9))
    def test_the_order_is_that_of_the_source(self, order: list[int], page_items: int) -> None:
        # Pieces of one traceback have one timestamp; their ids ascend, from 9 to 10 as well.
        pieces = [a_line(number, time=START_MS + 5, id=str(7 + number)) for number in range(8)]
        table = MemoryTable(page_items=page_items)
        put_apart(table, *(pieces[number] for number in order))
        assert read(table).lines == pieces

    def test_payloads_that_overlap_are_merged(self) -> None:
        table = MemoryTable(page_items=1)
        odd = [a_line(number, stream="odd") for number in range(1, 9, 2)]
        even = [a_line(number, stream="even") for number in range(0, 9, 2)]
        table.put(*odd, *even)
        assert [line.stream for line in read(table).lines] == ["even", "odd"] * 4 + ["even"]

    def test_a_line_in_two_items_is_there_once(self) -> None:
        table = MemoryTable(page_items=1)
        lines = [a_line(number) for number in range(6)]
        table.put(*lines[:4])
        table.put(*lines[2:])
        table.put(lines[5])
        assert read(table).lines == lines

    def test_an_item_that_was_written_again_is_there_once(self) -> None:
        table = MemoryTable()
        table.put(a_line(1))
        table.put(a_line(1), arrived_ms=NOW_MS)
        reading = read(table)
        assert reading.lines == [a_line(1)]
        assert reading.newest_arrival_ms == NOW_MS

    def test_equal_ids_of_other_groups_and_accounts_are_other_lines(self) -> None:
        table = MemoryTable()
        lines = [a_line(1, owner="1"), a_line(1, owner="2"), a_line(1, owner="2", group="/x")]
        table.put(*lines)
        assert sorted(read(table).lines, key=lambda line: line.order) == sorted(
            lines, key=lambda line: line.order
        )


@st.composite
def tables(draw: st.DrawFn) -> tuple[MemoryTable, list[LinkedLine]]:
    """Any items, which may overlap and hold the same lines, on pages of any size; and its lines."""
    events = draw(
        st.dictionaries(
            st.tuples(st.sampled_from(["/a", "/b"]), st.integers(0, 11)),
            st.integers(-2, 12),
            min_size=1,
            max_size=24,
        )
    )
    pool = [
        a_line(time=time, id=str(number), group=group) for (group, number), time in events.items()
    ]
    table = MemoryTable(page_items=draw(st.integers(1, 5)))
    payloads = draw(st.lists(st.sets(st.sampled_from(pool), min_size=1), max_size=10))
    for payload in payloads:
        table.put(*payload, arrived_ms=NOW_MS)
    return table, sorted(set().union(*payloads), key=lambda line: line.order)


class TestHowMuchIsRead:
    @settings(max_examples=400, deadline=None)
    @given(tables(), st.integers(1, 30))
    def test_the_first_lines_are_the_first_of_all(
        self, stored: tuple[MemoryTable, list[LinkedLine]], wanted: int
    ) -> None:
        table, lines = stored
        reading = read(table, wanted=wanted)
        assert reading.lines[:wanted] == lines[:wanted]
        assert len(set(reading.lines)) == len(reading.lines)
        assert set(reading.lines) <= set(lines)
        assert not reading.to_the_end or reading.lines == lines
        assert reading.to_the_end or len(reading.lines) >= wanted

    @settings(max_examples=200, deadline=None)
    @given(tables(), st.integers(1, 4), st.integers(0, 4))
    def test_even_where_lines_are_let_go(
        self, stored: tuple[MemoryTable, list[LinkedLine]], wanted: int, more: int
    ) -> None:
        table, lines = stored
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(session_lines, "MAX_LINES", 2 * wanted + more)
            reading = read(table, wanted=wanted)
        assert reading.lines[:wanted] == lines[:wanted]
        assert len(set(reading.lines)) == len(reading.lines)
        assert not reading.to_the_end or reading.lines == lines
        assert reading.to_the_end or len(reading.lines) >= wanted

    def test_a_long_session_needs_few_pages(self) -> None:
        table = MemoryTable()
        lines = [a_line(number, time=START_MS + number) for number in range(100_000)]
        for begin in range(0, len(lines), 250):
            table.put(*lines[begin : begin + 250], arrived_ms=START_MS + begin)
        reading = read(table)
        assert reading.lines[:1000] == lines[:1000]
        assert not reading.to_the_end
        assert len(reading.lines) <= 1500
        assert table.pages == 1
        assert table.newest_limits == [NEWEST_ITEMS]

    def test_as_many_lines_as_wanted_and_no_more_items_are_the_end(self) -> None:
        table = MemoryTable(page_items=1)
        put_apart(table, *map(a_line, range(5)))
        assert read(table, wanted=5).to_the_end
        assert not read(table, wanted=4).to_the_end

    def test_lines_of_one_time_are_all_read(self) -> None:
        table = MemoryTable(page_items=3)
        lines = [a_line(number, time=START_MS) for number in range(50)]
        put_apart(table, *reversed(lines))
        reading = read(table, wanted=2)
        assert reading.lines == lines
        assert reading.to_the_end

    def test_a_page_without_items_is_followed(self) -> None:
        class Sparse(MemoryTable):
            def page(self, session_id: int, *, start: Any = None) -> session_lines.Page:
                page = super().page(session_id, start=None if start == "begin" else start)
                return session_lines.Page([], "begin") if start is None else page

        table = Sparse()
        table.put(a_line(1))
        assert read(table).lines == [a_line(1)]


class TestArrivals:
    def test_the_newest_of_all_items(self) -> None:
        table = MemoryTable(page_items=1)
        table.put(a_line(5), arrived_ms=START_MS + 1)
        table.put(a_line(1), arrived_ms=START_MS + 90_000)
        assert read(table).newest_arrival_ms == START_MS + 90_000
        assert table.newest_limits == []

    def test_a_reverse_query_where_reading_stopped_early(self) -> None:
        table = MemoryTable(page_items=1)
        put_apart(table, *map(a_line, range(40)), arrived_ms=START_MS)
        table.put(a_line(38), arrived_ms=NOW_MS)
        reading = read(table, wanted=3)
        assert len(reading.lines) == 3
        assert reading.newest_arrival_ms == NOW_MS

    def test_items_that_were_not_read_do_not_count_beyond_the_last(self) -> None:
        table = MemoryTable()
        put_apart(table, *map(a_line, range(40)), arrived_ms=START_MS)
        table.put(a_line(20), arrived_ms=NOW_MS)
        assert read(table, wanted=3).newest_arrival_ms == START_MS

    def test_expired_and_damaged_items_have_no_arrival(self) -> None:
        table = MemoryTable()
        table.put(a_line(1), arrived_ms=START_MS)
        put_apart(table, *map(a_line, range(2, 9)), arrived_ms=NOW_MS - 1, retention_seconds=-5)
        (key,) = table.put(a_line(9), arrived_ms=NOW_MS)
        table.damage(SESSION, key, arrived={"S": "soon"})
        assert read(table).newest_arrival_ms == START_MS
        assert read(table, wanted=1).newest_arrival_ms == START_MS


class TestForgotten:
    def test_a_tombstone_hides_everything(self) -> None:
        table = MemoryTable(page_items=1)
        put_apart(table, *map(a_line, range(9)))
        table.forget()
        reading = read(table)
        assert reading.forgotten
        assert reading.lines == []
        assert (table.pages, table.newest_limits) == (1, [])

    def test_one_that_has_expired_does_not(self) -> None:
        table = MemoryTable()
        table.put(a_line(1))
        table.forget(expired=True)
        reading = read(table)
        assert not reading.forgotten
        assert reading.lines == [a_line(1)]
        assert reading.skipped == {}

    def test_one_of_a_later_version_does(self) -> None:
        table = MemoryTable()
        table.put(a_line(1))
        table.forget()
        table.damage(SESSION, "!forgotten", v={"N": "2"}, forgotten=None)
        assert read(table).lines == []


class TestSkippedItems:
    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"expires": {"N": str(NOW_MS // 1000)}}, "expired"),
            ({"v": {"N": "2"}}, "version"),
            ({"v": {"N": "2"}, "lines": None, "arrived": None}, "version"),
            ({"v": {"N": "0"}}, "corrupt"),
            ({"v": None}, "corrupt"),
            ({"v": {"S": "1"}}, "corrupt"),
            ({"arrived": None}, "corrupt"),
            ({"arrived": {"N": "9" * 5000}}, "corrupt"),
            ({"lines": None}, "corrupt"),
            ({"lines": {"S": "text"}}, "corrupt"),
            ({"lines": {"B": b"not zlib"}}, "corrupt"),
            ({"lines": {"B": zlib.compress(b"{}")}}, "corrupt"),
            ({"lines": {"B": zlib.compress(b"[" * 100_000)}}, "corrupt"),
            ({"lines": {"B": zlib.compress(b"x" * 100)[:-3]}}, "corrupt"),
            ({"lines": {"B": zlib.compress(b" " * 60_000_000)}}, "corrupt"),
        ],
    )
    def test_they_are_counted_and_the_others_shown(
        self, changes: dict[str, Any], reason: str
    ) -> None:
        table = MemoryTable()
        _, key, _ = put_apart(table, a_line(1), a_line(2), a_line(3))
        table.damage(SESSION, key, **changes)
        reading = read(table)
        assert reading.lines == [a_line(1), a_line(3)]
        assert reading.skipped == {reason: 1}
        assert reading.to_the_end

    @pytest.mark.parametrize(
        "body",
        [
            '{"owner":"1","group":"g","stream":"s","lines":[[1,"1","fatal","m"]]}',
            '{"owner":"1","group":"g","stream":"s","lines":[["1","1","info","m"]]}',
            '{"owner":"1","group":"g","stream":"s","lines":[[true,"1","info","m"]]}',
            '{"owner":"1","group":"g","stream":"s","lines":[[1,1,"info","m"]]}',
            '{"owner":"1","group":"g","stream":"s","lines":[[1,"1","info",null]]}',
            '{"owner":"1","group":"g","stream":"s","lines":[[1,"1","info"]]}',
            '{"owner":"1","group":"g","stream":"s","lines":5}',
            '{"owner":1,"group":"g","stream":"s","lines":[]}',
            '{"group":"g","stream":"s","lines":[]}',
            "[]",
            "\xff",
        ],
    )
    def test_what_is_no_line_damages_its_item_alone(self, body: str) -> None:
        table = MemoryTable()
        (key,) = table.put(a_line(1))
        table.put(a_line(2))
        table.damage(SESSION, key, lines={"B": zlib.compress(body.encode("latin-1"))})
        reading = read(table)
        assert reading.lines == [a_line(2)]
        assert reading.skipped == {"corrupt": 1}

    def test_a_sort_key_of_another_form(self) -> None:
        table = MemoryTable()
        (key,) = table.put(a_line(1))
        table.put_item(SESSION, {**table.rows[SESSION][key], SORT_KEY: {"S": "~another"}})
        reading = read(table)
        assert reading.lines == [a_line(1)]
        assert reading.skipped == {"corrupt": 1}

    def test_expired_items_alone_are_no_lines(self) -> None:
        table = MemoryTable()
        put_apart(table, a_line(1), a_line(2), retention_seconds=60)
        reading = read(table)
        assert reading.lines == []
        assert reading.newest_arrival_ms is None
        assert reading.skipped == {"expired": 2}
        assert reading.to_the_end


class TestNotNow:
    def test_a_failed_page(self) -> None:
        table = MemoryTable(failures=["ThrottlingException"])
        table.put(a_line(1))
        reading = read(table)
        assert (reading.timed_out, reading.failure) == (True, "ThrottlingException")
        assert not reading.to_the_end

    def test_a_failed_reverse_query(self) -> None:
        table = MemoryTable(newest_failure="ThrottlingException")
        put_apart(table, *map(a_line, range(9)))
        assert not read(table).timed_out
        reading = read(table, wanted=2)
        assert (reading.timed_out, reading.failure) == (True, "ThrottlingException")

    def test_no_page_is_asked_for_after_the_deadline(self) -> None:
        table = MemoryTable(page_items=1)
        put_apart(table, *map(a_line, range(9)))
        reading = read_session(
            table, SESSION, wanted=1000, now_ms=NOW_MS, time_left=lambda: 3 - table.pages
        )
        assert (reading.timed_out, reading.failure) == (True, None)
        assert table.pages == 3

    @pytest.mark.parametrize(("checks", "lines"), [(0, 0), (1, 0), (2, 1), (5, 4)])
    def test_nor_is_a_long_page_read_to_its_end(self, checks: int, lines: int) -> None:
        table = MemoryTable()
        put_apart(table, *map(a_line, range(9)))
        left = count(checks, -1)
        reading = read_session(
            table, SESSION, wanted=1000, now_ms=NOW_MS, time_left=lambda: next(left)
        )
        assert reading.timed_out
        assert len(reading.lines) == lines

    def test_nor_is_the_reverse_query_made(self) -> None:
        table = MemoryTable()
        put_apart(table, *map(a_line, range(9)))
        # One look at the clock for the page, one for each of three items.
        left = count(4, -1)
        reading = read_session(
            table, SESSION, wanted=2, now_ms=NOW_MS, time_left=lambda: next(left)
        )
        assert reading.timed_out
        assert len(reading.lines) == 2
        assert (table.pages, table.newest_limits) == (1, [])

    def test_a_reverse_query_that_took_too_long(self) -> None:
        table = MemoryTable()
        put_apart(table, *map(a_line, range(9)))
        reading = read_session(
            table,
            SESSION,
            wanted=2,
            now_ms=NOW_MS,
            time_left=lambda: 1 - len(table.newest_limits),
        )
        assert (reading.timed_out, reading.failure) == (True, None)
        assert table.newest_limits == [NEWEST_ITEMS]


class TestMemory:
    def test_so_much_of_one_session_and_no_more(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(session_lines, "MAX_INFLATED_BYTES", 100_000)
        table = MemoryTable(page_items=1)
        put_apart(
            table,
            *(a_line(number, time=START_MS, message="m" * 10_000) for number in range(50)),
        )
        reading = read(table)
        assert (reading.timed_out, reading.failure) == (True, "too many lines at one time")
        assert table.pages <= 11

    def test_of_a_session_that_is_longer_its_beginning_is_read(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(session_lines, "MAX_INFLATED_BYTES", 100_000)
        table = MemoryTable(page_items=1)
        lines = [
            a_line(number, time=START_MS + number // 2, message="m" * 10_000)
            for number in range(50)
        ]
        put_apart(table, *lines)
        reading = read(table)
        # Of the sixth time only one line was read, or none.
        assert reading.lines == lines[:10]
        assert (reading.timed_out, reading.to_the_end) == (False, False)
        assert table.pages <= 12
        assert table.newest_limits == [NEWEST_ITEMS]

    @settings(max_examples=200, deadline=None)
    @given(tables(), st.integers(200, 2000))
    def test_that_beginning_is_without_gaps(
        self, stored: tuple[MemoryTable, list[LinkedLine]], limit: int
    ) -> None:
        table, lines = stored
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(session_lines, "MAX_INFLATED_BYTES", limit)
            reading = read(table)
        if reading.timed_out:
            assert reading.failure == "too many lines at one time"
        else:
            assert reading.lines == lines[: len(reading.lines)]
            assert reading.to_the_end == (reading.lines == lines)

    def test_of_very_many_lines_at_one_time_the_first_are_kept(self) -> None:
        table = MemoryTable()
        lines = [
            a_line(number, time=START_MS, stream=f"web-{number % 3}")
            for number in range(2 * MAX_LINES)
        ]
        for begin in reversed(range(0, len(lines), 1000)):
            table.put(*lines[begin : begin + 1000])
        reading = read(table)
        assert reading.lines[:1000] == lines[:1000]
        assert len(reading.lines) <= MAX_LINES + 1000
        assert not reading.to_the_end

    def test_long_messages_are_whole_at_first_and_then_cut(self) -> None:
        table = MemoryTable()
        length = MAX_MESSAGE_BYTES - 2
        whole = WHOLE_MESSAGES_CHARACTERS // length + 1
        put_apart(table, *(a_line(number, message="z" * length) for number in range(whole + 3)))
        reading = read(table)
        assert len(reading.lines) == whole + 3
        assert [len(line.message) for line in reading.lines[:whole]] == [length] * whole
        for line in reading.lines[whole:]:
            assert line.message == "z" * 4096 + f" [cut: {length - 4096} more characters]"

    def test_a_short_message_is_never_cut(self) -> None:
        table = MemoryTable()
        length = MAX_MESSAGE_BYTES - 2
        lines = [a_line(number, message="z" * length) for number in range(66)]
        put_apart(table, *lines, a_line(70, message="short"))
        assert read(table).lines[-1].message == "short"
