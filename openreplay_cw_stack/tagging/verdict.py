"""The verdict: what OpenReplay will do with a log line, and which of its tags decides that.

All that the validator asks of a line; what can be said of one besides is :mod:`.judgement`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from itertools import islice

from openreplay_cw_stack.tagging.grammar import (
    MalformedToken,
    SessionTag,
    TagForm,
    find_tags,
    is_masked,
    parse_session_id,
    parse_token,
)


class Word(str, Enum):
    """An enum whose members are texts, and are printed as such."""

    def __str__(self) -> str:
        return str(self.value)


class Verdict(Word):
    """What OpenReplay will do with a line. The values are metric dimensions."""

    UNTAGGED = "untagged"
    """Nothing that looks like a session tag."""
    MISSPELLED_TAG = "misspelled_tag"
    """Looks like a session tag, but is not one to the letter."""
    EMPTY_TOKEN = "empty_token"
    """Nothing stands after the ``=``."""
    MASKED_TOKEN = "masked_token"
    """Only asterisks stand after the ``=``: a data protection policy masked the token."""
    MALFORMED_TOKEN = "malformed_token"
    """What stands after the ``=`` is no session token, or no session id."""
    BAD_SIGNATURE = "bad_signature"
    """The token was not signed with the token secret: another OpenReplay's, or a forgery."""
    UNSIGNED = "unsigned"
    """A session id that nobody signed, where signatures are asked for."""
    LINKABLE = "linkable"
    """A session is identified: OpenReplay can show the line beside its replay."""


class Reader(Word):
    """OpenReplay as it reads."""

    SEARCH = "search"
    """The Elasticsearch integration from v1.21 on, answered by the bridge."""
    POLL = "poll"
    """The CloudWatch integration up to v1.20, with the service account's key."""


_RANK = {
    Verdict.UNTAGGED: 0,
    Verdict.MISSPELLED_TAG: 1,
    Verdict.EMPTY_TOKEN: 2,
    Verdict.MASKED_TOKEN: 2,
    Verdict.MALFORMED_TOKEN: 3,
    Verdict.BAD_SIGNATURE: 4,
    Verdict.UNSIGNED: 5,
    Verdict.LINKABLE: 6,
}


MAX_TAGS = 64
"""How many session tags of a line are judged. A line made of tags costs no more than these."""


@dataclass(frozen=True)
class JudgedToken:
    """What a session token is worth, whatever line it stands in and whatever the time.

    Attributes:
        verdict: LINKABLE, MALFORMED_TOKEN or BAD_SIGNATURE.
        session_id: None unless linkable.
        expires_ms: likewise; milliseconds since 1970.
        signature_checked: whether a signature was compared.
    """

    verdict: Verdict
    session_id: int | None = None
    expires_ms: int | None = None
    signature_checked: bool = False


@dataclass(frozen=True)
class JudgedTag:
    """A session tag of a line with its own verdict.

    Attributes:
        verdict: of this tag alone.
        tag: where it stands; None for a line without any.
        session_id, expired, signature_checked: as in :class:`.Judgement`.
    """

    verdict: Verdict
    tag: SessionTag | None = None
    session_id: int | None = None
    expired: bool = False
    signature_checked: bool = False


_NO_TAG = JudgedTag(Verdict.UNTAGGED)


def judge_token(text: str, token_secret: bytes | None) -> JudgedToken:
    """Judge a session token. Without a secret every well-formed signature counts as right."""
    try:
        token = parse_token(text)
    except MalformedToken:
        return JudgedToken(Verdict.MALFORMED_TOKEN)
    if token_secret is not None and not token.is_signed_with(token_secret):
        return JudgedToken(Verdict.BAD_SIGNATURE, signature_checked=True)
    return JudgedToken(
        Verdict.LINKABLE, token.session_id, token.expires_ms, token_secret is not None
    )


def decisive_tag(
    message: str,
    *,
    judge_token: Callable[[str], JudgedToken],
    unsigned_ids_accepted: bool,
    now_ms: int,
) -> JudgedTag:
    """The tag that decides a line's verdict: the best one, and among equals the first.

    Args:
        message: one log event's message.
        judge_token: :func:`judge_token` with a token secret; a caller may remember its answers.
        unsigned_ids_accepted: whether ``openReplaySession.id=`` identifies a session.
        now_ms: the time to judge expiry by, in milliseconds since 1970.
    """
    best = _NO_TAG
    for tag in islice(find_tags(message), MAX_TAGS):
        judged = _judge_tag(tag, judge_token, unsigned_ids_accepted, now_ms)
        if _RANK[judged.verdict] > _RANK[best.verdict]:
            best = judged
        if best.verdict is Verdict.LINKABLE:
            break
    return best


def _judge_tag(
    tag: SessionTag,
    judge_token: Callable[[str], JudgedToken],
    unsigned_ids_accepted: bool,
    now_ms: int,
) -> JudgedTag:
    if tag.form is TagForm.MISSPELLED:
        return JudgedTag(Verdict.MISSPELLED_TAG, tag)
    if not tag.value:
        return JudgedTag(Verdict.EMPTY_TOKEN, tag)
    if is_masked(tag.value):
        return JudgedTag(Verdict.MASKED_TOKEN, tag)
    if tag.form is TagForm.ID:
        return _judge_id(tag, unsigned_ids_accepted)
    token = judge_token(tag.value)
    expired = token.expires_ms is not None and token.expires_ms <= now_ms
    return JudgedTag(token.verdict, tag, token.session_id, expired, token.signature_checked)


def _judge_id(tag: SessionTag, accepted: bool) -> JudgedTag:
    try:
        session_id = parse_session_id(tag.value)
    except ValueError:
        return JudgedTag(Verdict.MALFORMED_TOKEN, tag)
    if not accepted:
        return JudgedTag(Verdict.UNSIGNED, tag)
    return JudgedTag(Verdict.LINKABLE, tag, session_id)
