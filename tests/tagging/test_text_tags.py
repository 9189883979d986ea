from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openreplay_cw_stack.tagging import (
    TagForm,
    Verdict,
    find_tags,
    id_tag,
    judge,
    token_tag,
)
from tests.tagging.tokens import SESSION_ID, a_token, tokens

TOKEN = a_token()


class TestFindingTags:
    @pytest.mark.parametrize(
        ("text", "value"),
        [
            (f"openReplaySessionToken={TOKEN}", TOKEN),
            (f"[openReplaySessionToken={TOKEN}] boom", TOKEN),
            (f"so it was openReplaySessionToken={TOKEN}.", TOKEN),
            (f"so it was openReplaySessionToken={TOKEN}... and then", TOKEN),
            (f"openReplaySessionToken={TOKEN}-1", TOKEN),
            (f'{{"message": "openReplaySessionToken={TOKEN}"}}', TOKEN),
            (f'"openReplaySessionToken={TOKEN}\\n next"', TOKEN),
            ("openReplaySessionToken=", ""),
            ("[openReplaySessionToken=]", ""),
            ("openReplaySessionToken= error", ""),
            ('openReplaySessionToken="" error', ""),
            ("openReplaySessionToken=None", "None"),
            ("openReplaySessionToken=****", "****"),
            (f'openReplaySessionToken="{TOKEN}"', f'"{TOKEN}"'),
            ("openReplaySessionToken={token}", "{token"),
            ("openReplaySessionToken=%s", "%s"),
        ],
    )
    def test_token_form(self, text: str, value: str) -> None:
        (tag,) = find_tags(text)
        assert tag.form is TagForm.TOKEN
        assert tag.value == text[tag.value_start : tag.value_end] == value

    @pytest.mark.parametrize(
        ("text", "value"),
        [
            (id_tag(SESSION_ID), str(SESSION_ID)),
            ("openReplaySession.id=12.", "12"),
            ("openReplaySession.id=12abc", "12abc"),
            ("openReplaySession.id=-12", "-12"),
            ("openReplaySession.id=4,118,192,481,894,400,256", "4,118,192,481,894,400,256"),
            ("openReplaySession.id=4118144119896553030,200,GET", "4118144119896553030"),
            ("openReplaySession.id=", ""),
        ],
    )
    def test_id_form(self, text: str, value: str) -> None:
        (tag,) = find_tags(text)
        assert tag.form is TagForm.ID
        assert tag.value == value

    @pytest.mark.parametrize(
        "text",
        [
            f"openreplaysessiontoken={TOKEN}",
            f"ctx_openReplaySessionToken: {TOKEN}",
            f"OPENREPLAYSESSIONTOKEN={TOKEN}",
            f"OpenReplaySessionToken={TOKEN}",
            f"openreplay_session_token={TOKEN}",
            f"openReplaySessionToken = {TOKEN}",
            f"openReplaySessionToken= {TOKEN}",
            f"openReplaySessionToken ={TOKEN}",
            f"openReplaySessionToken:{TOKEN}",
            f"openReplaySessionToken: {TOKEN}",
            f"openReplaySessionToken%3D{TOKEN}",
            f"[openReplaySessionToken {TOKEN}]",
            f'{{"openReplaySessionToken": "{TOKEN}"}}',
            f'{{\\"openReplaySessionToken\\":\\"{TOKEN}\\"}}',
            f"{{'openReplaySessionToken': '{TOKEN}'}}",
            f"openReplaySession.Id={SESSION_ID}",
            f"openReplaySessionId={SESSION_ID}",
            f"openReplaySession.id: {SESSION_ID}",
            f"openReplaySession.id= {SESSION_ID}",
            f'{{"openReplaySession.id": {SESSION_ID}}}',
        ],
    )
    def test_misspelled(self, text: str) -> None:
        (tag,) = find_tags(text)
        assert tag.form is TagForm.MISSPELLED

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "the openReplaySessionToken is missing",
            "openReplaySession.identity",
            f"X-OpenReplay-SessionToken: {TOKEN}",
            f"x-openreplay-sessiontoken: {TOKEN}",
            f"HTTP_X_OPENREPLAY_SESSIONTOKEN: {TOKEN}",
            "openReplay session started",
            f"openReplaySeſſionToken={TOKEN}",
        ],
    )
    def test_no_tag(self, text: str) -> None:
        assert list(find_tags(text)) == []

    def test_brackets_belong_to_the_tag_where_both_are_there(self) -> None:
        text = f"a [openReplaySessionToken={TOKEN}] b"
        (tag,) = find_tags(text)
        assert text[: tag.start] + text[tag.end :] == "a  b"
        (tag,) = find_tags(f"openReplaySessionToken={TOKEN}]")
        assert tag.end == tag.value_end

    @given(st.lists(st.tuples(st.text(), tokens), min_size=1, max_size=5))
    def test_every_tag_is_found_in_any_text(self, pieces: list[tuple[str, str]]) -> None:
        text = "".join(f"{before}\n{token_tag(token)}" for before, token in pieces)
        values = [tag.value for tag in find_tags(text) if tag.form is TagForm.TOKEN]
        assert [value for value in values if value in text][-len(pieces) :] == [
            token for _, token in pieces
        ]


def test_what_stands_behind_the_next_name_is_that_ones() -> None:
    tags = list(find_tags(f"openReplaySessionToken= {token_tag(TOKEN)}"))
    assert [(tag.form, tag.value) for tag in tags] == [
        (TagForm.TOKEN, ""),
        (TagForm.TOKEN, TOKEN),
    ]


@pytest.mark.parametrize(
    "text",
    [
        f"openReplaySessionToken is missing {'.' * 64} {TOKEN}",
        f"openReplaySessionId {SESSION_ID}abc",
        "openReplaySessionId 12345",
    ],
)
def test_what_does_not_belong_to_a_name(text: str) -> None:
    assert judge(text).verdict is Verdict.UNTAGGED


@pytest.mark.parametrize(
    "separator", [" = ", ":", ": ", '": "', "=>", " => ", "==", "%3D", "%3d", "']=", ") : "]
)
@pytest.mark.parametrize("name", ["open_replay_session_token", "openReplaySessionID"])
def test_a_name_with_a_separator_and_another_value(name: str, separator: str) -> None:
    """What has neither a token nor an id behind it."""
    assert judge(f"{name}{separator}null").verdict is Verdict.MISSPELLED_TAG
    assert [tag.value for tag in find_tags(f"{name}{separator}null")] == ["null"]
