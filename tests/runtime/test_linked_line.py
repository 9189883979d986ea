from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openreplay_cw_stack.runtime.linked_line import LEVELS, LinkedLine, NotALinkedLine
from openreplay_cw_stack.tagging import id_tag

any_text = st.text(st.characters(exclude_categories=()))
readable_text = st.text()


def linked_lines(texts: st.SearchStrategy[str]) -> st.SearchStrategy[LinkedLine]:
    return st.builds(
        lambda session, message, **fields: LinkedLine(
            session=session, message=f"{id_tag(session)} {message}", **fields
        ),
        session=st.integers(0, 2**64 - 1),
        time=st.integers(0, 2**53),
        id=st.text("0123456789", min_size=1, max_size=56),
        owner=st.just("123456789012"),
        group=st.just("/app/checkout"),
        stream=texts,
        level=st.sampled_from(LEVELS),
        message=texts,
    )


@given(linked_lines(readable_text))
def test_a_linked_line_round_trips(line: LinkedLine) -> None:
    assert LinkedLine.decode(line.encode()) == line


@given(linked_lines(any_text))
def test_a_linked_line_is_always_one_physical_line_of_utf8(line: LinkedLine) -> None:
    text = line.encode()
    text.encode("utf-8")
    assert "\n" not in text
    assert LinkedLine.decode(text).session == line.session


def test_the_form_is_pinned() -> None:
    line = LinkedLine(
        session=4118144119896553030,
        time=1_795_464_000_000,
        id="0123",
        owner="123456789012",
        group="/app/checkout",
        stream="web-1",
        level="error",
        message=f"{id_tag(4118144119896553030)} ValueError: «no stock» left",
    )
    assert line.encode() == (
        '{"v":1,"session":"4118144119896553030","time":1795464000000,"id":"0123",'
        '"owner":"123456789012","group":"/app/checkout","stream":"web-1","level":"error",'
        '"message":"[openReplaySession.id=4118144119896553030] ValueError: «no stock» left"}'
    )


@given(linked_lines(any_text), st.integers(400, 5000), st.sampled_from(["é", '"', "a", "\0", "😀"]))
def test_a_long_line_is_cut_and_says_so(line: LinkedLine, limit: int, filler: str) -> None:
    line = LinkedLine(**{**vars(line), "stream": "s", "message": line.message + filler * 3000})
    text, cut = line.encode_within(limit)
    assert len(text.encode()) <= limit
    if not cut:
        assert text == line.encode()
        return
    read = LinkedLine.decode(text)
    kept, _, missing = read.message.rpartition(" [cut: ")
    assert missing.endswith(" more characters in the tracked log group]")
    assert len(kept) + int(missing.split()[0]) == len(line.message)
    whole = LinkedLine.decode(line.encode())
    assert whole.message.startswith(kept)
    assert kept.startswith(id_tag(line.session))
    assert (read.session, read.time, read.id, read.level) == (
        line.session,
        line.time,
        line.id,
        line.level,
    )
    # Not cut more than needed: one character more would not have fitted.
    longest_escape = len(json.dumps("\0").encode())
    assert len(text.encode()) > limit - longest_escape - len("9" * 7)


def test_a_limit_without_room_is_refused() -> None:
    line = LinkedLine(1, 1, "1", "1", "/app", "s", "info", f"{id_tag(1)} text")
    with pytest.raises(ValueError, match="50 bytes"):
        line.encode_within(50)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a line",
        "[]",
        "null",
        "{}",
        "[" * 100_000,
        '{"v":2}',
        '{"v":"1"}',
        '{"v":true,"session":"1"}',
        '{"v":1.0,"session":"1"}',
        '{"v":1}',
        '{"v":1,"session":1}',
        '{"v":1,"session":"x"}',
        '{"v":1,"session":"1"}',
        '{"v":1,"session":"1","time":true}',
        '{"v":1,"session":"1","time":1}',
        '{"v":1,"session":"1","time":1,"id":"1","owner":"1","group":"g","stream":"s",'
        '"level":"fatal","message":"m"}',
        '{"v":1,"session":"1","time":1,"id":"1","owner":"1","group":"g","stream":"s",'
        '"level":"error","message":null}',
    ],
)
def test_what_is_no_linked_line_is_refused(text: str) -> None:
    with pytest.raises(NotALinkedLine):
        LinkedLine.decode(text)


@pytest.mark.parametrize("version", [True, 1.0, 2, "1", None])
def test_a_version_is_a_number_that_we_know(version: object) -> None:
    document = json.loads(LinkedLine(1, 1, "1", "1", "/app", "s", "info", "m").encode())
    with pytest.raises(NotALinkedLine, match="version"):
        LinkedLine.decode(json.dumps({**document, "v": version}))
