from __future__ import annotations

import json
import random
import tracemalloc
import zlib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openreplay_cw_stack.contract import session_table
from openreplay_cw_stack.contract.linked_line import MAX_MESSAGE_BYTES, LinkedLine
from openreplay_cw_stack.contract.session_table import (
    MAX_DEFLATED_BYTES,
    MAX_INFLATED_BYTES,
    TOMBSTONE,
    SessionItem,
    UnreadableItem,
    arrived_ms,
    first_time_ms,
    has_expired,
    is_tombstone,
    pack_items,
    read_item,
    tombstone,
)
from tests.contract.lines import (
    ARRIVED_MS,
    LINE,
    RETENTION_SECONDS,
    any_text,
    event_ids,
    incompressible,
    lines_of_one_stream,
    read_back,
    written,
)

ITEM = next(pack_items([LINE]))
DOCUMENT: dict[str, Any] = {
    "owner": LINE.owner,
    "group": LINE.group,
    "stream": LINE.stream,
    "lines": [[LINE.time, LINE.id, LINE.level, LINE.message]],
}


def lines_in(items: list[SessionItem]) -> list[LinkedLine]:
    return [line for item in items for line in read_back(item).lines]


def small_items(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits that a few short lines reach."""
    monkeypatch.setattr(session_table, "MAX_INFLATED_BYTES", 400)
    monkeypatch.setattr(session_table, "MAX_DEFLATED_BYTES", 150)


class TestRoundTrip:
    @given(lines_of_one_stream)
    def test_what_is_written_is_read(self, lines: list[LinkedLine]) -> None:
        items = list(pack_items(lines))
        assert lines_in(items) == sorted(lines, key=lambda line: line.order)
        assert [item.event_ids for item in items] == [
            tuple(line.id for line in read_back(item).lines) for item in items
        ]

    @given(lines_of_one_stream, st.sampled_from(["stream", "group", "owner"]), any_text)
    def test_whatever_the_source_is_called(
        self, lines: list[LinkedLine], name: str, value: str
    ) -> None:
        changed = [LinkedLine(**{**vars(line), name: value}) for line in lines]
        for line in lines_in(list(pack_items(changed))):
            assert getattr(line, name) == value.encode("utf-8", "replace").decode()

    @given(any_text)
    def test_a_lone_surrogate_is_replaced_and_nothing_else(self, message: str) -> None:
        (line,) = lines_in(list(pack_items([replace(LINE, message=message)])))
        assert line.message == message.encode("utf-8", "replace").decode()
        assert replace(line, message=message) == replace(LINE, message=message)

    def test_no_lines_no_items(self) -> None:
        assert list(pack_items([])) == []

    def test_the_form_is_pinned(self) -> None:
        attributes = written(ITEM)
        assert attributes == {
            "session": {"S": "4118144119896553030"},
            "item": {"S": "1795464000000#48535262e5ed6b40b9b39c82ff76f595"},
            "v": {"N": "1"},
            "arrived": {"N": "1795464000123"},
            "expires": {"N": "1798056000"},
            "lines": {"B": ITEM.deflated},
        }
        assert zlib.decompress(ITEM.deflated).decode() == (
            '{"owner":"123456789012","group":"/app/checkout","stream":"web-1","lines":'
            '[[1795464000000,"0123","error","ValueError: «no stock» left"]]}'
        )

    def test_reading_tells_arrival_and_size(self) -> None:
        stored = read_back(ITEM)
        assert stored.arrived_ms == ARRIVED_MS
        assert stored.inflated_bytes == len(zlib.decompress(ITEM.deflated))

    def test_nothing_of_a_line_is_in_the_representation_of_an_item(self) -> None:
        assert LINE.message not in repr(ITEM)
        assert LINE.id not in repr(ITEM).replace(ITEM.key, "")


class TestKeys:
    @given(lines_of_one_stream, st.randoms(use_true_random=False))
    def test_the_order_of_the_lines_does_not_matter(
        self, lines: list[LinkedLine], order: random.Random
    ) -> None:
        shuffled = order.sample(lines, len(lines))
        assert list(pack_items(shuffled)) == list(pack_items(lines))

    @given(lines_of_one_stream, st.randoms(use_true_random=False))
    def test_nor_does_it_where_there_are_several_items(
        self, lines: list[LinkedLine], order: random.Random
    ) -> None:
        with pytest.MonkeyPatch.context() as patch:
            small_items(patch)
            shuffled = order.sample(lines, len(lines))
            items = list(pack_items(lines))
            assert list(pack_items(shuffled)) == items
            assert len({item.key for item in items}) == len(items)
            assert sorted(lines_in(items), key=lambda line: line.order) == lines_in(items)

    @given(lines_of_one_stream, lines_of_one_stream)
    def test_other_events_have_another_key(
        self, some: list[LinkedLine], others: list[LinkedLine]
    ) -> None:
        (one,), (other,) = pack_items(some), pack_items(others)
        assert (one.key == other.key) <= (one.event_ids == other.event_ids)

    @given(
        st.lists(event_ids | any_text, min_size=1, max_size=4, unique=True),
        st.lists(event_ids | any_text, min_size=1, max_size=4, unique=True),
    )
    def test_ids_that_join_to_the_same_text_are_told_apart(
        self, some: list[str], others: list[str]
    ) -> None:
        (one,) = pack_items([replace(LINE, id=identifier) for identifier in some])
        (other,) = pack_items([replace(LINE, id=identifier) for identifier in others])
        assert (one.key == other.key) == (one.event_ids == other.event_ids)

    @pytest.mark.parametrize("change", [{"owner": "1"}, {"group": "/b"}, {"stream": "web-2"}])
    def test_another_source_has_another_key(self, change: dict[str, str]) -> None:
        (other,) = pack_items([LinkedLine(**{**vars(LINE), **change})])
        assert other.key != ITEM.key

    def test_the_text_of_a_line_does_not_matter(self) -> None:
        (other,) = pack_items([replace(LINE, message="judged otherwise", level="info")])
        assert other.key == ITEM.key

    @pytest.mark.parametrize(
        ("time", "prefix"),
        [
            (0, "0000000000000#"),
            (-5, "0000000000000#"),
            (LINE.time, "1795464000000#"),
            (10**400, "9999999999999#"),
        ],
    )
    def test_the_key_begins_with_the_first_time(self, time: int, prefix: str) -> None:
        lines = [replace(LINE, time=time), replace(LINE, time=10**401, id="0124")]
        (item,) = pack_items(lines)
        assert item.key.startswith(prefix)
        assert first_time_ms(written(item)) == int(prefix[:-1])

    def test_keys_sort_by_time_and_behind_the_tombstone(self) -> None:
        keys = [next(pack_items([replace(LINE, time=time)])).key for time in (0, 9, 10, 10**12)]
        assert [TOMBSTONE, *keys] == sorted([TOMBSTONE, *keys])


class TestLimits:
    @pytest.mark.parametrize(
        "message",
        [
            incompressible(MAX_MESSAGE_BYTES - 2),
            "\0" * ((MAX_MESSAGE_BYTES - 2) // 6),
            "".join(random.Random(1).choices("\0\1\2\3\4\5\6\7", k=MAX_MESSAGE_BYTES // 7)),
            "".join(map(chr, random.Random(1).choices(range(0x1F300, 0x1FAFF), k=65_000))),
            "".join(map(chr, random.Random(1).choices(range(0x4E00, 0x9FFF), k=87_000))),
            "\ud800" * (MAX_MESSAGE_BYTES - 2),
        ],
        ids=["ascii", "control", "controls", "emoji", "han", "surrogates"],
    )
    def test_a_line_of_any_length_fits_one_item(self, message: str) -> None:
        longest = "\0" * 2048
        line = replace(LINE, id=longest, owner=longest, group=longest, stream=longest)
        line = replace(line, message=message)
        assert line.within_limit() == (line, False)
        (item,) = pack_items([line])
        assert len(item.deflated) <= MAX_DEFLATED_BYTES
        stored = read_back(item)
        assert stored.inflated_bytes <= MAX_INFLATED_BYTES
        assert [line.id for line in stored.lines] == [longest]

    @pytest.mark.parametrize("characters", [100, 20_000, MAX_MESSAGE_BYTES - 2])
    def test_many_lines_that_hardly_compress(self, characters: int) -> None:
        lines = [
            replace(LINE, id=str(number), message=incompressible(characters, number))
            for number in range(3_000_000 // (characters + 60))
        ]
        self.check(lines, fewest=3)

    def test_many_lines_that_compress_well(self) -> None:
        lines = [replace(LINE, id=str(number), message="a" * 1000) for number in range(3000)]
        self.check(lines, fewest=3)

    @staticmethod
    def check(lines: list[LinkedLine], *, fewest: int) -> None:
        items = list(pack_items(lines))
        assert len(items) >= fewest
        assert lines_in(items) == lines
        for item in items:
            assert len(item.deflated) <= MAX_DEFLATED_BYTES
            assert len(zlib.decompress(item.deflated)) <= MAX_INFLATED_BYTES
            attributes = written(item)
            size = sum(
                len(name) + len(value)
                for name, typed in attributes.items()
                for value in typed.values()
            )
            assert size < 400_000

    @given(lines_of_one_stream)
    def test_lines_are_split_only_where_they_have_to_be(self, lines: list[LinkedLine]) -> None:
        whole = [zlib.decompress(item.deflated) for item in pack_items(lines)]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(session_table, "MAX_INFLATED_BYTES", 400)
            bodies = [zlib.decompress(item.deflated) for item in pack_items(lines)]
        if sum(map(len, whole)) <= 400:
            assert bodies == whole
        for body in bodies:
            assert len(body) <= 400 or len(json.loads(body)["lines"]) == 1


def stored(**changes: Any) -> dict[str, Any]:
    return {**written(ITEM), **changes}


def of_document(document: object) -> dict[str, Any]:
    return stored(lines={"B": zlib.compress(json.dumps(document).encode())})


class TestUnreadable:
    @pytest.mark.parametrize(
        "attributes",
        [
            {},
            {"session": {"S": "1"}, "item": {"S": "x"}, "name": {"S": "another table's"}},
            tombstone(1, forgotten_ms=1, kept_seconds=1),
            stored(v={"N": "0"}),
            stored(v={"N": "1.5"}),
            stored(v={"S": "1"}),
            stored(v=None),
            stored(arrived={}),
            stored(arrived={"N": "soon"}),
            stored(lines={"S": "text"}),
            stored(lines={"B": None}),
            stored(lines={"B": 10**15}),
            stored(lines={"B": b""}),
            stored(lines={"B": b"not zlib"}),
            stored(lines={"B": ITEM.deflated[:-1]}),
            stored(lines={"B": ITEM.deflated[:-1] + bytes([ITEM.deflated[-1] ^ 1])}),
            stored(lines={"B": zlib.compress(b"not json")}),
            stored(lines={"B": zlib.compress(b"\xff\xfe\xfd")}),
            stored(lines={"B": zlib.compress(b"[" * 1_000_000)}),
            stored(lines={"B": zlib.compress(b"9" * 100_000)}),
            of_document(None),
            of_document([]),
            of_document({"lines": []}),
            of_document({**DOCUMENT, "stream": 5}),
            of_document({**DOCUMENT, "lines": None}),
            of_document({**DOCUMENT, "lines": "abcd"}),
            of_document({**DOCUMENT, "lines": {"abcd": 1}}),
            of_document({**DOCUMENT, "lines": [[]]}),
            of_document({**DOCUMENT, "lines": [[1, "1", "error", "m", "more"]]}),
            of_document({**DOCUMENT, "lines": [["1", "1", "error", "m"]]}),
            of_document({**DOCUMENT, "lines": [[True, "1", "error", "m"]]}),
            of_document({**DOCUMENT, "lines": [[1.0, "1", "error", "m"]]}),
            of_document({**DOCUMENT, "lines": [[1, 1, "error", "m"]]}),
            of_document({**DOCUMENT, "lines": [[1, "1", "fatal", "m"]]}),
            of_document({**DOCUMENT, "lines": [[1, "1", ["error"], "m"]]}),
            of_document({**DOCUMENT, "lines": [[1, "1", "error", None]]}),
        ],
    )
    def test_a_damaged_or_foreign_item(self, attributes: Any) -> None:
        with pytest.raises(UnreadableItem) as unreadable:
            read_item(1, attributes)
        assert unreadable.value.reason == str(unreadable.value) == "corrupt"
        assert unreadable.value.__suppress_context__ or not unreadable.value.__context__

    @pytest.mark.parametrize("version", ["2", "10", "9" * 38])
    def test_a_later_version_is_told_apart_whatever_else_it_has(self, version: str) -> None:
        for attributes in (stored(v={"N": version}), {"v": {"N": version}}):
            with pytest.raises(UnreadableItem) as unreadable:
                read_item(1, attributes)
            assert unreadable.value.reason == "version"

    @pytest.mark.parametrize("byte", [b" ", b"["])
    def test_inflating_is_bounded(self, byte: bytes) -> None:
        bomb = zlib.compress(byte * 300_000_000, 9)
        assert len(bomb) < MAX_DEFLATED_BYTES
        tracemalloc.start()
        try:
            with pytest.raises(UnreadableItem, match="corrupt"):
                read_item(1, stored(lines={"B": bomb}))
            assert tracemalloc.get_traced_memory()[1] < 8_000_000
        finally:
            tracemalloc.stop()

    def test_one_byte_too_many(self) -> None:
        body = zlib.decompress(ITEM.deflated)
        for more, readable in ((0, True), (1, False)):
            padded = body + b" " * (MAX_INFLATED_BYTES - len(body) + more)
            attributes = stored(lines={"B": zlib.compress(padded)})
            if readable:
                assert read_item(LINE.session, attributes).lines == (LINE,)
            else:
                with pytest.raises(UnreadableItem, match="corrupt"):
                    read_item(LINE.session, attributes)

    @given(st.integers(0, len(ITEM.deflated) - 1), st.integers(1, 255))
    def test_a_changed_byte_is_found(self, at: int, change: int) -> None:
        deflated = bytearray(ITEM.deflated)
        deflated[at] ^= change
        try:
            read = read_item(LINE.session, stored(lines={"B": bytes(deflated)}))
        except UnreadableItem:
            return
        assert read.lines == (LINE,)

    @pytest.mark.parametrize(
        "attributes", [{}, {"item": {}}, {"item": {"S": "x"}}, {"item": {"S": TOMBSTONE}}]
    )
    def test_a_key_of_another_form(self, attributes: Any) -> None:
        with pytest.raises(UnreadableItem, match="corrupt"):
            first_time_ms(attributes)


class TestArrivalAndExpiry:
    def test_they_are_of_the_moment_of_writing(self) -> None:
        early, late = (written(ITEM, arrived_ms=moment) for moment in (5_999, 6_000))
        assert early == {**late, "arrived": {"N": "5999"}, "expires": early["expires"]}
        assert early["expires"] == {"N": str(5 + RETENTION_SECONDS)}
        assert late["expires"] == {"N": str(6 + RETENTION_SECONDS)}
        assert (arrived_ms(early), arrived_ms(late)) == (5_999, 6_000)

    def test_an_item_expires_to_the_second(self) -> None:
        expires = ARRIVED_MS // 1000 + RETENTION_SECONDS
        assert not has_expired(written(ITEM), expires - 0.001)
        assert has_expired(written(ITEM), expires)

    @pytest.mark.parametrize("attributes", [{}, {"expires": {"S": "1"}}, {"expires": {"N": "x"}}])
    def test_what_has_no_expiry_never_expires(self, attributes: Any) -> None:
        assert not has_expired(attributes, 1e18)

    @pytest.mark.parametrize("attributes", [{}, {"arrived": {"S": "1"}}, {"arrived": {"N": "x"}}])
    def test_what_has_no_arrival(self, attributes: Any) -> None:
        assert arrived_ms(attributes) is None


class TestTombstone:
    STONE = tombstone(12, forgotten_ms=5_999, kept_seconds=60)

    def test_the_form_is_pinned(self) -> None:
        assert self.STONE == {
            "session": {"S": "12"},
            "item": {"S": "!forgotten"},
            "v": {"N": "1"},
            "forgotten": {"N": "5999"},
            "expires": {"N": "65"},
        }

    def test_it_is_told_apart(self) -> None:
        assert is_tombstone(self.STONE)
        assert is_tombstone({**self.STONE, "v": {"N": "9"}})
        assert not is_tombstone(written(ITEM))
        assert not is_tombstone({})

    def test_it_has_no_arrival_and_expires(self) -> None:
        assert arrived_ms(self.STONE) is None
        assert not has_expired(self.STONE, 64)
        assert has_expired(self.STONE, 65)
