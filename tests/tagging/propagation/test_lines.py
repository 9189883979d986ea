from __future__ import annotations

import json
import string

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openreplay_cw_stack.tagging import Verdict, id_tag, judge, token_tag
from openreplay_cw_stack.tagging.propagation import counts
from openreplay_cw_stack.tagging.propagation.lines import tag_text
from tests.tagging.propagation.visitors import ANNA, BERT
from tests.tagging.tokens import tokens

TAG, OTHER = ANNA.tag, BERT.tag

pieces = st.sampled_from(
    [TAG, OTHER, f"{TAG} ", "\n", "\r\n", "\r", " ", "{", "}", '"message": "', '{"message":"hi"}']
    + ["{}", '"', "\\", ",", ":", "openReplaySession", "[", "]", "\x00", "\u2028", "é", "error"]
)
texts = st.lists(pieces | st.text(max_size=5), max_size=12).map("".join)


class TestLines:
    @pytest.mark.parametrize(
        ("text", "tagged"),
        [
            ("error", f"{TAG} error"),
            ("a\nb", f"{TAG} a\n{TAG} b"),
            ("a\n\n  \nb\n", f"{TAG} a\n\n  \n{TAG} b\n"),
            ("a\r\nb\r\n", f"{TAG} a\r\n{TAG} b\r\n"),
            ("", ""),
            ("\n", "\n"),
            ("  File", f"{TAG}   File"),
        ],
    )
    def test_each_that_is_not_blank_gets_the_tag(self, text: str, tagged: str) -> None:
        assert tag_text(text, TAG) == tagged

    @pytest.mark.parametrize("text", [f"{TAG} error", f"ERROR {TAG} error", f"error {TAG}"])
    def test_a_line_that_has_it_keeps_it_where_it_is(self, text: str) -> None:
        assert tag_text(text, TAG) == text

    def test_a_line_that_has_it_twice_has_it_once_then(self) -> None:
        text = f"failed: '{TAG} Traceback\\n{TAG}   File'"
        assert tag_text(text, TAG) == f"{TAG} failed: 'Traceback\\n  File'"

    @pytest.mark.parametrize("text", [f"he wrote {OTHER}", f"he wrote {OTHER} to {TAG}"])
    def test_another_visitors_tag_comes_second(self, text: str) -> None:
        tagged = tag_text(text, TAG)
        assert tagged.startswith(f"{TAG} he wrote {OTHER}")
        assert tagged.count(TAG) == 1

    @given(texts)
    def test_of_every_text(self, text: str) -> None:
        tagged = tag_text(text, TAG)
        assert tag_text(tagged, TAG) == tagged
        assert tagged.count("\n") == text.count("\n")
        if is_json_object(text):
            assert is_json_object(tagged)
            assert judge(tagged).session_id == ANNA.session_id
            return
        for line in tagged.split("\n"):
            if line and not line.isspace():
                assert line.count(TAG) == 1
                assert judge(line).session_id == ANNA.session_id

    @given(tokens, st.text(string.printable))
    def test_of_every_token(self, token: str, text: str) -> None:
        tag = token_tag(token)
        line = tag_text(text.replace("\n", " ") + "x", tag)
        assert judge(line).verdict is Verdict.LINKABLE


def is_json_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


documents = st.dictionaries(
    st.sampled_from(["message", "msg", "event", "level", 'a"b', ""]),
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | texts,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=3,
    ),
    max_size=6,
)


class TestJson:
    @pytest.mark.parametrize(
        ("text", "tagged"),
        [
            ('{"message":"hi"}', f'{{"message":"{TAG} hi"}}'),
            ('{"message": ""}\n', f'{{"message": "{TAG} "}}\n'),
            ('{"level": 1, "msg" : "hi"}', f'{{"level": 1, "msg" : "{TAG} hi"}}'),
            ('{"event": "hi", "message": "ho"}', f'{{"event": "hi", "message": "{TAG} ho"}}'),
            ('{"message": {"a": 1}}', f'{{"openreplay": "{TAG}", "message": {{"a": 1}}}}'),
            ('{"a": {"message": "hi"}}', f'{{"openreplay": "{TAG}", "a": {{"message": "hi"}}}}'),
            ("{}", f'{{"openreplay": "{TAG}"}}'),
            ('{\n "message": "hi"\n}', f'{{\n "message": "{TAG} hi"\n}}'),
            (
                f'{{"b": "{OTHER}", "message": "x"}}',
                f'{{"openreplay": "{TAG}", "b": "{OTHER}", "message": "x"}}',
            ),
            (
                f'{{"message": "{TAG} x", "exc": "{TAG} a\\n{TAG} b"}}',
                f'{{"message": "{TAG} x", "exc": "a\\nb"}}',
            ),
            (
                '{"message":"a"}\n{"message":"b"}\n',
                f'{{"message":"{TAG} a"}}\n{{"message":"{TAG} b"}}\n',
            ),
        ],
    )
    def test_the_tag_goes_into_the_message(self, text: str, tagged: str) -> None:
        assert tag_text(text, TAG) == tagged

    @pytest.mark.parametrize(
        "text",
        [
            "{",
            "{}x",
            '{"a"}',
            '{"a":}',
            '{"a":1,}',
            '{"a":1',
            '{"a":"',
            "{'a': 1}",
            "{,}",
            '{"a" 1}',
        ]
        + ['{"message": "a\tb"}', '{"a": 1 "b": 2}', "[1]", '"x"', '{"a":' + "[" * 5000 + "}"],
    )
    def test_what_is_none_is_text(self, text: str) -> None:
        assert tag_text(text, TAG) == f"{TAG} {text}"

    @settings(suppress_health_check=[HealthCheck.too_slow])
    @given(documents, st.sampled_from([None, 1]), st.booleans())
    def test_it_stays_the_same_document(
        self, document: dict[str, object], indent: int | None, ascii_only: bool
    ) -> None:
        text = json.dumps(document, indent=indent, ensure_ascii=ascii_only)
        tagged = tag_text(text, TAG)
        assert tag_text(tagged, TAG) == tagged
        assert tagged.count(TAG) == 1
        assert judge(tagged).session_id == ANNA.session_id
        found = json.loads(tagged)
        found.pop("openreplay", None)
        assert set(found) == set(document)


def test_an_id_tag_is_a_tag() -> None:
    tag = id_tag(7)
    assert tag_text("error", tag) == "[openReplaySession.id=7] error"
    assert tag_text(tag_text("error", tag), tag) == "[openReplaySession.id=7] error"


def test_a_fault_of_ours_leaves_the_text_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openreplay_cw_stack.tagging.propagation.lines._tag_line", None)
    assert tag_text("  error", TAG) == "  error"
    assert counts.counts()["untagged_texts"] == 1
    counts._counts["untagged_texts"] = 0
