from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openreplay_cw_stack.runtime.linked_line import LinkedLine
from openreplay_cw_stack.runtime.validator.linking import JudgedLine, Policy, judge_line
from openreplay_cw_stack.runtime.validator.subscription import LogEvent, Subscription
from openreplay_cw_stack.tagging import Reader, Verdict, id_tag, judge, token_tag
from tests.runtime.payloads import LOG_GROUP, LOG_STREAM, NOW_MS, OWNER
from tests.tagging.tokens import SESSION_ID, TOKEN_SECRET, a_token, minted_tokens

GOOD = a_token()
SUBSCRIPTION = Subscription(OWNER, LOG_GROUP, LOG_STREAM)
SEARCH = frozenset({Reader.SEARCH})
POLL = frozenset({Reader.POLL})


def judged(
    message: str, policy: Policy | None = None, token_secret: bytes | None = TOKEN_SECRET
) -> JudgedLine:
    return judge_line(
        LogEvent("0042", NOW_MS, message),
        SUBSCRIPTION,
        policy or Policy(),
        token_secret=token_secret,
        now_ms=NOW_MS,
    )


def linked(message: str, policy: Policy | None = None) -> LinkedLine:
    line = judged(message, policy).linked
    assert line is not None
    return line


def test_a_linked_line_names_its_source() -> None:
    assert linked(f"{token_tag(GOOD)} ERROR no stock left") == LinkedLine(
        session=SESSION_ID,
        time=NOW_MS,
        id="0042",
        owner=OWNER,
        group=LOG_GROUP,
        stream=LOG_STREAM,
        level="error",
        message=f"{id_tag(SESSION_ID)} ERROR no stock left",
    )


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (f"{token_tag(GOOD)} boom", "boom"),
        (f"ERROR {token_tag(GOOD)} boom", "ERROR boom"),
        (f"ERROR boom {token_tag(GOOD)}", "ERROR boom "),
        (f"a\n{token_tag(GOOD)} b", "a\nb"),
        (f'{{"message": "{token_tag(GOOD)} boom"}}', '{"message": "boom"}'),
        (f"boom openReplaySessionToken={GOOD}.", "boom ."),
        (f"{token_tag(GOOD)}", ""),
        (
            f"{token_tag(GOOD)} boom {{'X-OpenReplay-SessionToken': '{GOOD}'}}",
            "boom {'X-OpenReplay-SessionToken': '<session token removed>'}",
        ),
        (f"{token_tag(GOOD)} and {token_tag(GOOD)}", "and "),
        # An event of several lines, each with the tag.
        (
            f"[ERROR]\n{token_tag(GOOD)}   File\n{token_tag(GOOD)}     raise",
            "[ERROR]\n  File\n    raise",
        ),
        (f"openReplaySessionToken={GOOD} or {GOOD}", "or <session token removed>"),
    ],
)
def test_the_tag_becomes_the_id_and_the_text_stays(message: str, text: str) -> None:
    assert linked(message).message == f"{id_tag(SESSION_ID)} {text}"


contexts = st.sampled_from(
    [
        "{}",
        "[openReplaySessionToken={}]",
        "openReplaySessionToken: {}",
        "X-OpenReplay-SessionToken: {}\r\n",
        "'HTTP_X_OPENREPLAY_SESSIONTOKEN': '{}',",
        "GET /pay?x=1&openReplaySessionToken={}&y=2 HTTP/1.1",
        "https://shop.example/{}/pay",
        '{{"headers": {{"x-openreplay-sessiontoken": "{}"}}}}',
        '\\"token\\":\\"{}\\"',
        "Bearer {}",
        "{}.",
        "-{}-",
        "<{}>",
    ]
)


@given(
    st.lists(st.tuples(st.text(max_size=15), contexts, minted_tokens), min_size=1, max_size=6),
    st.booleans(),
)
def test_no_token_is_left_in_a_linked_line(
    pieces: list[tuple[str, str, str]], as_json: bool
) -> None:
    message = token_tag(GOOD) + "".join(
        f"{text} {context.format(token)} {quote(token)}" for text, context, token in pieces
    )
    line = linked(json.dumps({"message": message}) if as_json else message)
    everything = line.encode()
    for token in [GOOD, *(token for _, _, token in pieces)]:
        assert token not in everything
        assert token.rsplit(".", 1)[1] not in everything


@given(st.text(st.characters(exclude_categories=())), st.booleans())
def test_the_verdict_is_the_one_of_judge(message: str, tagged: bool) -> None:
    if tagged:
        message = f"{message}\n{token_tag(GOOD)}"
    line = judged(message)
    expected = judge(message, token_secret=TOKEN_SECRET, now_ms=NOW_MS)
    assert line.verdict is expected.verdict
    assert (line.linked is not None) == (expected.verdict is Verdict.LINKABLE)
    if line.linked is not None:
        assert line.linked.session == expected.session_id


@pytest.mark.parametrize(
    "message", ["boom", "openReplaySessionToken=", token_tag(a_token(token_secret=b"other"))]
)
def test_what_is_not_linkable_is_not_linked(message: str) -> None:
    assert judged(message).linked is None


class TestReaders:
    ERROR = f"{token_tag(GOOD)} error {GOOD}"

    def test_with_poll_the_judged_token_stays_and_no_other(self) -> None:
        message = linked(self.ERROR, Policy(readers=SEARCH | POLL)).message
        assert message.startswith(f"{id_tag(SESSION_ID)} {token_tag(GOOD)} error")
        assert message.count(GOOD) == 1

    def test_what_poll_cannot_read_is_linked_for_search_alone(self) -> None:
        unread = f"{token_tag(GOOD)} panic"
        assert judged(unread, Policy(readers=POLL)).linked is None
        assert judged(unread, Policy(readers=SEARCH | POLL)).linked is not None
        assert judged(self.ERROR, Policy(readers=POLL)).linked is not None

    def test_poll_reads_the_linked_line_as_it_read_the_source(self) -> None:
        policy = Policy(readers=SEARCH | POLL)
        encoded = linked(self.ERROR, policy).encode()
        assert Reader.POLL in judge(encoded, token_secret=TOKEN_SECRET, now_ms=NOW_MS).readers


class TestUnsignedIds:
    LINE = f"{id_tag(12)} error"

    def test_with_a_policy_that_accepts_them(self) -> None:
        assert judged(self.LINE, Policy(accept_unsigned_ids=True)).linked is not None

    @pytest.mark.parametrize("token_secret", [TOKEN_SECRET, None])
    def test_without_even_while_the_secret_is_unreadable(self, token_secret: bytes | None) -> None:
        line = judged(self.LINE, Policy(accept_unsigned_ids=False), token_secret)
        assert line.verdict is Verdict.UNSIGNED
        assert line.linked is None
