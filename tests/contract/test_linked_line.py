from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openreplay_cw_stack.contract import linked_line
from openreplay_cw_stack.contract.linked_line import MAX_MESSAGE_BYTES, LinkedLine, json_size
from tests.contract.lines import LINE, any_text

NOTE = re.compile(r" \[cut: (\d+) more characters in the tracked log group\]\Z")
FILLERS = ["a", '"', "\\", "\0", "\n", "é", "€", "😀", "\ud800"]


@pytest.fixture
def small_limit(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(linked_line, "MAX_MESSAGE_BYTES", 400)
    return 400


def check_cut(line: LinkedLine, limit: int) -> None:
    """A line is left alone, or cut at a character boundary and not more than needed."""
    short, cut = line.within_limit()
    assert json_size(short.message) <= limit
    assert replace(short, message=line.message) == line
    assert cut == (json_size(line.message) > limit)
    if not cut:
        assert short is line
        return
    note = NOTE.search(short.message)
    assert note is not None
    kept = short.message[: note.start()]
    assert line.message.startswith(kept)
    assert len(kept) + int(note[1]) == len(line.message)
    # One character more, of at most 6 bytes, would not have fitted.
    assert json_size(short.message) > limit - 6 - 1


class TestCutting:
    @pytest.mark.parametrize("filler", FILLERS)
    @pytest.mark.parametrize("much", [1, 3])
    def test_a_long_line_is_cut_and_says_so(self, filler: str, much: int) -> None:
        for prefix in ("", "x", "xyz"):
            message = prefix + filler * (much * MAX_MESSAGE_BYTES)
            check_cut(replace(LINE, message=message), MAX_MESSAGE_BYTES)

    @pytest.mark.parametrize("filler", FILLERS)
    def test_a_line_at_the_limit_is_left_alone(self, filler: str) -> None:
        fit = (MAX_MESSAGE_BYTES - 2) // (json_size(filler) - 2)
        check_cut(replace(LINE, message=filler * fit), MAX_MESSAGE_BYTES)
        assert not replace(LINE, message=filler * fit).within_limit()[1]
        assert replace(LINE, message=filler * (fit + 1)).within_limit()[1]

    @given(
        head=any_text,
        tail=st.lists(st.sampled_from(FILLERS), max_size=900).map("".join),
    )
    def test_whatever_the_text_is(self, head: str, tail: str) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(linked_line, "MAX_MESSAGE_BYTES", 400)
            check_cut(replace(LINE, message=head + tail), 400)

    def test_cutting_again_changes_nothing(self, small_limit: int) -> None:
        once, cut = replace(LINE, message="€" * small_limit).within_limit()
        assert cut
        assert once.within_limit() == (once, False)

    def test_one_character_may_be_missing(self, small_limit: int) -> None:
        check_cut(replace(LINE, message="a" * (small_limit - 1)), small_limit)


class TestOrder:
    @given(st.integers(0, 10**56), st.integers(0, 10**56))
    def test_ids_sort_as_numbers(self, one: int, other: int) -> None:
        first, second = (replace(LINE, id=str(number)) for number in (one, other))
        assert (first.order < second.order) == (one < other)

    def test_time_comes_first(self) -> None:
        assert replace(LINE, id="9").order < replace(LINE, time=LINE.time + 1, id="1").order

    def test_two_log_groups_may_have_the_same_ids(self) -> None:
        assert replace(LINE, group="/a").order != replace(LINE, group="/b").order


class TestIdentity:
    def test_copies_of_one_event_are_equal(self) -> None:
        other = replace(LINE, message="judged otherwise", level="info", stream="cut")
        assert other.identity == LINE.identity

    @pytest.mark.parametrize("change", [{"id": "0124"}, {"group": "/app"}, {"owner": "1"}])
    def test_other_events_are_not(self, change: dict[str, str]) -> None:
        assert LINE.identity != LinkedLine(**{**vars(LINE), **change}).identity


@given(any_text)
def test_the_size_is_never_too_small(text: str) -> None:
    assert json_size(text) <= len(text) * 6 + 2
