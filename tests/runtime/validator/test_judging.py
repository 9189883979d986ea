from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openreplay_cw_stack.contract.linked_line import MAX_MESSAGE_BYTES
from openreplay_cw_stack.runtime.validator.judging import JudgedLines, TokenMemo, judge_lines
from openreplay_cw_stack.runtime.validator.linking import Policy, judge_line
from openreplay_cw_stack.runtime.validator.subscription import Payload, read_payload
from openreplay_cw_stack.tagging import Verdict, id_tag, token_tag
from openreplay_cw_stack.tagging.verdict import MAX_TAGS, JudgedToken, judge_token
from tests.runtime.payloads import NOW_MS, a_document, an_event
from tests.tagging.tokens import SESSION_ID, TOKEN_SECRET, a_token

GOOD = token_tag(a_token())
OTHER = token_tag(a_token(session_id=77, delay_ms=-5))
EXPIRED = token_tag(a_token(expires_ms=1))
FORGED = token_tag(a_token(token_secret=b"forged"))
CHECKED = Policy(partial(judge_token, token_secret=TOKEN_SECRET), accept_unsigned_ids=False)


def payload_of(*messages: str) -> Payload:
    payload = read_payload(an_event(a_document(*messages)))
    assert payload is not None
    return payload


def judged(
    payload: Payload, policy: Policy = CHECKED, has_time: Callable[[], bool] = lambda: True
) -> JudgedLines:
    return judge_lines(payload, policy, now_ms=NOW_MS, has_time=has_time)


def test_linkable_lines_are_grouped_by_session() -> None:
    lines = judged(
        payload_of(f"{GOOD} a", "b", f"{OTHER} c", f"{FORGED} d", f"{EXPIRED} e", f"{id_tag(7)} f")
    )
    assert {
        session: [line.message for line in group] for session, group in lines.by_session.items()
    } == {SESSION_ID: ["a", "e"], 77: ["c"]}
    assert lines.verdicts == Counter(
        {
            Verdict.LINKABLE: 3,
            Verdict.UNTAGGED: 1,
            Verdict.BAD_SIGNATURE: 1,
            Verdict.UNSIGNED: 1,
        }
    )
    assert (lines.expired, lines.cut, lines.rest) == (1, 0, ())


def test_a_line_that_is_too_long_is_cut_and_counted() -> None:
    lines = judged(payload_of(f"{GOOD} {'a' * MAX_MESSAGE_BYTES}", f"{GOOD} b"))
    assert lines.cut == 1
    assert [len(line.message) <= MAX_MESSAGE_BYTES for line in lines.by_session[SESSION_ID]] == [
        True,
        True,
    ]


class TestTime:
    @pytest.mark.parametrize("lines_in_time", [0, 1, 2, 3])
    def test_what_there_is_no_time_for_is_left(self, lines_in_time: int) -> None:
        payload = payload_of(f"{GOOD} a", f"{GOOD} b", "c")
        looks = iter([True] * (lines_in_time - 1) + [False] * 9)
        lines = judged(payload, has_time=lambda: next(looks))
        done = max(lines_in_time, 1)
        assert list(lines.rest) == list(payload.events[done:])
        assert sum(lines.verdicts.values()) == done

    def test_a_payload_that_comes_again_and_again_ends(self) -> None:
        payload = payload_of(*[f"{GOOD} a"] * 5)
        verdicts: Counter[Verdict] = Counter()
        for _ in range(5):
            lines = judged(payload, has_time=lambda: False)
            verdicts += lines.verdicts
            payload = Payload(payload.owner, payload.log_group, payload.log_stream, lines.rest)
        assert verdicts == {Verdict.LINKABLE: 5}
        assert list(payload.events) == []

    def test_no_events(self) -> None:
        assert judged(payload_of(), has_time=lambda: False) == JudgedLines()


pieces = st.sampled_from(
    [
        GOOD,
        OTHER,
        EXPIRED,
        FORGED,
        a_token(),
        f"openReplaySessionToken={a_token(delay_ms=None)}",
        f"open_replay-Session Token: {a_token()}",
        f"openReplaySessionToken={'a' * 200}",
        "[openReplaySessionToken=]",
        "[openReplaySessionToken=***]",
        id_tag(12),
        "ERROR",
        "\n",
        " ",
    ]
)
messages = st.lists(pieces | st.text(max_size=6), max_size=7).map("".join)


@given(st.lists(messages, max_size=8), st.sampled_from([TOKEN_SECRET, b"forged", None]))
def test_a_memo_changes_nothing(lines: list[str], secret: bytes | None) -> None:
    memo = TokenMemo()
    memo.judge_with(None if secret is None else (secret,))
    plain = Policy(partial(judge_token, token_secret=secret), accept_unsigned_ids=False)
    payload = payload_of(*lines)
    for _ in range(2):
        assert judged(payload, Policy(memo.judge, False)) == judged(payload, plain)


@given(st.lists(messages, max_size=8))
def test_lines_are_judged_one_by_one(lines: list[str]) -> None:
    payload = payload_of(*lines)
    each = [judge_line(event, payload, CHECKED, now_ms=NOW_MS) for event in payload.events]
    together = judged(payload)
    assert together.verdicts == Counter(line.verdict for line in each)
    assert together.expired == sum(line.expired for line in each)
    assert sorted(line.id for group in together.by_session.values() for line in group) == [
        line.linked.id for line in each if line.linked is not None
    ]
    for session, group in together.by_session.items():
        assert {line.session for line in group} == {session}


def counting(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts for which the memo asks :func:`judge_token`."""
    asked: list[str] = []

    def counted(text: str, token_secret: bytes | None) -> JudgedToken:
        asked.append(text)
        return judge_token(text, token_secret)

    monkeypatch.setattr("openreplay_cw_stack.runtime.validator.judging.judge_token", counted)
    return asked


class TestMemo:
    def test_a_token_is_judged_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked = counting(monkeypatch)
        memo = TokenMemo()
        judged(payload_of(*[f"{GOOD} a", f"{FORGED} b"] * 50), Policy(memo.judge, False))
        assert len(asked) == 2

    def test_another_secret_makes_it_forget(self) -> None:
        memo = TokenMemo()
        policy = Policy(memo.judge, False)
        payload = payload_of(f"{GOOD} a", f"{FORGED} b")
        for secret, sessions in (
            (TOKEN_SECRET, 1),
            (b"forged", 1),
            (b"another", 0),
            (None, 2),
            (TOKEN_SECRET, 1),
        ):
            memo.judge_with(None if secret is None else (secret,))
            assert judged(payload, policy).verdicts[Verdict.LINKABLE] == sessions

    def test_either_of_two_secrets_makes_a_signature_right(self) -> None:
        memo = TokenMemo()
        policy = Policy(memo.judge, False)
        payload = payload_of(f"{GOOD} a", f"{FORGED} b")
        for secrets in ((TOKEN_SECRET, b"forged"), (b"forged", TOKEN_SECRET)):
            memo.judge_with(secrets)
            assert judged(payload, policy).verdicts == {Verdict.LINKABLE: 2}
        memo.judge_with((b"another", TOKEN_SECRET))
        verdicts = judged(payload, policy).verdicts
        assert verdicts == {Verdict.LINKABLE: 1, Verdict.BAD_SIGNATURE: 1}

    def test_the_same_secret_does_not(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked = counting(monkeypatch)
        memo = TokenMemo()
        for _ in range(3):
            memo.judge_with((bytes(TOKEN_SECRET),))
            memo.judge(a_token())
        assert len(asked) == 1

    def test_it_does_not_grow(self, monkeypatch: pytest.MonkeyPatch) -> None:
        counting(monkeypatch)
        memo = TokenMemo()
        memo.judge_with(None)
        for number in range(6000):
            memo.judge(f"{number}.1.1.x")
        assert memo._remembered.cache_info().currsize <= 4096
        before = memo._remembered.cache_info()
        memo.judge("1." * 81)
        assert memo._remembered.cache_info() == before


class TestAttack:
    """Lines that are made to cost much, as anybody can send them who can have a line logged."""

    def test_so_many_tags_of_a_line_are_judged_and_no_more(self) -> None:
        forged = f"openReplaySessionToken={a_token(token_secret=b'forged')} "
        just = judged(payload_of(forged * (MAX_TAGS - 1) + GOOD))
        assert just.verdicts == {Verdict.LINKABLE: 1}
        behind = judged(payload_of(forged * MAX_TAGS + GOOD))
        assert behind.verdicts == {Verdict.BAD_SIGNATURE: 1}

    @pytest.mark.parametrize(
        "tag",
        [
            "openReplaySessionToken=1.{}.1.111111111111111111111111111111111111 ",
            "openReplaySessionToken=1.{}.1." + "2" * 44 + " ",
            "openReplaySessionToken={}" + "a" * 150 + " ",
        ],
    )
    def test_twenty_lines_of_a_megabyte_full_of_tags(
        self, tag: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked = counting(monkeypatch)
        one = "".join(tag.format(number) for number in range(1_000_000 // len(tag)))
        memo = TokenMemo()
        memo.judge_with((TOKEN_SECRET,))
        payload = payload_of(*[one[number * MAX_TAGS * len(tag) :] for number in range(20)])
        lines = judged(payload, Policy(memo.judge, False))
        assert sum(lines.verdicts.values()) == 20
        assert 0 < len(asked) <= 20 * MAX_TAGS

    def test_a_linkable_line_full_of_tags(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked = counting(monkeypatch)
        memo = TokenMemo()
        memo.judge_with((TOKEN_SECRET,))
        line = f"{GOOD} {FORGED * 5000} {GOOD * 5000}"
        lines = judged(payload_of(*[line] * 5), Policy(memo.judge, False))
        assert len(asked) == 1
        assert a_token() not in lines.by_session[SESSION_ID][0].message
