from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openreplay_cw_stack.runtime.validator.skimming import skim_payload
from openreplay_cw_stack.runtime.validator.subscription import (
    Payload,
    may_be_tagged,
    parse_payload,
    read_event,
)
from tests.runtime.payloads import CONTROL_MESSAGE, NOW_MS, a_document


def compact(document: object, *, ascii_only: bool = False) -> bytes:
    text = json.dumps(document, ensure_ascii=ascii_only, separators=(",", ":"))
    return text.encode("utf-8", "replace")


def said(payload: Payload | None) -> object:
    if payload is None:
        return None
    events = map(read_event, payload.tagged)
    # An escape may look like the "r" of "replay".
    tagged = [event for event in events if may_be_tagged(event.message)]
    untagged = payload.untagged + len(payload.tagged) - len(tagged)
    return payload.subscription, payload.unreadable, untagged, tagged


messages = st.lists(
    st.sampled_from(
        [
            "replay",
            "\replay",
            "[openReplaySessionToken=x]",
            '"',
            "\\",
            '\\"',
            '"},{"id":"',
            '"},{"id":"7","timestamp":7,"message":"',
            '"}]}',
            '"logEvents":[{"id":"',
            "\n",
            "\x1b",
            "é",
            "line",
        ]
    )
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    max_size=6,
).map("".join)


@settings(max_examples=300)
@given(st.lists(messages, min_size=1, max_size=8), st.booleans(), st.integers(-9, NOW_MS))
def test_what_cloudwatch_writes_is_skimmed_and_says_what_parsing_says(
    lines: list[str], ascii_only: bool, timestamp: int
) -> None:
    document = a_document(*lines)
    document["logEvents"][-1]["timestamp"] = timestamp
    text = compact(document, ascii_only=ascii_only)
    assert skim_payload(text) is not None
    assert said(skim_payload(text)) == said(parse_payload(text))


def test_any_order_of_the_fields_before_the_events() -> None:
    document = a_document("a replay", "none")
    for name in ("messageType", "owner", "subscriptionFilters"):
        events = document.pop("logEvents")
        document[name] = document.pop(name)
        document["logEvents"] = events
        text = compact(document)
        assert skim_payload(text) is not None
        assert said(skim_payload(text)) == said(parse_payload(text))


def with_events(*events: str) -> bytes:
    head = compact(a_document()).decode().removesuffix("]}")
    return f"{head}{','.join(events)}]}}".encode()


def an_event(message: str = '"a replay"', **changes: str) -> str:
    fields = {"id": '"1"', "timestamp": "5", "message": message, **changes}
    return "{" + ",".join(f'"{name}":{value}' for name, value in fields.items()) + "}"


OTHER_EVENTS = [
    an_event(x='"y"'),
    an_event(x='[{"a":"b"},{"id":"c"}]'),
    an_event(x='"y"', message='"a replay\\\\"'),
    an_event(message='"a","message":"a replay"'),
    an_event(message=' "a replay"'),
    an_event(message="5"),
    an_event(timestamp="1.5"),
    an_event(timestamp='"5"'),
    an_event(timestamp="5" * 30),
    an_event(id='"\\u0031"'),
    an_event(id="1"),
    '{"timestamp":5,"id":"1","message":"a replay"}',
    '{ "id":"1","timestamp":5,"message":"a replay"}',
    '{"id":"1"}',
    "null",
    "[]",
]


@pytest.mark.parametrize("event", OTHER_EVENTS)
def test_a_first_event_of_another_form_is_for_parsing(event: str) -> None:
    for events in ([event], [event, an_event()]):
        assert skim_payload(with_events(*events)) is None


@pytest.mark.parametrize("event", [event for event in OTHER_EVENTS if "replay" in event])
def test_a_tagged_event_of_another_form_is_for_parsing(event: str) -> None:
    for events in ([an_event(), event], [an_event(), event, an_event()]):
        assert skim_payload(with_events(*events)) is None


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xff",
        b"{}",
        b"[]",
        compact(a_document()),
        compact(CONTROL_MESSAGE),
        compact(a_document("a replay", logGroup="")),
        compact(a_document("a replay"))[:-1],
        compact(a_document("a replay")) + b" ",
        compact({**a_document("a replay"), "more": 1}),
        compact([a_document("a replay")]),
        compact({"x": a_document("a replay")}),
        compact(a_document("a replay")).decode().encode("utf-16"),
        json.dumps(a_document("a replay")).encode(),
    ],
)
def test_a_document_of_another_form_is_for_parsing(text: bytes) -> None:
    assert skim_payload(text) is None


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | messages,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(messages, inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(list(a_document("one"))), json_values, max_size=2))
def test_whatever_it_takes_is_what_parsing_takes(changes: dict[str, Any]) -> None:
    text = compact({**a_document("one", "a replay"), **changes})
    skimmed = skim_payload(text)
    assert skimmed is None or said(skimmed) == said(parse_payload(text))
