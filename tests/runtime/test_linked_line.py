from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openreplay_cw_stack.runtime.linked_line import (
    LEVELS,
    LinkedLine,
    NotALinkedLine,
    is_linked_line,
    stream_of,
)
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


LINE = LinkedLine(12, 1, "0", "123456789012", "/app", "web-1", "info", f"{id_tag(12)} text")
DOCUMENT = json.loads(LINE.encode())


@given(linked_lines(any_text))
def test_a_linked_line_is_known_for_one_even_when_it_was_cut(line: LinkedLine) -> None:
    assert is_linked_line(line.encode())
    assert is_linked_line(line.encode_within(4000)[0])


def test_one_that_was_written_anew_is_known_too() -> None:
    assert is_linked_line(json.dumps(DOCUMENT))


@pytest.mark.parametrize(
    "changes",
    [
        {"more": 1},
        {"message": f"text {id_tag(12)}"},
        {"message": f"{id_tag(13)} text"},
        {"level": "fatal"},
        {"session": 12},
        {"v": 2},
    ],
)
def test_a_program_may_log_json_that_is_like_it(changes: dict[str, object]) -> None:
    assert not is_linked_line(json.dumps({**DOCUMENT, **changes}))


@pytest.mark.parametrize("name", [name for name in DOCUMENT if name != "v"])
def test_what_lacks_a_field_is_none(name: str) -> None:
    assert not is_linked_line(json.dumps({k: v for k, v in DOCUMENT.items() if k != name}))


@pytest.mark.parametrize(
    "text", ["", "text", '{"v":1', '{"v":1}', '{"v":' + "[" * 100_000, f"x {LINE.encode()}"]
)
def test_anything_else_is_none(text: str) -> None:
    assert not is_linked_line(text)


class TestStreamOf:
    def test_lines_of_the_own_account_go_by_the_log_group_alone(self) -> None:
        assert stream_of("1", "/app", own_account=None) == "/app"
        assert stream_of("1", "/app", own_account="1") == "/app"

    def test_others_carry_their_account(self) -> None:
        assert stream_of("2", "/app", own_account="1") == "2//app"

    @given(st.text(".-_/#aB3", min_size=490, max_size=512))
    def test_a_long_name_is_cut_and_stays_its_own(self, group: str) -> None:
        name = stream_of("222222222222", group, own_account="111111111111")
        assert len(name) <= 512
        assert name.startswith(f"222222222222/{group[:480]}")
        assert not set(name) & set(":*")
        other = stream_of("222222222222", group[:-1] + "x", own_account="111111111111")
        assert other != name
