from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openreplay_cw_stack.tagging import (
    Judgement,
    PollSkip,
    Reader,
    Verdict,
    id_tag,
    judge,
    token_tag,
)
from openreplay_cw_stack.tagging.fields import CONTAINERS, WRAPPERS
from tests.tagging.tokens import NOW_MS, SESSION_ID, TOKEN_SECRET, a_token, unsigned_64

TOKEN, ID = "openReplaySessionToken", "openReplaySession.id"
OWN = a_token()
LATER = a_token(delay_ms=7)
VICTIM_ID = SESSION_ID + 1
VICTIM = a_token(session_id=VICTIM_ID)
FOREIGN = a_token(token_secret=b"another OpenReplay's")


def judged(message: str, **options: Any) -> Judgement:
    return judge(message, now_ms=NOW_MS, **options)


def outcome(message: str, **options: Any) -> tuple[str, int | None]:
    judgement = judged(message, **options)
    return str(judgement.verdict), judgement.session_id


def line(*members: tuple[str, object]) -> str:
    """A JSON object whose names may be equal, as pino writes them."""
    return "{" + ", ".join(f"{json.dumps(name)}: {json.dumps(one)}" for name, one in members) + "}"


LINKED = ("linkable", SESSION_ID)
CONFLICT = ("conflicting_tags", None)


class TestWhatLoggersWrite:
    @pytest.mark.parametrize(
        "message",
        [
            line(("msg", "declined"), (TOKEN, OWN)),
            line((TOKEN, OWN)),
            f'\ufeff \t{{"msg":"declined","{TOKEN}":"{OWN}"}}\r\n ',
            line((ID, str(SESSION_ID))),
            line(("openReplaySession", {"id": str(SESSION_ID)})),
            line(("openReplaySession", {"tab": 1, "id": str(SESSION_ID)})),
            *(line(("level", "error"), (name, {TOKEN: OWN})) for name in sorted(CONTAINERS)),
            *(line((name, json.dumps({TOKEN: OWN, "msg": "m"}))) for name in sorted(WRAPPERS)),
            line(("log", json.dumps({"extra": {TOKEN: OWN}}) + "\n"), ("stream", "stderr")),
            # An escaped key is the same key.
            f'{{"openReplaySession\\u0054oken": "{OWN}"}}',
            # pino writes the fields of a child logger and those of a call.
            line((TOKEN, OWN), ("msg", "m"), (TOKEN, OWN)),
            line((TOKEN, OWN), (TOKEN, LATER)),
            line((TOKEN, OWN), (ID, str(SESSION_ID))),
            line(("mdc", {TOKEN: OWN}), ("extra", {TOKEN: LATER})),
        ],
    )
    def test_it_is_linked(self, message: str) -> None:
        assert outcome(message) == LINKED

    @pytest.mark.parametrize(
        ("message", "verdict"),
        [
            (line((TOKEN, "")), "empty_token"),
            (line((TOKEN, None)), "empty_token"),
            (line((TOKEN, "*****")), "masked_token"),
            (line((TOKEN, "None")), "malformed_token"),
            (line((TOKEN, f" {OWN}")), "malformed_token"),
            (line((TOKEN, {"value": OWN})), "malformed_token"),
            (line((TOKEN, [OWN])), "malformed_token"),
            (line((ID, SESSION_ID)), "malformed_token"),
            (line(("openReplaySession", {"id": SESSION_ID})), "malformed_token"),
            (line((ID, str(2**64))), "malformed_token"),
            (line((TOKEN, FOREIGN)), "bad_signature"),
            (line((ID, str(SESSION_ID))), "unsigned"),
        ],
    )
    def test_it_gets_its_verdict(self, message: str, verdict: str) -> None:
        assert outcome(message, token_secret=TOKEN_SECRET) == (verdict, None)

    def test_an_id_beside_the_token_of_its_session_does_no_harm(self) -> None:
        message = line((ID, str(SESSION_ID)), (TOKEN, OWN))
        assert outcome(message, token_secret=TOKEN_SECRET) == LINKED

    def test_a_field_is_not_read_by_the_poller(self) -> None:
        judgement = judged(line(("level", "error"), (TOKEN, OWN)))
        assert judgement.readers == {Reader.SEARCH}
        assert judgement.poll_skip is PollSkip.NO_TOKEN

    def test_the_poller_may_read_a_tag_in_text_beside_it(self) -> None:
        good = judged(line((TOKEN, OWN), ("msg", f"error {token_tag(VICTIM)}")))
        assert (good.session_id, good.poll_skip) == (SESSION_ID, None)
        bad = judged(line((TOKEN, OWN), ("msg", f"error {token_tag('abc')}")))
        assert bad.poll_skip is PollSkip.OTHER_TAG_FIRST

    def test_an_expired_token_is_flagged(self) -> None:
        judgement = judged(line((TOKEN, a_token(expires_ms=NOW_MS))))
        assert (judgement.verdict, judgement.expired) == (Verdict.LINKABLE, True)


VICTIMS_TEXT = f"Mozilla/5.0 {token_tag(VICTIM)} {id_tag(VICTIM_ID)}"
VICTIMS_BODY = {TOKEN: VICTIM, ID: str(VICTIM_ID), "openReplaySession": {"id": str(VICTIM_ID)}}


class TestForgeries:
    """A visitor writes VICTIM's token or id wherever a visitor can write; the program writes OWN.

    Without a token secret, which is the harder case. Who could have written what stands in front of
    each row.
    """

    @pytest.mark.parametrize(
        ("message", "expected"),
        [
            # The program's field; the visitor's text in a message, a User-Agent, a path.
            (line((TOKEN, OWN), ("msg", VICTIMS_TEXT)), LINKED),
            (line(("msg", VICTIMS_TEXT), (TOKEN, OWN)), LINKED),
            (line(("user_agent", VICTIMS_TEXT), ("mdc", {TOKEN: OWN})), LINKED),
            (line(("httpRequest", {"ua": VICTIMS_TEXT}), (ID, str(SESSION_ID))), LINKED),
            # The program's field; the visitor's body in an object of its own, or in an array.
            (line((TOKEN, OWN), ("body", VICTIMS_BODY)), LINKED),
            (line((TOKEN, OWN), ("extra", VICTIMS_BODY)), LINKED),
            (line(("body", VICTIMS_BODY), ("extra", {TOKEN: OWN})), LINKED),
            (line((TOKEN, OWN), ("items", [VICTIMS_BODY])), LINKED),
            (line((TOKEN, OWN), ("msg", json.dumps(VICTIMS_BODY))), LINKED),
            # The same without the program's field: nothing here is the program's.
            (line(("body", VICTIMS_BODY)), ("misspelled_tag", None)),
            (line(("items", [VICTIMS_BODY])), ("misspelled_tag", None)),
            (line(("extra", {"body": VICTIMS_BODY})), ("misspelled_tag", None)),
            (line(("log", json.dumps({"body": VICTIMS_BODY}))), ("misspelled_tag", None)),
            # The program's field has nothing, is masked or bad: the visitor's text cannot stand in.
            (line((TOKEN, ""), ("msg", VICTIMS_TEXT)), ("empty_token", None)),
            (line((TOKEN, None), ("msg", VICTIMS_TEXT)), ("empty_token", None)),
            (line((TOKEN, "****"), ("msg", VICTIMS_TEXT)), ("masked_token", None)),
            (line((TOKEN, 7), ("msg", VICTIMS_TEXT)), ("malformed_token", None)),
            (line((TOKEN, ""), ("extra", VICTIMS_BODY)), ("empty_token", None)),
            # The visitor's body spread into the line: log.info({...req.body}), log.info(**body).
            (line((TOKEN, OWN), (TOKEN, VICTIM)), CONFLICT),
            (line((TOKEN, VICTIM), (TOKEN, OWN)), CONFLICT),
            (line((TOKEN, OWN), (ID, str(VICTIM_ID))), CONFLICT),
            (line((TOKEN, ""), (TOKEN, VICTIM)), CONFLICT),
            (line((TOKEN, ""), (ID, str(VICTIM_ID))), CONFLICT),
            (line((TOKEN, "****"), (ID, str(VICTIM_ID))), CONFLICT),
            (line((TOKEN, OWN), ("openReplaySession", {"id": str(VICTIM_ID)})), CONFLICT),
            (line(("mdc", {TOKEN: OWN}), ("extra", {TOKEN: VICTIM})), CONFLICT),
            (line(("mdc", {TOKEN: OWN}), ("message", VICTIMS_BODY)), CONFLICT),
            (f'{{"{TOKEN}": "{OWN}", "openReplaySession\\u0054oken": "{VICTIM}"}}', CONFLICT),
            # A container's JSON line in a wrapper: its own fields decide.
            (line(("log", line(("msg", VICTIMS_TEXT), (TOKEN, OWN)))), LINKED),
            (line(("log", line(("msg", VICTIMS_TEXT), (TOKEN, "")))), ("empty_token", None)),
            (line(("log", line((TOKEN, OWN), (TOKEN, VICTIM)))), CONFLICT),
            (line(("log", line((TOKEN, OWN))), ("msg", line((TOKEN, VICTIM)))), CONFLICT),
            # A visitor's text cannot close a string: what it looks like is text.
            (line(("msg", f'", "{TOKEN}": "{VICTIM}')), ("misspelled_tag", None)),
            # Cut or prefixed: where a field begins and ends is not known any more.
            (line((TOKEN, OWN), ("msg", "m"))[:-1], ("misspelled_tag", None)),
            ("INFO " + line((TOKEN, OWN)), ("misspelled_tag", None)),
            (line((TOKEN, OWN)) + line((TOKEN, OWN)), ("misspelled_tag", None)),
            # The same with the visitor's text in a string of it.
            ("stdout F " + line((TOKEN, OWN), ("msg", VICTIMS_TEXT)), CONFLICT),
            ("stdout F " + line(("msg", VICTIMS_TEXT), (TOKEN, OWN)), CONFLICT),
            ("stdout F " + line((TOKEN, ""), ("msg", VICTIMS_TEXT)), CONFLICT),
            (f"ERROR {VICTIMS_TEXT}\t" + line((TOKEN, OWN)), CONFLICT),
            (
                "stdout F " + line(("openReplaySession", {"id": "1"}), ("msg", VICTIMS_TEXT)),
                CONFLICT,
            ),
            (
                line(("openReplaySession", {"tab": 2, "id": "1"}), ("msg", VICTIMS_TEXT))[:-2],
                CONFLICT,
            ),
            (line(*[(TOKEN, VICTIM)] * 64, ("mdc", {TOKEN: OWN}), (TOKEN, OWN)), CONFLICT),
            # A visitor's line of as many fields as are judged cannot cut the program's off.
            (
                line(("msg", line(*[(TOKEN, VICTIM)] * 64)), ("log", line((TOKEN, OWN)))),
                CONFLICT,
            ),
            (line((TOKEN, OWN), ("msg", VICTIMS_TEXT))[:-2], CONFLICT),
            (line(("msg", VICTIMS_TEXT), (TOKEN, OWN))[:-1], CONFLICT),
            (line((ID, 7), ("msg", VICTIMS_TEXT))[:-1], CONFLICT),
            (line(("log", line((TOKEN, OWN), ("msg", VICTIMS_TEXT))[:-1])), CONFLICT),
            (line(("log", line(("msg", VICTIMS_TEXT), (TOKEN, OWN))[:-1])), CONFLICT),
            (line(("a", 1), (TOKEN, OWN), ("msg", token_tag(OWN)))[:-1], LINKED),
            # The program's tag in text, in front of the visitor's body: the first tag decides.
            (f"{token_tag(OWN)} body={json.dumps(VICTIMS_BODY)}", LINKED),
            (line(("msg", f"{token_tag(OWN)} body={json.dumps(VICTIMS_BODY)}")), LINKED),
            (line(("msg", f"{token_tag(OWN)} m"), ("body", VICTIMS_BODY)), LINKED),
            (line(("body", VICTIMS_BODY), ("msg", f"{token_tag(OWN)} m")), LINKED),
            # An access log: text, in which anyone may have written the first tag.
            (f'"GET /?x={token_tag(OWN)} HTTP/1.1" "{VICTIMS_TEXT}"', LINKED),
        ],
    )
    def test_each(self, message: str, expected: tuple[str, int | None]) -> None:
        assert outcome(message) == expected

    def test_a_bad_signature_beside_the_programs_token_is_a_conflict(self) -> None:
        message = line((TOKEN, OWN), (TOKEN, FOREIGN))
        assert outcome(message, token_secret=TOKEN_SECRET) == CONFLICT

    @pytest.mark.parametrize("accept", [None, True])
    def test_another_id_beside_a_signed_token_is_a_conflict(self, accept: bool | None) -> None:
        message = line((TOKEN, OWN), (ID, str(VICTIM_ID)))
        options = {"token_secret": TOKEN_SECRET, "accept_unsigned_ids": accept}
        assert outcome(message, **options) == CONFLICT


class TestWhatTheParserRefusesIsText:
    @pytest.mark.parametrize(
        "rest",
        [
            '"a": ' + "[" * 100_000 + "]" * 100_000,
            '"a": ' + "9" * 5_000,
            '"a": "\x01"',
            "'a': 1",
            '"a": 1,',
        ],
        ids=lambda rest: rest[:12],
    )
    def test_each(self, rest: str) -> None:
        assert outcome(f'{{"{TOKEN}": "{OWN}", {rest}}}') == ("misspelled_tag", None)
        tagged = f'{{"msg": "{token_tag(OWN)}", {rest}}}'
        assert outcome(tagged) == LINKED


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from([VICTIM]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([TOKEN, ID, "id", "msg", "body"]), inner, max_size=3)
    ),
    max_leaves=8,
)
others = st.dictionaries(
    st.text(max_size=8).filter(lambda name: name not in (TOKEN, ID, "openReplaySession")),
    json_values,
    max_size=5,
)


@given(unsigned_64, others, st.booleans(), st.booleans())
def test_the_programs_field_decides_whatever_else_is_in_the_line(
    session_id: int, rest: dict[str, object], first: bool, ascii_only: bool
) -> None:
    own = {TOKEN: a_token(session_id=session_id)}
    message = json.dumps({**own, **rest} if first else {**rest, **own}, ensure_ascii=ascii_only)
    assert outcome(message) == ("linkable", session_id)


@given(others)
def test_a_victims_field_anywhere_else_is_never_linked(rest: dict[str, object]) -> None:
    inside = {name: one for name, one in rest.items() if name not in CONTAINERS | WRAPPERS}
    assert judged(json.dumps({**inside, "body": VICTIMS_BODY})).session_id is None


@pytest.mark.parametrize("name", ["body", "user_agent", "error", "extra", "fields"])
def test_a_text_of_any_other_field_is_not_opened(name: str) -> None:
    assert outcome(line((name, json.dumps(VICTIMS_BODY)))) == ("misspelled_tag", None)
