from __future__ import annotations

import base64
import contextlib
import gzip
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openreplay_cw_stack.runtime.validator.subscription import (
    InvalidPayload,
    LogEvent,
    Subscription,
    decompress,
)
from openreplay_cw_stack.tagging.redaction import REMOVED
from tests.runtime.payloads import (
    CONTROL_MESSAGE,
    LOG_GROUP,
    LOG_STREAM,
    NOW_MS,
    OWNER,
    a_document,
    an_event,
    decode,
    encode,
)
from tests.tagging.tokens import a_token


def test_every_event_is_read_in_order() -> None:
    payload = decode(an_event(a_document("one", "two")))
    assert payload is not None
    assert payload.subscription == Subscription(OWNER, LOG_GROUP, LOG_STREAM)
    assert payload.log_events == (
        LogEvent("0" * 56, NOW_MS, "one"),
        LogEvent("0" * 55 + "1", NOW_MS + 1, "two"),
    )
    assert payload.unreadable == 0


def test_a_control_message_has_no_lines() -> None:
    assert decode(an_event(CONTROL_MESSAGE)) is None


def test_a_session_token_in_the_name_of_a_log_stream_is_removed() -> None:
    for name, shown in ((a_token(), REMOVED), (f"web [{a_token()}]", f"web [{REMOVED}]")):
        payload = decode(an_event(a_document("one", logStream=name)))
        assert payload is not None
        assert payload.subscription == Subscription(OWNER, LOG_GROUP, shown)


def test_unknown_fields_are_left_alone() -> None:
    document = a_document("one", policyLevel="ACCOUNT_LEVEL_POLICY")
    document["logEvents"][0]["extractedFields"] = {"a": "b"}
    payload = decode(an_event(document))
    assert payload is not None
    assert len(payload.log_events) == 1


@pytest.mark.parametrize(
    "entry",
    [
        None,
        "a line",
        {},
        {"id": 1, "timestamp": 1, "message": "m"},
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
    payload = decode(an_event(document))
    assert payload is not None
    assert [event.message for event in payload.log_events] == ["one", "two"]
    assert payload.unreadable == 1


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        "text",
        {},
        {"awslogs": None},
        {"awslogs": {}},
        {"awslogs": {"data": None}},
        {"awslogs": {"data": 5}},
        {"awslogs": {"data": ""}},
        {"awslogs": {"data": "***"}},
        {"awslogs": {"data": "é"}},
        {"awslogs": {"data": base64.b64encode(b"not gzip").decode()}},
        {"awslogs": {"data": encode(b'{"messageType": "DATA_MESSAGE"}' * 99)[:40]}},
        {"awslogs": {"data": encode(b"not json")}},
        {"awslogs": {"data": encode(b"\xff\xfe\xfd")}},
        {"awslogs": {"data": encode(b"[" * 100_000)}},
        {"awslogs": {"data": encode(b"[]")}},
        an_event({}),
        an_event(a_document(messageType="SOMETHING_NEW")),
        an_event(a_document(logEvents=None)),
        an_event(a_document(logEvents={"id": 1})),
        an_event(a_document("one", logGroup=None)),
        an_event(a_document("one", logGroup="")),
        an_event(a_document("one", logStream=7)),
        an_event(a_document("one", owner=[])),
        {"Records": [{"body": "an SQS message"}]},
    ],
)
def test_anything_else_is_refused(event: object) -> None:
    with pytest.raises(InvalidPayload):
        decode(event)


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(json_values, st.dictionaries(st.sampled_from(list(a_document())), json_values))
def test_whatever_comes_it_is_read_or_refused(event: Any, changes: dict[str, Any]) -> None:
    for candidate in (event, an_event(event), an_event({**a_document("one"), **changes})):
        with contextlib.suppress(InvalidPayload):
            decode(candidate)


@given(
    st.lists(st.binary(max_size=50).map(gzip.compress), max_size=3).map(b"".join),
    st.sampled_from([b"", b"\0\0", b"x", b"\x1f\x8b"]),
    st.integers(0, 80),
    st.integers(0, 255),
)
def test_gzip_is_read_as_the_standard_library_does(
    members: bytes, behind: bytes, at: int, value: int
) -> None:
    changed = members[:at] + bytes([value]) + members[at + 1 :]
    for data in (members + behind, members[:at], changed):
        event = {"awslogs": {"data": base64.b64encode(data).decode()}}
        try:
            expected = gzip.decompress(data)
        except (OSError, EOFError, zlib.error):
            with pytest.raises(InvalidPayload):
                decompress(event)
        else:
            assert decompress(event) == expected
