from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openreplay_cw_stack.runtime.bridge.layout import MESSAGE_FIELDS, laid_out, shortened


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ('{"level": "ERROR", "message": "no stock"}', "no stock\nlevel: ERROR"),
        ('{"msg": "no stock", "time": 5}', "no stock\ntime: 5"),
        ('{"event": "no stock", "a": true, "b": null}', "no stock\na: true\nb: null"),
        ('{"stream": "stdout", "log": "no stock"}', "no stock\nstream: stdout"),
        ('{"event": "order", "msg": "m", "message": "no"}', "no\nevent: order\nmsg: m"),
        ('{"message": {"text": "t"}, "event": "order"}', 'order\nmessage: {"text": "t"}'),
        ('{"message": "", "event": "order"}', "order\nmessage: "),
        ('{"message": " \\n", "event": "order"}', "order\nmessage:  \n"),
        ('{"a": 1, "b": "two"}', "a: 1\nb: two"),
        ('{"message": "only"}', "only"),
        ('{"message": ""}', "message: "),
        ('{"message": "two\\nlines", "a": 1}', "two\nlines\na: 1"),
        ('{"msg": "Straße 😀", "ü": ["é"]}', 'Straße 😀\nü: ["é"]'),
    ],
)
def test_the_message_comes_first_then_a_field_per_line(message: str, text: str) -> None:
    assert laid_out(message) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ('{"a": {"b": [1, "x", {"c": null}]}}', 'a: {"b": [1, "x", {"c": null}]}'),
        ('{"a": {}, "b": []}', "a: {}\nb: []"),
        ('{"a": "quo\\"te", "b": ["quo\\"te"]}', 'a: quo"te\nb: ["quo\\"te"]'),
    ],
)
def test_nested_values_stay_json(value: str, text: str) -> None:
    assert laid_out(value) == text


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ('{"message": "one", "message": "two", "a": 1, "a": 2}', "one\ntwo\na: 1\na: 2"),
        ('{"message": "one", "message": {"b": 1}}', 'one\nmessage: {"b": 1}'),
        ('{"message": {"b": 1}, "message": "one"}', 'one\nmessage: {"b": 1}'),
        ('{"a": {"b": 1, "b": 2}}', 'a: {"b": 1, "b": 2}'),
    ],
)
def test_equal_names_are_all_kept(message: str, text: str) -> None:
    assert laid_out(message) == text


@pytest.mark.parametrize("around", ["{}", "\ufeff{}", "  {}\r\n", "\ufeff \t{}\n"])
def test_a_byte_order_mark_and_blanks_around_it_do_no_harm(around: str) -> None:
    assert laid_out(around.replace("{}", '{"msg": "m", "a": 1}')) == "m\na: 1"


@pytest.mark.parametrize(
    "message",
    [
        "",
        "{}",
        "plain text",
        '{"message": "cut of',
        '{"message": "m"} and more',
        'ERROR {"message": "m"}',
        '["message", "m"]',
        '"text"',
        "5",
        "{'message': 'm'}",
        '{"a": 1,}',
        "{" * 100_000 + "}" * 100_000,
        '{"a": ' + "[" * 100_000 + "]" * 100_000 + "}",
        '{"a": ' * 50_000 + "1" + "}" * 50_000,
        '{"a": ' + "9" * 5_000 + "}",
        '{"a": [-' + "9" * 5_000 + "]}",
    ],
)
def test_any_other_line_is_left_alone(message: str) -> None:
    assert laid_out(message) == message


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(MESSAGE_FIELDS) | st.text(max_size=5), json_values))
def test_every_value_is_there(document: dict[str, Any]) -> None:
    text = laid_out(json.dumps(document, ensure_ascii=False))
    for value in document.values():
        shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        assert shown in text


@given(st.text(st.characters(exclude_categories=())), st.booleans())
def test_whatever_the_line_it_is_laid_out(message: str, in_braces: bool) -> None:
    laid_out(f"{{{message}}}" if in_braces else message)


class TestShortened:
    @pytest.mark.parametrize("message", ["", "abc"])
    def test_a_short_message_is_whole(self, message: str) -> None:
        assert shortened(message, 3) == message

    def test_a_longer_one_says_what_is_missing(self) -> None:
        assert shortened("abcdef", 2) == "ab [cut: 4 more characters]"
        assert shortened("abcdef", 0) == " [cut: 6 more characters]"
