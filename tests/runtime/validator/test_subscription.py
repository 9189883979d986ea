from __future__ import annotations

import base64
import contextlib
import gzip
import json
import time
import tracemalloc
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openreplay_cw_stack.runtime.validator import subscription
from openreplay_cw_stack.runtime.validator.subscription import (
    MAX_DECOMPRESSED_BYTES,
    LogEvent,
    Payload,
    UnusablePayload,
    encode_payload,
    read_payload,
)
from tests.contract.lines import any_text
from tests.runtime.payloads import (
    CONTROL_MESSAGE,
    LOG_GROUP,
    LOG_STREAM,
    NOW_MS,
    OWNER,
    a_document,
    an_event,
    encode,
)


def read(envelope: object) -> Payload:
    payload = read_payload(envelope)
    assert payload is not None
    return payload


def of_bytes(data: bytes) -> dict[str, Any]:
    return {"awslogs": {"data": base64.b64encode(data).decode()}}


def test_every_event_is_read_in_order() -> None:
    assert read(an_event(a_document("one", "two"))) == Payload(
        owner=OWNER,
        log_group=LOG_GROUP,
        log_stream=LOG_STREAM,
        events=[
            LogEvent("0" * 56, NOW_MS, "one"),
            LogEvent("0" * 55 + "1", NOW_MS + 1, "two"),
        ],
    )


def test_a_control_message_has_no_lines() -> None:
    assert read_payload(an_event(CONTROL_MESSAGE)) is None


def test_unknown_fields_are_left_alone() -> None:
    document = a_document("one", policyLevel="ACCOUNT_LEVEL_POLICY")
    document["logEvents"][0]["extractedFields"] = {"a": "b"}
    assert len(read(an_event(document)).events) == 1


def test_an_event_is_read_once() -> None:
    document = a_document("one", "two")
    document["logEvents"] += [{**document["logEvents"][0], "message": "again"}, None]
    payload = read(an_event(document))
    assert [event.message for event in payload.events] == ["one", "two"]
    assert payload.unreadable == 1


@pytest.mark.parametrize(
    ("counted", "expected"), [(True, True), (False, False), (None, False), ("yes", False)]
)
def test_whether_the_lines_were_counted_before(counted: object, expected: bool) -> None:
    assert read({**an_event(a_document("one")), "counted": counted}).counted is expected


@pytest.mark.parametrize(
    "entry",
    [
        None,
        "a line",
        [],
        {},
        {"id": 1, "timestamp": 1, "message": "m"},
        {"id": "", "timestamp": 1, "message": "m"},
        {"id": "1" * 2049, "timestamp": 1, "message": "m"},
        {"id": "1", "timestamp": "1", "message": "m"},
        {"id": "1", "timestamp": True, "message": "m"},
        {"id": "1", "timestamp": 1.5, "message": "m"},
        {"id": "1", "timestamp": 1, "message": None},
        {"id": "1", "timestamp": 1},
    ],
)
def test_an_unreadable_entry_does_not_stop_the_others(entry: object) -> None:
    document = a_document("one", "two")
    document["logEvents"].insert(1, entry)
    payload = read(an_event(document))
    assert [event.message for event in payload.events] == ["one", "two"]
    assert payload.unreadable == 1


WHOLE = gzip.compress(json.dumps(a_document("one")).encode(), mtime=0)


@pytest.mark.parametrize(
    ("envelope", "reason"),
    [
        (None, "no awslogs.data"),
        ([], "no awslogs.data"),
        ("text", "no awslogs.data"),
        ({}, "no awslogs.data"),
        ({"awslogs": None}, "no awslogs.data"),
        ({"awslogs": {}}, "no awslogs.data"),
        ({"Records": [{"body": "an SQS message"}]}, "no awslogs.data"),
        ({"awslogs": {"data": None}}, "not base64"),
        ({"awslogs": {"data": 5}}, "not base64"),
        ({"awslogs": {"data": "***"}}, "not base64"),
        ({"awslogs": {"data": "é"}}, "not base64"),
        ({"awslogs": {"data": "abc"}}, "not base64"),
        ({"awslogs": {"data": ""}}, "not JSON"),
        (of_bytes(b"not gzip"), "not gzip"),
        (of_bytes(zlib.compress(b"{}")), "not gzip"),
        (of_bytes(WHOLE[:2]), "truncated"),
        (of_bytes(WHOLE[:-1]), "truncated"),
        (of_bytes(WHOLE[:40]), "truncated"),
        (of_bytes(WHOLE[:-8] + bytes(8)), "not gzip"),
        (of_bytes(WHOLE + b"garbage"), "not gzip"),
        (of_bytes(WHOLE + b"\0"), "truncated"),
        (of_bytes(WHOLE + WHOLE), "not JSON"),
        (of_bytes(gzip.compress(b"")), "not JSON"),
        ({"awslogs": {"data": encode(b"not json")}}, "not JSON"),
        ({"awslogs": {"data": encode(b"\xff\xfe\xfd")}}, "not JSON"),
        ({"awslogs": {"data": encode(b"[" * 100_000)}}, "not JSON"),
        ({"awslogs": {"data": encode(b"9" * 100_000)}}, "not JSON"),
        ({"awslogs": {"data": encode(b"[]")}}, "not a JSON object"),
        (an_event({}), "messageType"),
        (an_event(a_document(messageType="SOMETHING_NEW")), "messageType"),
        (an_event(a_document(messageType=["DATA_MESSAGE"])), "messageType"),
        (an_event(a_document(logEvents=None)), "logEvents are not a list"),
        (an_event(a_document(logEvents={"id": 1})), "logEvents are not a list"),
        (an_event(a_document("one", logGroup=None)), "logGroup is not a name"),
        (an_event(a_document("one", logGroup="")), "logGroup is not a name"),
        (an_event(a_document("one", logGroup="g" * 2049)), "logGroup is not a name"),
        (an_event(a_document("one", logStream=7)), "logStream is not a name"),
        (an_event(a_document("one", owner=[])), "owner is not a name"),
    ],
)
def test_anything_else_is_refused_with_a_reason(envelope: object, reason: str) -> None:
    with pytest.raises(UnusablePayload, match=reason) as unusable:
        read_payload(envelope)
    assert unusable.value.__suppress_context__ or not unusable.value.__context__


def test_several_gzip_members_are_one_document() -> None:
    text = json.dumps(a_document("one", "two")).encode()
    members = b"".join(gzip.compress(text[at : at + 50]) for at in range(0, len(text), 50))
    assert read(of_bytes(members + gzip.compress(b""))) == read(an_event(a_document("one", "two")))


class TestSize:
    def test_the_limit_is_kept_to_the_byte(self, monkeypatch: pytest.MonkeyPatch) -> None:
        text = json.dumps(a_document("one")).encode()
        for members in ([text], [text[:100], text[100:]]):
            data = b"".join(map(gzip.compress, members))
            monkeypatch.setattr(subscription, "MAX_DECOMPRESSED_BYTES", len(text))
            assert read(of_bytes(data)).events
            monkeypatch.setattr(subscription, "MAX_DECOMPRESSED_BYTES", len(text) - 1)
            with pytest.raises(UnusablePayload, match=f"larger than {len(text) - 1} bytes"):
                read_payload(of_bytes(data))

    @pytest.mark.parametrize("members", [1, 3])
    def test_a_bomb_takes_little_memory(self, members: int) -> None:
        bomb = of_bytes(gzip.compress(b" " * 90_000_000, 9) * members)
        tracemalloc.start()
        try:
            with pytest.raises(UnusablePayload, match="larger than"):
                read_payload(bomb)
            assert tracemalloc.get_traced_memory()[1] < 4 * MAX_DECOMPRESSED_BYTES
        finally:
            tracemalloc.stop()

    def test_many_empty_members_take_little_time(self) -> None:
        started = time.process_time()
        with pytest.raises(UnusablePayload, match="not JSON"):
            read_payload(of_bytes(gzip.compress(b"") * 50_000))
        assert time.process_time() - started < 20


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(json_values, st.dictionaries(st.sampled_from(list(a_document())), json_values))
def test_whatever_comes_it_is_read_or_refused(event: Any, changes: dict[str, Any]) -> None:
    for candidate in (event, an_event(event), an_event({**a_document("one"), **changes})):
        with contextlib.suppress(UnusablePayload):
            read_payload(candidate)


@given(
    st.lists(st.binary(max_size=50).map(gzip.compress), max_size=3).map(b"".join),
    st.sampled_from([b"", b"x", b"\x1f\x8b"]),
    st.integers(0, 80),
    st.integers(0, 255),
)
def test_gzip_is_read_as_the_standard_library_does(
    members: bytes, behind: bytes, at: int, value: int
) -> None:
    changed = members[:at] + bytes([value]) + members[at + 1 :]
    for data in (members + behind, members[:at], changed):
        try:
            expected = gzip.decompress(data)
        except (OSError, EOFError, zlib.error):
            with pytest.raises(UnusablePayload):
                b"".join(subscription._inflate(data))
        else:
            # Zeros behind the last member are padding there and garbage here.
            with contextlib.suppress(UnusablePayload):
                assert b"".join(subscription._inflate(data)) == expected


names = any_text.filter(lambda text: 0 < len(text) <= 2048)
payloads = st.builds(
    Payload,
    owner=names,
    log_group=names,
    log_stream=names,
    events=st.lists(
        st.builds(LogEvent, names, st.integers(), any_text),
        max_size=5,
        unique_by=lambda event: event.id,
    ),
    counted=st.booleans(),
)


class TestEncoding:
    @given(payloads)
    def test_what_is_encoded_is_read(self, payload: Payload) -> None:
        text = encode_payload(payload, payload.events, counted=payload.counted)
        assert text.isascii()
        assert read(json.loads(text)) == payload

    @given(payloads)
    def test_the_same_events_make_the_same_text(self, payload: Payload) -> None:
        one, other = (encode_payload(payload, payload.events, counted=True) for _ in range(2))
        assert one == other

    def test_some_events_of_a_payload(self) -> None:
        payload = read(an_event(a_document("one", "two", "three")))
        some = read(json.loads(encode_payload(payload, payload.events[1:2], counted=True)))
        assert some == Payload(OWNER, LOG_GROUP, LOG_STREAM, payload.events[1:2], counted=True)

    def test_a_dead_letter_has_a_reason_and_is_read_all_the_same(self) -> None:
        payload = read(an_event(a_document("one")))
        letter = json.loads(encode_payload(payload, payload.events, counted=False, reason="why"))
        assert letter["reason"] == "why"
        assert read(letter) == payload

    def test_it_has_the_form_of_cloudwatch(self) -> None:
        payload = read(an_event(a_document("one")))
        envelope = json.loads(encode_payload(payload, payload.events, counted=False))
        document = json.loads(gzip.decompress(base64.b64decode(envelope["awslogs"]["data"])))
        assert document == a_document("one", subscriptionFilters=[])
