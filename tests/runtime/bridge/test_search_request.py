from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openreplay_cw_stack.runtime.bridge.search_request import (
    SearchRequest,
    UnsupportedQuery,
    parse_search_request,
)

PHRASE = "openReplaySession.id=4118144119896553030"


def a_body(**document: Any) -> bytes:
    return json.dumps(document).encode()


def phrase(value: Any, **document: Any) -> bytes:
    return a_body(query={"match_phrase": {"message": value}}, **document)


def test_openreplays_question() -> None:
    body = b'{"size":1000,"query":{"match_phrase":{"message":"openReplaySession.id=42"}}}'
    assert parse_search_request(body) == SearchRequest(1000, 42)


def test_its_test_of_the_credentials() -> None:
    assert parse_search_request(b'{"size": 1}') == SearchRequest(1, matches_any=True)


@pytest.mark.parametrize(
    ("body", "question"),
    [
        (b"", SearchRequest(10, matches_any=True)),
        (b"{}", SearchRequest(10, matches_any=True)),
        (a_body(query={"match_all": {}}, size=0), SearchRequest(0, matches_any=True)),
        (phrase(PHRASE), SearchRequest(10, 4118144119896553030)),
        (phrase({"query": PHRASE, "slop": 0}), SearchRequest(10, 4118144119896553030)),
        (phrase(f" [{PHRASE}] "), SearchRequest(10, 4118144119896553030)),
        (phrase(PHRASE, track_total_hits=True, sort=["x"]), SearchRequest(10, 4118144119896553030)),
        (phrase("openReplaySession.id=18446744073709551615"), SearchRequest(10, 2**64 - 1)),
        (phrase("openReplaySession.id=18446744073709551616"), SearchRequest(10)),
        (phrase("openReplaySession.id=" + "9" * 70), SearchRequest(10)),
        (phrase("openReplaySession.id=-1"), SearchRequest(10)),
        (phrase("openReplaySession.id=12a"), SearchRequest(10)),
        (phrase("openReplaySession.id="), SearchRequest(10)),
        (phrase("openReplaySession.id=١"), SearchRequest(10)),
        (phrase("something else"), SearchRequest(10)),
    ],
)
def test_questions(body: bytes, question: SearchRequest) -> None:
    assert parse_search_request(body) == question


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"{", "x_content_parse_exception"),
        (b"\xff", "x_content_parse_exception"),
        (b"[" * 60_000, "x_content_parse_exception"),
        (b"[]", "parsing_exception"),
        (b"null", "parsing_exception"),
        (a_body(size=-1), "illegal_argument_exception"),
        (a_body(size=10_001), "illegal_argument_exception"),
        (a_body(size="1"), "illegal_argument_exception"),
        (a_body(size=True), "illegal_argument_exception"),
        (a_body(size=1.5), "illegal_argument_exception"),
        (a_body(query=None), "parsing_exception"),
        (a_body(query={}), "parsing_exception"),
        (a_body(query={"match_all": {}, "term": {}}), "parsing_exception"),
        (a_body(query={"term": {"message": PHRASE}}), "parsing_exception"),
        (a_body(query={"match_phrase": PHRASE}), "parsing_exception"),
        (a_body(query={"match_phrase": {"text": PHRASE}}), "parsing_exception"),
        (a_body(query={"match_phrase": {"message": PHRASE, "x": 1}}), "parsing_exception"),
        (phrase(None), "parsing_exception"),
        (phrase(["a"]), "parsing_exception"),
        (phrase({"query": 5}), "parsing_exception"),
    ],
)
def test_other_bodies_are_refused_by_name(body: bytes, kind: str) -> None:
    with pytest.raises(UnsupportedQuery) as refused:
        parse_search_request(body)
    assert refused.value.kind == kind
    assert "4118144119896553030" not in str(refused.value)


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)


@given(st.binary(max_size=60) | st.builds(lambda query: a_body(query=query), json_values))
def test_whatever_the_body_it_is_read_or_refused(body: bytes) -> None:
    try:
        assert parse_search_request(body).size >= 0
    except UnsupportedQuery as refused:
        assert refused.kind.endswith("_exception")  # noqa: PT017
