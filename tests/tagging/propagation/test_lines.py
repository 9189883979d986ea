from __future__ import annotations

import json
import re
import string

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openreplay_cw_stack.tagging import Verdict, id_tag, judge, token_tag
from openreplay_cw_stack.tagging.propagation import counts
from openreplay_cw_stack.tagging.propagation.lines import FIELD_NAMES, tag_text
from tests.tagging.propagation.visitors import ANNA, BERT, field_of
from tests.tagging.tokens import tokens

TAG, OTHER = ANNA.tag, BERT.tag
FIELD = field_of(ANNA)

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
                assert line.count(str(ANNA.token)) == 1
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
    st.sampled_from(["message", "level", 'a"b', "", *sorted(FIELD_NAMES)]),
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
            ('{"message":"hi"}', f'{{{FIELD}, "message":"hi"}}'),
            ('{"message": ""}\n', f'{{{FIELD}, "message": ""}}\n'),
            ('  {"level": 1, "msg" : "hi"} ', f'  {{{FIELD}, "level": 1, "msg" : "hi"}} '),
            ('\ufeff{ "a": {"message": "hi"} }', f'\ufeff{{ {FIELD}, "a": {{"message": "hi"}} }}'),
            ("{}", f"{{{FIELD}}}"),
            ('{\n "message": "hi"\n}', f'{{\n {FIELD}, "message": "hi"\n}}'),
            (f'{{"b": "{OTHER}"}}', f'{{{FIELD}, "b": "{OTHER}"}}'),
            (
                f'{{"message": "{TAG} x", "exc": "{TAG} a\\n{TAG} b"}}',
                f'{{{FIELD}, "message": "x", "exc": "a\\nb"}}',
            ),
            (
                '{"message":"a"}\n{"message":"b"}\n',
                f'{{{FIELD}, "message":"a"}}\n{{{FIELD}, "message":"b"}}\n',
            ),
        ],
    )
    def test_the_field_is_the_first_member(self, text: str, tagged: str) -> None:
        assert tag_text(text, TAG) == tagged

    @pytest.mark.parametrize(
        "text",
        [
            f'{{"message":"hi","openReplaySessionToken":"{ANNA.token}"}}',
            f'{{"openReplaySession\\u0054oken" : "{ANNA.token}", "message": "hi"}}',
            f'{{"a": 1, {FIELD}, "openReplaySession.id": "{ANNA.session_id}"}}',
            f'{{{FIELD}, "openReplaySession": {{"id": "{ANNA.session_id}", "url": "x"}}}}',
            f'{{{FIELD}, "openReplaySession": "x"}}',
        ],
    )
    def test_a_line_that_has_it_keeps_it_where_it_is(self, text: str) -> None:
        assert tag_text(text, TAG) == text

    @pytest.mark.parametrize(
        ("text", "tagged"),
        [
            (
                f'{{"a":1,"openReplaySessionToken":"{BERT.token}","b":2}}',
                f'{{"a":1,{FIELD},"b":2}}',
            ),
            ('{"a":1 , "openReplaySession\\u0054oken" : ""}', f'{{"a":1 , {FIELD}}}'),
            ('{"openReplaySessionToken": null}', f"{{{FIELD}}}"),
            ('{"openReplaySessionToken": {"a": [1]}, "b": 2}', f'{{{FIELD}, "b": 2}}'),
            (f'{{{FIELD}, "a": 1 , {FIELD} }}', f'{{{FIELD}, "a": 1 }}'),
            (
                f'{{"openReplaySessionToken":"{BERT.token}", {FIELD},"a":1,{FIELD}}}',
                f'{{{FIELD},"a":1}}',
            ),
            ('{"a": 1, "openReplaySession.id": "7", "b": 2}', f'{{"a": 1, {FIELD}, "b": 2}}'),
            ('{"a": 1, "openReplaySession": {"id": "7"}}', f'{{"a": 1, {FIELD}}}'),
            (f'{{{FIELD}, "openReplaySession.id": {ANNA.session_id}}}', f"{{{FIELD}}}"),
            (
                f'{{"openReplaySession.id":"7", "a":1, {FIELD}, "openReplaySession": {{"id":7}}}}',
                f'{{{FIELD}, "a":1}}',
            ),
        ],
    )
    def test_it_stands_in_the_place_of_what_contradicts_it(self, text: str, tagged: str) -> None:
        assert tag_text(text, TAG) == tagged

    @pytest.mark.parametrize(
        "visitors",
        [
            f'"openReplaySessionToken": "{BERT.token}"',
            f'"openReplaySession\\u0054oken": "{BERT.token}"',
            f'"openReplaySession.id": "{BERT.session_id}"',
            f'"openReplaySession": {{"id": "{BERT.session_id}"}}',
        ],
    )
    @pytest.mark.parametrize(
        "line",
        [
            '{{"message": "hi", {0}}}',
            '{{{0}, "message": "hi"}}',
            "{{{0}, {0}}}",
            '{{"context": {{{0}}}, "message": {{{0}}}}}',
            '{{"body": [{{{0}}}], "log": "{{}}"}}',
        ],
    )
    def test_what_a_visitor_sends_takes_no_line_into_another_session(
        self, line: str, visitors: str
    ) -> None:
        tagged = tag_text(line.format(visitors), TAG)
        assert judge(tagged).session_id == ANNA.session_id
        assert len(re.findall(f'"openReplaySession.*?": "{ANNA.token}"', tagged)) == 1

    def test_an_id_field(self) -> None:
        tag, field = id_tag(7), '"openReplaySession.id": "7"'
        assert tag_text('{"message": "hi"}', tag) == f'{{{field}, "message": "hi"}}'
        assert tag_text(f'{{{FIELD}, "openReplaySession.id": 7}}', tag) == f"{{{field}}}"
        assert tag_text(f'{{"a": 1, {field}}}', tag) == f'{{"a": 1, {field}}}'

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
        assert judge(tagged).session_id == ANNA.session_id
        found = json.loads(tagged)
        assert found.pop("openReplaySessionToken") == ANNA.token
        # Compared as texts, since NaN is not equal to itself.
        expected = {key: value for key, value in document.items() if key not in FIELD_NAMES}
        found = {key: value for key, value in found.items() if key not in FIELD_NAMES}
        assert json.dumps(found) == json.dumps(expected).replace(f"{TAG} ", "").replace(TAG, "")


def test_an_id_tag_is_a_tag() -> None:
    tag = id_tag(7)
    assert tag_text("error", tag) == "[openReplaySession.id=7] error"
    assert tag_text(tag_text("error", tag), tag) == "[openReplaySession.id=7] error"


def test_a_fault_of_ours_leaves_the_text_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openreplay_cw_stack.tagging.propagation.lines._tag_line", None)
    assert tag_text("  error", TAG) == "  error"
    assert counts.counts()["untagged_texts"] == 1
    counts._counts["untagged_texts"] = 0
