"""The Node.js package and the Python package agree on the same vectors."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openreplay_cw_stack.tagging import MalformedToken, find_tags, parse_token
from openreplay_cw_stack.tagging.grammar import parse_session_id
from openreplay_cw_stack.tagging.propagation import HEADER_NAME, HeaderReader
from openreplay_cw_stack.tagging.propagation.lines import tag_text
from tests.contract.test_filter_pattern import NAMES, NESTED, SEPARATORS
from tests.nodejs.conftest import Ask
from tests.tagging.propagation.test_lines import documents, texts
from tests.tagging.propagation.test_session import HOSTILE
from tests.tagging.propagation.visitors import ANNA, BERT
from tests.tagging.test_conformance import LINES
from tests.tagging.tokens import tokens

MESSAGES = [line["message"] for line in LINES]
FOUND = sorted({tag.value for message in MESSAGES for tag in find_tags(message)})
same_process = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def token_by_python(text: str) -> Any:
    try:
        token = parse_token(text)
    except MalformedToken:
        return {"error": "MalformedToken"}
    numbers = (token.session_id, token.delay_ms, token.expires_ms)
    texts = [None if number is None else str(number) for number in numbers]
    return [*texts, token.signature.hex(), token.signed_text]


def id_by_python(text: str) -> Any:
    try:
        return str(parse_session_id(text))
    except ValueError:
        return {"error": "RangeError"}


class TestGrammar:
    def test_tokens_of_the_conformance_lines(self, ask: Ask) -> None:
        assert len(FOUND) > 400
        for text in FOUND:
            assert ask("token", text) == token_by_python(text)
            assert ask("id", text) == id_by_python(text)

    @given(tokens, st.data())
    @same_process
    def test_malformed_tokens(self, ask: Ask, token: str, data: st.DataObject) -> None:
        assert ask("token", token) == token_by_python(token)
        position = data.draw(st.integers(0, len(token) - 1))
        piece = data.draw(st.sampled_from(["", "-", ".", "0", "1", "z", "Z", "l", "é", "\n", "٣"]))
        text = token[:position] + piece + token[position + data.draw(st.integers(0, 2)) :]
        assert ask("token", text) == token_by_python(text)

    @given(st.from_regex(r"0{0,3}[0-9]{0,21}[-+._eéx ٣]?") | st.integers(0, 2**65).map(str))
    @same_process
    def test_ids(self, ask: Ask, text: str) -> None:
        assert ask("id", text) == id_by_python(text)

    @pytest.mark.parametrize("value", HOSTILE, ids=range(len(HOSTILE)))
    def test_headers(self, ask: Ask, value: object) -> None:
        if isinstance(value, bytes):
            return
        assert ask("header", [value]) is None
        assert HeaderReader().read(lambda name: [value] if name == HEADER_NAME else []) is None

    def test_headers_that_name_a_session(self, ask: Ask) -> None:
        token = ANNA.token
        for values in ([token], [token, token], [f"{token}, {token}"]):
            assert ask("header", values) == str(ANNA.session_id)
        for values in ([token, BERT.token], [f"{token},{BERT.token}"], [f"{token}\t,{token}"]):
            assert ask("header", values) is None


class TestLines:
    def test_conformance_lines(self, ask: Ask) -> None:
        for message in MESSAGES:
            for tag in (ANNA.tag, f"[openReplaySession.id={ANNA.session_id}]"):
                assert ask("tag", [message, tag]) == tag_text(message, tag)

    def test_every_spelling_of_a_name(self, ask: Ask) -> None:
        for name in NAMES:
            line = f"{name}={BERT.token}"
            assert ask("tag", [line, ANNA.tag]) == tag_text(line, ANNA.tag)

    def test_every_separator_and_notation(self, ask: Ask) -> None:
        values = [str(BERT.token), str(BERT.session_id), str(ANNA.session_id)]
        lines = [f"openReplaySessionToken{one}{value}" for one in SEPARATORS for value in values]
        lines += [one.format(value) for one in NESTED for value in values]
        lines += [f"{{{line}}}" for line in lines] + [f"{{{line}}}}}" for line in lines]
        for line in lines:
            assert ask("tag", [line, ANNA.tag]) == tag_text(line, ANNA.tag)

    @given(texts)
    @settings(same_process, max_examples=400)
    def test_texts(self, ask: Ask, text: str) -> None:
        assert ask("tag", [text, ANNA.tag]) == tag_text(text, ANNA.tag)

    @given(documents, st.sampled_from([(",", ":"), (", ", ": ")]), st.sampled_from([None, 1]))
    @settings(same_process, max_examples=400)
    def test_documents(
        self, ask: Ask, document: dict[str, Any], separators: tuple[str, str], indent: int | None
    ) -> None:
        text = json.dumps(document, separators=separators, indent=indent)
        if re.search(r"\b(?:NaN|Infinity)\b", text):
            # Python's parser accepts these names, but they are not JSON.
            return
        assert ask("tag", [text, ANNA.tag]) == tag_text(text, ANNA.tag)
        if indent is None:
            assert ask("line", [text, ANNA.token]) == tag_text(text, ANNA.tag)
