"""The subscription filter selects every spelling of a session tag that ``judge`` knows."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.filter_pattern import compile_filter_pattern
from openreplay_cw_stack.contract.filter_pattern import FILTER_PATTERN
from openreplay_cw_stack.tagging import Verdict, find_tags, judge, remove_session_tokens
from tests.tagging.tokens import SESSION_ID, a_token

TOKEN = a_token()
SIGNATURE = TOKEN.rsplit(".", 1)[1]
selects = compile_filter_pattern(FILTER_PATTERN)
selected = st.from_regex(re.compile(FILTER_PATTERN.strip("%"), re.ASCII), fullmatch=True)

BETWEEN_WORDS = ["", "_", "-", " ", "_-", "_ ", "- ", "_- ", "\t"]
BEFORE_THE_LAST = ["", ".", "._", ".- ", "_", "-", " ", ". "]
SPELLINGS = [
    f"open{first}Replay{second}Session{third}{last}"
    for first, second, third, last in itertools.product(
        BETWEEN_WORDS, BETWEEN_WORDS, BEFORE_THE_LAST, ("Token", "Id")
    )
]
NAMES = [*SPELLINGS, *map(str.lower, SPELLINGS), *map(str.upper, SPELLINGS)]
NESTED = [
    '"openReplaySession": {{"id": {}',
    '"openReplaySession":{{"id":"{}"',
    "'OpenReplaySession': {{'ID': '{}'",
    '\\"openReplaySession\\":{{\\"id\\":\\"{}\\"',
    '"open_replay_session" : {{ "id" : {}',
]
SEPARATORS = [
    "=",
    " = ",
    "=>",
    " => ",
    ":",
    ": ",
    '": "',
    '"=>"',
    "&quot;:&quot;",
    "=&quot;",
    "&#61;",
    "&#x3d;",
    "%3D",
    "%253D",
    "%22%3A%22",
    "\\u003d",
    "\\\\u003d",
    "\\x3d",
    "\x1b[0m\x1b[2m=\x1b[0m",
    "\\u001b[0m=\\u001b[33m",
    "=\x1b[0m",
    "|",
    " | ",
    "->",
    " -> ",
    ">",
    '">',
    "&gt;",
    "(",
    " (",
    "[",
    "','",
    " ",
    "\n    ",
    "':\n  '",
]


def test_every_spelling_of_a_name_is_selected_and_judged() -> None:
    for name in NAMES:
        for line in (f"{name}={TOKEN}", f"{name}: {TOKEN}", f"{name} {SESSION_ID}", f"{name}="):
            assert selects(line), line
            assert judge(line).verdict is not Verdict.UNTAGGED, line


@pytest.mark.parametrize("nested", NESTED)
def test_an_id_in_an_object_of_its_own_is_selected_and_judged(nested: str) -> None:
    text = nested.format(SESSION_ID)
    for line in (text, f"{{{text}}}}}", f"INFO {text}"):
        assert selects(line)
        assert judge(line).verdict is not Verdict.UNTAGGED


@pytest.mark.parametrize("separator", SEPARATORS)
@pytest.mark.parametrize("name", ["openReplaySessionToken", "open_replay_session_token"])
def test_a_token_behind_any_separator_is_at_least_misspelled(name: str, separator: str) -> None:
    for token in (TOKEN, a_token(delay_ms=-5), a_token(delay_ms=None)):
        line = f'before {name}{separator}{token}" after'
        assert selects(line)
        assert judge(line).verdict not in (Verdict.UNTAGGED, Verdict.EMPTY_TOKEN)
        assert token.rsplit(".", 1)[1] not in remove_session_tokens(line)


@pytest.mark.parametrize("separator", SEPARATORS)
@pytest.mark.parametrize("name", ["openReplaySession.id", "openReplaySessionId"])
def test_an_id_behind_any_separator_is_at_least_misspelled(name: str, separator: str) -> None:
    line = f'before {name}{separator}{SESSION_ID}" after'
    assert selects(line)
    assert judge(line).verdict not in (Verdict.UNTAGGED, Verdict.EMPTY_TOKEN)


@given(st.text(max_size=40), selected, st.sampled_from(SEPARATORS), st.text(max_size=40))
def test_what_the_filter_selects_has_a_verdict_where_a_token_follows(
    before: str, name: str, separator: str, after: str
) -> None:
    line = f"{before} {name}{separator}{TOKEN} {after}"
    if re.search(r"session\W+id\Z", name, re.IGNORECASE | re.ASCII):
        # The filter cannot ask for the braces and quotes of an object.
        return
    assert judge(line).verdict is not Verdict.UNTAGGED


@given(st.text(), st.sampled_from(NAMES), st.text())
def test_whatever_judge_finds_is_delivered(before: str, name: str, after: str) -> None:
    line = f"{before}{name}{after}"
    if judge(line).verdict is not Verdict.UNTAGGED or any(find_tags(line)):
        assert selects(line)


@pytest.mark.parametrize(
    "line",
    ["", "replay the session", "open the replay", "X-OpenReplay", "opensearch session token"],
)
def test_other_lines_cost_nothing(line: str) -> None:
    assert not selects(line)
