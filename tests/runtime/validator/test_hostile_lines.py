"""Hostile lines: which tag decides, what is removed and which level counts."""

from __future__ import annotations

import json
import pprint

import pytest

from openreplay_cw_stack.runtime.validator.linking import WITHHELD
from openreplay_cw_stack.runtime.validator.log_level import level_of
from openreplay_cw_stack.tagging import (
    TagForm,
    Verdict,
    find_tags,
    id_tag,
    judge,
    remove_session_tokens,
    token_tag,
)
from openreplay_cw_stack.tagging.redaction import REMOVED
from openreplay_cw_stack.tagging.verdict import MAX_TAGS, decisive_tag, judge_token
from tests.runtime.validator.test_linking import GOOD, UNCHECKED, linked
from tests.tagging.test_fields import CONFLICT, OWN, TOKEN, VICTIM, VICTIMS_BODY, line, outcome
from tests.tagging.tokens import NOW_MS, SESSION_ID, a_token


@pytest.mark.parametrize("name", ["body", "user_agent", "error", "extra", "fields"])
def test_a_text_of_any_other_field_is_not_opened(name: str) -> None:
    assert outcome(line((name, json.dumps(VICTIMS_BODY)))) == ("misspelled_tag", None)


def test_fields_beyond_the_limit_count_as_well() -> None:
    """A visitor's line of MAX_TAGS fields in front cuts the program's off."""
    visitors = line(*[(TOKEN, VICTIM)] * MAX_TAGS)
    assert outcome(line(("msg", visitors), ("log", line((TOKEN, OWN))))) == CONFLICT


def test_no_more_tags_of_a_text_are_judged() -> None:
    judged: list[str] = []

    def judge_one(text: str) -> object:
        judged.append(text)
        return judge_token("", None)

    decisive_tag(
        token_tag("abc") * 1000,
        judge_token=judge_one,  # type: ignore[arg-type]
        unsigned_ids_accepted=True,
        now_ms=NOW_MS,
    )
    assert len(judged) == MAX_TAGS


def test_what_stands_behind_the_next_name_is_that_ones() -> None:
    tags = list(find_tags(f"openReplaySessionToken= {token_tag(OWN)}"))
    assert [(tag.form, tag.value) for tag in tags] == [
        (TagForm.TOKEN, ""),
        (TagForm.TOKEN, OWN),
    ]


@pytest.mark.parametrize(
    "text",
    [
        f"openReplaySessionToken is missing {'.' * 64} {OWN}",
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


NOTATIONS = [
    (".", "-"),
    ("%2E", "%2D"),
    ("%2e", "%2d"),
    ("%25252E", "%25252D"),
    ("\\u002e", "\\u002d"),
    ("\\\\u002E", "\\\\u002D"),
]


@pytest.mark.parametrize(("dot", "sign"), NOTATIONS)
@pytest.mark.parametrize("delay_ms", [7, -12345, None])
def test_a_token_in_every_notation_is_removed_whole(
    dot: str, sign: str, delay_ms: int | None
) -> None:
    text = a_token(delay_ms=delay_ms).replace(".", dot).replace("-", sign)
    assert remove_session_tokens(f"a {text}") == f"a {REMOVED}"


def test_a_broken_literal_in_double_quotes_in_json() -> None:
    """Bytes with an apostrophe are written in double quotes, which JSON escapes."""
    printed = pprint.pformat([f"it's {OWN}".encode()], width=40)
    assert 'b"' in printed
    assert OWN not in printed
    signature = OWN.rsplit(".", 1)[1]
    pieces = {signature[start : start + 8] for start in range(len(signature) - 8)}
    for text in (printed, json.dumps(printed), json.dumps({"log": json.dumps(printed)})):
        cleaned = remove_session_tokens(text)
        assert not {piece for piece in pieces if piece in cleaned}


@pytest.mark.parametrize(
    "note",
    [
        'my openReplaySessionToken": "abc" b',
        '"openReplaySessionToken\\": \\"abc\\" b',
        '\\"openReplaySessionToken": "abc" b',
    ],
)
def test_what_looks_like_a_field_in_a_string_stays(note: str) -> None:
    kept = {"note": note, "more": 1}
    message = json.dumps({**kept, "openReplaySessionToken": GOOD})
    assert linked(message).message == json.dumps(kept)


@pytest.mark.parametrize("escape", ["%{:02X}", "%25{:02x}", "%2525{:02x}", "\\u00{:02x}"])
def test_a_signature_whose_letters_are_encoded_is_withheld(escape: str) -> None:
    encoded = "".join(escape.format(ord(letter)) for letter in GOOD)
    assert linked(f"{token_tag(GOOD)} GET /?a={encoded}").message == WITHHELD


def test_a_token_beside_an_id_tag_is_removed() -> None:
    message = linked(f"{id_tag(SESSION_ID)} ERROR {GOOD}", UNCHECKED).message
    assert message == f"ERROR {REMOVED}"


@pytest.mark.parametrize(
    ("message", "level"),
    [
        ("com.acme.DEBUG an error", "error"),
        ("myINFO an error", "error"),
        ("xlevel=info an error", "error"),
        ('{"message":"DEBUG is off, an error"}', "error"),
        ('{"severity":false,"message":"paid"}', "info"),
        ("paid " * 100 + "DEBUG error", "error"),
        ("[ info] an error", "info"),
        ("lvl=warn msg=slow", "warning"),
        ('lvl="warn" msg=slow', "warning"),
        ("no error " * 60, "error"),  # the words that are looked at
    ],
)
def test_levels(message: str, level: str) -> None:
    assert level_of(message) == level
