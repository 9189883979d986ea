from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openreplay_cw_stack.tagging import PollSkip, Reader, Verdict, id_tag, judge, token_tag
from openreplay_cw_stack.tagging.verdict import MAX_TAGS, decisive_tag, judge_token
from tests.tagging.tokens import (
    EXPIRES_MS,
    NOW_MS,
    SESSION_ID,
    TOKEN_SECRET,
    a_token,
    signed_64,
    unsigned_64,
)

GOOD = a_token()
FOREIGN = a_token(token_secret=b"another OpenReplay's")
OTHER = a_token(session_id=SESSION_ID + 1)


def verdict_of(message: str, **options: object) -> Verdict:
    return judge(message, now_ms=NOW_MS, **options).verdict  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("message", "verdict"),
    [
        ("ValueError: no stock left", Verdict.UNTAGGED),
        ("", Verdict.UNTAGGED),
        (f"openReplaySessionToken: {GOOD} error", Verdict.MISSPELLED_TAG),
        ("[openReplaySessionToken=] error", Verdict.EMPTY_TOKEN),
        ("[openReplaySessionToken=**********] error", Verdict.MASKED_TOKEN),
        ("[openReplaySessionToken=None] error", Verdict.MALFORMED_TOKEN),
        (f"[openReplaySessionToken={GOOD[:-9]}] error", Verdict.MALFORMED_TOKEN),
        ("[openReplaySession.id=12ab] error", Verdict.MALFORMED_TOKEN),
        ("[openReplaySession.id=18446744073709551616] error", Verdict.MALFORMED_TOKEN),
        (f"[openReplaySessionToken={FOREIGN}] error", Verdict.BAD_SIGNATURE),
        ("[openReplaySession.id=18446744073709551615] error", Verdict.UNSIGNED),
        (f"[openReplaySessionToken={GOOD}] error", Verdict.LINKABLE),
        (f"[openReplaySessionToken={GOOD}] fine", Verdict.LINKABLE),
        (f"[openReplaySessionToken={a_token(delay_ms=None)}] error", Verdict.LINKABLE),
        (f"[openReplaySessionToken={a_token(delay_ms=-9)}] error", Verdict.LINKABLE),
    ],
)
def test_each_verdict(message: str, verdict: Verdict) -> None:
    assert verdict_of(message, token_secret=TOKEN_SECRET) is verdict


class TestSignatures:
    def test_without_the_secret_every_signature_counts_as_good(self) -> None:
        judgement = judge(f"[openReplaySessionToken={FOREIGN}] error", now_ms=NOW_MS)
        assert judgement.verdict is Verdict.LINKABLE
        assert not judgement.signature_checked

    def test_with_it_the_judgement_says_that_it_was_checked(self) -> None:
        for token in (GOOD, FOREIGN):
            judgement = judge(token_tag(token), token_secret=TOKEN_SECRET, now_ms=NOW_MS)
            assert judgement.signature_checked

    @pytest.mark.parametrize("line", [id_tag(12), '{"openReplaySession.id": "12"}'])
    def test_ids_are_accepted_without_a_secret_or_on_request(self, line: str) -> None:
        assert verdict_of(line) is Verdict.LINKABLE
        assert verdict_of(line, accept_unsigned_ids=False) is Verdict.UNSIGNED
        assert verdict_of(line, token_secret=TOKEN_SECRET) is Verdict.UNSIGNED
        judgement = judge(line, token_secret=TOKEN_SECRET, accept_unsigned_ids=True)
        assert judgement.verdict is Verdict.LINKABLE
        assert judgement.session_id == 12
        assert not judgement.signature_checked

    def test_a_refused_line_names_no_session(self) -> None:
        for line in (token_tag(FOREIGN), "openReplaySession.id=12"):
            assert judge(line, token_secret=TOKEN_SECRET).session_id is None


class TestSeveralTags:
    def test_the_best_verdict_wins_wherever_it_stands(self) -> None:
        lines = [
            "untagged openReplaySessionToken missing",
            "openreplaysessiontoken=x",
            "openReplaySessionToken=",
            "openReplaySessionToken=x",
            token_tag(FOREIGN),
            "openReplaySession.id=12",
            token_tag(GOOD),
        ]
        verdicts = [verdict_of(line, token_secret=TOKEN_SECRET) for line in lines]
        for best in range(len(lines)):
            for order in (lines[: best + 1], lines[best::-1]):
                together = " ; ".join(order)
                assert verdict_of(together, token_secret=TOKEN_SECRET) is verdicts[best]

    def test_among_equals_the_first(self) -> None:
        line = f"{token_tag(GOOD)} said: {token_tag(OTHER)}"
        assert judge(line).session_id == SESSION_ID
        assert verdict_of("openReplaySessionToken= , openReplaySessionToken=***") is (
            Verdict.EMPTY_TOKEN
        )
        assert verdict_of("openReplaySessionToken=*** , openReplaySessionToken=") is (
            Verdict.MASKED_TOKEN
        )


class TestExpiry:
    @pytest.mark.parametrize(
        ("now_ms", "expired", "poll_skip"),
        [
            (EXPIRES_MS - 1, False, None),
            (EXPIRES_MS, True, PollSkip.JUST_EXPIRED),
            (EXPIRES_MS + 29_999, True, PollSkip.JUST_EXPIRED),
            (EXPIRES_MS + 30_000, True, None),
        ],
    )
    def test_an_expired_token_is_linkable_and_flagged(
        self, now_ms: int, expired: bool, poll_skip: PollSkip | None
    ) -> None:
        judgement = judge(f"{token_tag(GOOD)} error", now_ms=now_ms)
        assert judgement.verdict is Verdict.LINKABLE
        assert judgement.expired is expired
        assert judgement.poll_skip is poll_skip

    def test_now_is_the_default(self) -> None:
        assert judge(token_tag(a_token(expires_ms=1))).expired
        assert not judge(token_tag(a_token(expires_ms=2**62))).expired


class TestPollSkips:
    @pytest.mark.parametrize(
        ("message", "poll_skip"),
        [
            ("error", PollSkip.NO_TOKEN),
            (f"OPENREPLAYSESSIONTOKEN={GOOD} error", PollSkip.NO_TOKEN),
            ("[openReplaySession.id=12] error", PollSkip.NO_TOKEN),
            ("openReplaySessionToken= error", PollSkip.NO_TOKEN),
            (f"{token_tag(GOOD)} panic", PollSkip.NOT_AN_ERROR),
            (f"{token_tag('abc')} {token_tag(GOOD)} error", PollSkip.OTHER_TAG_FIRST),
            (f"{token_tag(FOREIGN)} {token_tag(GOOD)} error", PollSkip.OTHER_TAG_FIRST),
            (f"{token_tag(a_token(delay_ms=-1))} error", PollSkip.TRUNCATED_TOKEN),
            (f"error with openReplaySessionToken={GOOD}.", PollSkip.TRUNCATED_TOKEN),
            (f"{token_tag(a_token(delay_ms=None))} error", PollSkip.OLDER_FORMAT),
            (f"{token_tag(a_token(expires_ms=NOW_MS))} error", PollSkip.JUST_EXPIRED),
            (f"{token_tag('abc')} error", PollSkip.INVALID_TOKEN),
            (f"{token_tag(FOREIGN)} error", PollSkip.INVALID_TOKEN),
            (f"{token_tag(GOOD)} error", None),
            (f"openReplaySessionToken= {token_tag(GOOD)} error", None),
            (f"openReplaySessionToken; OPENREPLAYSESSIONTOKEN={GOOD} error", None),
            (f"openReplaySessionToken; openReplaySeſsionToKen={GOOD} error", None),
            (f"openReplaySessionToken={GOOD}ſ error", PollSkip.INVALID_TOKEN),
            (f"{token_tag(GOOD)} exceptıon", PollSkip.NOT_AN_ERROR),
        ],
    )
    def test_each(self, message: str, poll_skip: PollSkip | None) -> None:
        judgement = judge(message, token_secret=TOKEN_SECRET, now_ms=NOW_MS)
        assert judgement.poll_skip is poll_skip
        assert (Reader.POLL in judgement.readers) is (poll_skip is None)


any_text = st.text(st.characters(exclude_categories=()), max_size=300)
tag_like = st.sampled_from(
    [
        "openReplaySessionToken=",
        "[openReplaySessionToken=",
        "openReplaySession.id=",
        "OPENREPLAYSESSIONTOKEN",
        "openReplaySessionToken",
        "error",
        "\ud800",
        "\0",
        "*" * 9,
        "18446744073709551616",
        ".",
        "-",
        "]",
        GOOD,
        FOREIGN,
        GOOD[:40],
        '{"openReplaySessionToken": "',
        '"openReplaySession": {"id": "',
        '", "message": "',
        '"}',
        "\x1b[0m",
        "&quot;",
        "=>",
    ]
)
hostile_lines = st.lists(any_text | tag_like, max_size=12).map("".join)


@settings(max_examples=500)
@given(
    hostile_lines,
    st.none() | st.binary(max_size=20),
    st.none() | st.booleans(),
    st.none() | signed_64,
)
def test_judge_never_raises_and_keeps_its_promises(
    message: str, token_secret: bytes | None, accept_unsigned_ids: bool | None, now_ms: int | None
) -> None:
    judgement = judge(
        message,
        token_secret=token_secret,
        accept_unsigned_ids=accept_unsigned_ids,
        now_ms=now_ms,
    )
    assert (Reader.SEARCH in judgement.readers) == (judgement.verdict is Verdict.LINKABLE)
    assert (Reader.POLL in judgement.readers) == (judgement.poll_skip is None)
    assert (judgement.session_id is not None) == (judgement.verdict is Verdict.LINKABLE)
    if token_secret is None:
        assert not judgement.signature_checked


@pytest.mark.parametrize(
    "piece",
    [
        '{"openReplaySessionToken": ',
        '[{"openReplaySession": ',
        "openReplaySessionToken\\\\\\",
        "openReplaySession.id%25253",
        "&#61;openReplaySession.id",
        "a",
        " ",
        "\0",
        "\ud800",
        ".",
        "-",
        "*",
        "1",
        "openReplaySessionToken",
        "openReplaySession.id=",
    ]
    + ["openReplaySessionToken= ", "openReplaySessionToken=a.", ".-", '"', "x-", "error"],
)
def test_a_megabyte_of_anything_gets_a_verdict(piece: str) -> None:
    assert judge(piece * (1_000_000 // len(piece))).verdict is not Verdict.LINKABLE
    assert judge(f"openReplaySessionToken={piece * (1_000_000 // len(piece))}").verdict is not None


@given(unsigned_64, signed_64, any_text, any_text)
def test_a_signed_tag_links_whatever_stands_around_it(
    session_id: int, delay_ms: int, before: str, after: str
) -> None:
    token = a_token(session_id=session_id, delay_ms=delay_ms)
    message = f"{before}\n{token_tag(token)} {after}"
    judgement = judge(message, token_secret=TOKEN_SECRET)
    assert judgement.verdict is Verdict.LINKABLE
    assert judgement.session_id == session_id


def test_the_words_are_the_metric_dimensions() -> None:
    assert [str(verdict) for verdict in Verdict] == [
        "untagged",
        "misspelled_tag",
        "conflicting_tags",
        "empty_token",
        "masked_token",
        "malformed_token",
        "bad_signature",
        "unsigned",
        "linkable",
    ]
    assert f"{Verdict.LINKABLE}" == "linkable"
    assert {str(reader) for reader in Reader} == {"search", "poll"}


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
