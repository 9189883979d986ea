from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.openreplay import check_hits
from openreplay_cw_stack.contract.linked_line import LEVELS, LinkedLine
from openreplay_cw_stack.runtime.bridge.hits import MAX_BYTES, make_hits, remark_hit, timestamp
from openreplay_cw_stack.tagging import token_tag
from tests.runtime.bridge.support import a_line
from tests.tagging.tokens import a_token


def hits(
    lines: list[LinkedLine],
    *,
    size: int = 1000,
    remarks: Sequence[str] = (),
    group: bool = True,
    all_read: bool = True,
) -> list[dict[str, Any]]:
    found = make_hits(lines, size=size, with_log_group=group, all_read=all_read, remarks=remarks)
    check_hits(found)
    return found


def size_of(found: list[dict[str, Any]]) -> int:
    text = json.dumps(found, ensure_ascii=False, separators=(",", ":"))
    return len(text.encode("utf-8", "replace"))


def test_a_hit_is_what_the_player_needs() -> None:
    line = a_line(1, message="ValueError: no stock left", time=1_795_464_000_123)
    (hit,) = hits([line])
    assert hit == {
        "_index": "logs",
        "_id": hit["_id"],
        "_score": 1.0,
        "_source": {
            "message": "/app/checkout: ValueError: no stock left",
            "@timestamp": "2026-11-23T20:00:00.123Z",
            "level": "error",
            "log_group": "/app/checkout",
            "tags": ["error"],
        },
    }


def test_the_log_group_can_be_left_out() -> None:
    (hit,) = hits([a_line(1)], group=False)
    assert hit["_source"]["message"] == "error 1"
    assert hit["_source"]["log_group"] == "/app/checkout"


def test_the_id_is_stable_and_of_account_group_and_event() -> None:
    same = [a_line(1), a_line(1, message="other", level="info", stream="x", time=1)]
    other = [a_line(2), a_line(1, group="/x"), a_line(1, owner="9")]
    ids = [hits([line])[0]["_id"] for line in [*same, *other]]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 4


def test_a_token_is_removed_should_one_be_there() -> None:
    token = a_token()
    (hit,) = hits([a_line(1, message=f"{token_tag(token)} error")])
    assert hit["_source"]["message"] == (
        "/app/checkout: [openReplaySessionToken=<session token removed>] error"
    )


def test_an_empty_message_says_so() -> None:
    (hit,) = hits([a_line(1, message="")], group=False)
    assert hit["_source"]["message"] == "(an empty line)"


@pytest.mark.parametrize("level", LEVELS)
def test_the_level_is_the_lines(level: str) -> None:
    (hit,) = hits([a_line(1, level=level)])
    assert (hit["_source"]["level"], hit["_source"]["tags"]) == (level, [level])


def test_a_json_line_is_laid_out() -> None:
    (hit,) = hits([a_line(1, message='{"level": "ERROR", "message": "no stock"}')])
    assert hit["_source"]["message"] == "/app/checkout: no stock\nlevel: ERROR"


def test_a_token_that_only_laying_out_makes_readable_is_removed() -> None:
    escaped = "".join(f"\\u{ord(character):04x}" for character in a_token())
    (hit,) = hits([a_line(1, message=f'{{"message": "{escaped}"}}')], group=False)
    assert hit["_source"]["message"] == "<session token removed>"


def test_remarks_have_ids_of_their_own() -> None:
    one, other = remark_hit("one", 5), remark_hit("other", 5)
    check_hits([one, other])
    assert one["_id"] == remark_hit("one", 9)["_id"]


@given(
    st.lists(
        st.builds(
            a_line,
            st.integers(0, 99),
            message=st.text(st.characters(exclude_categories=())),
            time=st.integers(-(2**70), 2**70),
            level=st.sampled_from(LEVELS),
            stream=st.text(max_size=5),
        ),
        max_size=5,
    )
)
def test_whatever_a_line_holds_the_player_takes_it(lines: list[LinkedLine]) -> None:
    unique = {line.id: line for line in lines}
    hits(sorted(unique.values(), key=lambda line: line.time))


@pytest.mark.parametrize(
    ("time_ms", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (-5, "1970-01-01T00:00:00.000Z"),
        (1_795_464_000_007, "2026-11-23T20:00:00.007Z"),
        (2**80, "9999-12-31T23:59:59.999Z"),
    ],
)
def test_timestamps(time_ms: int, text: str) -> None:
    assert timestamp(time_ms) == text


MANY = [a_line(number) for number in range(1500)]


class TestHowMany:
    def test_a_thousand_and_how_many_more(self) -> None:
        found = hits(MANY)
        assert len(found) == 1000
        assert found[998]["_source"]["message"].endswith("error 998")
        assert found[999]["_source"]["message"] == (
            "openreplay-cw-stack: 501 more lines of this session are not shown here: "
            "look in the tracked log groups."
        )
        assert found[999]["_source"]["@timestamp"] == found[998]["_source"]["@timestamp"]

    def test_at_least_so_many_where_not_all_were_read(self) -> None:
        last = hits(MANY, all_read=False)[-1]["_source"]
        assert last["message"] == (
            "openreplay-cw-stack: At least 501 more lines of this session are not shown here: "
            "look in the tracked log groups."
        )

    def test_exactly_a_thousand_are_all_shown(self) -> None:
        found = hits(MANY[:1000])
        assert found[-1]["_source"]["message"].endswith("error 999")

    def test_exactly_a_thousand_were_read_and_there_are_more(self) -> None:
        found = hits(MANY[:1000], all_read=False)
        assert len(found) == 1000
        assert found[-1]["_source"]["message"] == (
            "openreplay-cw-stack: At least 1 more line of this session is not shown here: "
            "look in the tracked log groups."
        )

    def test_a_remark_takes_the_last_place(self) -> None:
        found = hits(MANY[:1000], remarks=["A remark.", "And one more."])
        assert len(found) == 1000
        assert found[-1]["_source"]["message"] == (
            "openreplay-cw-stack: 1 more line of this session is not shown here: look in the "
            "tracked log groups. A remark. And one more."
        )

    def test_a_remark_stands_behind_all_lines_where_there_is_room(self) -> None:
        found = hits(MANY[:2], remarks=["A remark."])
        assert [hit["_source"]["message"] for hit in found] == [
            "/app/checkout: error 0",
            "/app/checkout: error 1",
            "openreplay-cw-stack: A remark.",
        ]
        assert found[-1]["_source"]["level"] == "info"
        assert found[-1]["_source"]["log_group"] == "openreplay-cw-stack"

    @pytest.mark.parametrize(
        ("size", "lines", "all_read", "shown", "sentence"),
        [
            (0, 9, True, 0, None),
            (0, 9, False, 0, None),
            (1, 1, True, 1, None),
            (1, 9, True, 1, None),
            (1, 9, False, 1, None),
            (2, 2, True, 2, None),
            (2, 9, True, 1, "8 more lines"),
            (2, 9, False, 1, "At least 8 more lines"),
            (2, 2, False, 1, "At least 1 more line "),
            (10, 9, True, 9, None),
            (1000, 1001, True, 999, "2 more lines"),
            (10_000, 1500, True, 999, "501 more lines"),
        ],
    )
    def test_sizes(
        self, size: int, lines: int, all_read: bool, shown: int, sentence: str | None
    ) -> None:
        found = hits(MANY[:lines], size=size, all_read=all_read)
        messages = [hit["_source"]["message"] for hit in found]
        assert messages[:shown] == [f"/app/checkout: error {number}" for number in range(shown)]
        assert len(messages) == shown + (sentence is not None)
        if sentence:
            assert messages[-1].startswith(f"openreplay-cw-stack: {sentence}")

    def test_a_single_hit_is_a_line_rather_than_a_remark(self) -> None:
        (hit,) = hits(MANY, size=1, remarks=["x"])
        assert hit["_source"]["message"] == "/app/checkout: error 0"

    def test_no_lines_no_remark(self) -> None:
        assert hits([], remarks=["x"]) == []


class TestHowLong:
    @settings(max_examples=20, deadline=None)
    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["x", "é", '"', "\0", "😀"]),
                st.sampled_from([10, 1000, 100_000, 900_000]),
            ),
            min_size=1,
            max_size=30,
        )
    )
    def test_four_megabytes_and_no_more(self, shapes: list[tuple[str, int]]) -> None:
        lines = [
            a_line(number, message=character * length)
            for number, (character, length) in enumerate(shapes)
        ]
        found = hits(lines)
        assert len(found) == len(lines)
        assert size_of(found) <= MAX_BYTES + 1

    def test_the_longest_are_cut_first_and_marked(self) -> None:
        lines = [a_line(number, message="s" * 100) for number in range(900)]
        lines += [a_line(900 + number, message="l" * 1_000_000) for number in range(10)]
        found = hits(lines)
        messages = [hit["_source"]["message"] for hit in found]
        assert all("[cut:" not in message for message in messages[:900])
        for message in messages[900:]:
            kept, _, missing = message.rpartition(" [cut: ")
            assert missing.endswith(" more characters]")
            assert len(kept) + int(missing.split()[0]) == len("/app/checkout: ") + 1_000_000
        assert size_of(found) > 0.97 * MAX_BYTES

    def test_a_thousand_long_lines_all_have_a_part(self) -> None:
        found = hits([a_line(number, message="z" * 50_000) for number in range(1000)])
        assert len(found) == 1000
        assert min(len(hit["_source"]["message"]) for hit in found) > 3000
