from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openreplay_cw_stack.runtime.linked_line import LinkedLine
from openreplay_cw_stack.runtime.parked_lines import NotParkedLines, ParkedLines
from tests.runtime.payloads import LOG_GROUP, NOW_MS

TEXTS = st.text(st.characters(exclude_categories=()), max_size=30)


def a_message(**changes: Any) -> str:
    parked = ParkedLines(LOG_GROUP, LOG_GROUP, NOW_MS, ["{}"])
    return json.dumps({**json.loads(parked.encode()), **changes})


def packed(content: bytes) -> str:
    return base64.b64encode(gzip.compress(content)).decode()


@given(st.lists(TEXTS, max_size=5), TEXTS)
def test_what_is_parked_comes_back_to_the_letter(messages: list[str], group: str) -> None:
    lines = [
        LinkedLine(7, NOW_MS, str(number), "1", LOG_GROUP, "s", "info", message).encode()
        for number, message in enumerate(messages)
    ]
    parked = ParkedLines(group, group, NOW_MS, lines)
    text = parked.encode()
    assert text.isascii()
    assert ParkedLines.decode(text) == parked


def test_the_form_is_the_documented_one() -> None:
    document = json.loads(ParkedLines("/a", "/s", 5, ["{}", "[]"]).encode())
    assert gzip.decompress(base64.b64decode(document.pop("lines"))) == b"{}\n[]"
    assert document == {"v": 1, "log_group": "/a", "stream": "/s", "arrival_ms": 5}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "not parked lines"),
        ("{}", "not parked lines"),
        (a_message(v=2), "not parked lines of a known version"),
        (a_message(v=True), "not parked lines of a known version"),
        (a_message(stream=None), "no text"),
        (a_message(log_group=5), "no text"),
        (a_message(lines=["a"]), "no text"),
        (a_message(arrival_ms="5"), "no whole number"),
        (a_message(arrival_ms=True), "no whole number"),
        (a_message(lines="é"), "not gzip"),
        (a_message(lines="AAAA"), "not gzip"),
        (a_message(lines=packed(b"\xff")), "not gzip"),
        (a_message(lines=packed(b"a" * 99)[:-8]), "not gzip"),
        ('{"requestPayload": {"awslogs": {"data": "a line of a customer"}}}', "not parked lines"),
    ],
)
def test_what_is_none_is_refused_and_never_quoted(text: str, words: str) -> None:
    with pytest.raises(NotParkedLines, match=words) as refused:
        ParkedLines.decode(text)
    assert "customer" not in str(refused.value)
    assert refused.value.__context__ is None or refused.value.__suppress_context__
