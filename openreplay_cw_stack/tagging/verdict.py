"""The verdict: what OpenReplay will do with a log line.

Two readers are answered for. ``SEARCH``, OpenReplay's Elasticsearch integration from v1.21 on,
reads through the bridge whatever identifies a session. ``POLL``, its CloudWatch integration up to
v1.20, cuts a token out of the line with expressions of its own (:mod:`.poller`).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import Enum

from openreplay_cw_stack.tagging.grammar import (
    MalformedToken,
    SessionTag,
    TagForm,
    find_tags,
    is_masked,
    parse_session_id,
    parse_token,
)
from openreplay_cw_stack.tagging.poller import PollerReading, PollerResult, read_as_poller


class _Word(str, Enum):
    def __str__(self) -> str:
        return str(self.value)


class Verdict(_Word):
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


class Reader(_Word):
    """OpenReplay as it reads."""

    SEARCH = "search"
    """The Elasticsearch integration from v1.21 on, answered by the bridge."""
    POLL = "poll"
    """The CloudWatch integration up to v1.20, with the service account's key."""


class PollSkip(_Word):
    """Why ``POLL`` does not take a line: the first that holds, in this order."""

    NO_TOKEN = "no_token"
    """Its filter or its expression finds no token."""
    NOT_AN_ERROR = "not_an_error"
    """Neither "exception" nor "error" stands in the same event."""
    OTHER_TAG_FIRST = "other_tag_first"
    """It reads an earlier tag, which is bad, and not the one that identifies the session."""
    TRUNCATED_TOKEN = "truncated_token"
    """A ``-`` in the token, or a ``.`` behind it, breaks its expression."""
    OLDER_FORMAT = "older_format"
    """A token of three parts, as OpenReplay v1.0 to v1.8 minted them."""
    JUST_EXPIRED = "just_expired"
    """The token expired less than 30 seconds ago."""
    INVALID_TOKEN = "invalid_token"
    """The token is not valid; the verdict says why."""


@dataclass(frozen=True)
class Judgement:
    """What :func:`judge` says of a line.

    Attributes:
        verdict: the best verdict among the line's tags.
        session_id: the session of the first linkable tag; None unless the verdict is linkable.
        readers: who will show the line. ``SEARCH`` exactly where the verdict is linkable, ``POLL``
            exactly where OpenReplay v1.20 would emit an event and find its session.
        poll_skip: why ``POLL`` is not among the readers; None where it is.
        expired: the linkable token has expired. It is linked all the same.
        signature_checked: the verdict rests on a signature that was compared.
    """

    verdict: Verdict
    session_id: int | None
    readers: frozenset[Reader]
    poll_skip: PollSkip | None
    expired: bool
    signature_checked: bool


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


@dataclass(frozen=True)
class JudgedTag:
    """A session tag of a line with its own verdict.

    Attributes:
        verdict: of this tag alone.
        tag: where it stands; None for a line without any.
        session_id, expired, signature_checked: as in :class:`Judgement`.
    """

    verdict: Verdict
    tag: SessionTag | None = None
    session_id: int | None = None
    expired: bool = False
    signature_checked: bool = False


_NO_TAG = JudgedTag(Verdict.UNTAGGED)
_SEARCH = frozenset({Reader.SEARCH})
_POLL = frozenset({Reader.POLL})
_NOBODY: frozenset[Reader] = frozenset()


def judge(
    message: str,
    *,
    token_secret: bytes | None = None,
    accept_unsigned_ids: bool = False,
    now_ms: int | None = None,
) -> Judgement:
    """Say whether OpenReplay will link a log line to a replay, and why not.

    Pure, linear in the line's length, and never raises, whatever the line contains.

    Args:
        message: one log event's message, as CloudWatch Logs delivers it.
        token_secret: OpenReplay's ``TOKEN_SECRET``. Without it every well-formed signature counts
            as right, and ``signature_checked`` is False.
        accept_unsigned_ids: with ``token_secret``, whether ``openReplaySession.id=`` is accepted
            though anybody who can write to the log can write it.
        now_ms: the time to judge expiry by, in milliseconds since 1970; default: now.
    """
    now_ms = int(time.time() * 1000) if now_ms is None else now_ms
    decisive = decisive_tag(
        message,
        token_secret=token_secret,
        unsigned_ids_accepted=token_secret is None or accept_unsigned_ids,
        now_ms=now_ms,
    )
    polled = read_as_poller(message, token_secret=token_secret, now_ms=now_ms)
    search = _SEARCH if decisive.verdict is Verdict.LINKABLE else _NOBODY
    poll_skip = _poll_skip(message, decisive, polled)
    return Judgement(
        verdict=decisive.verdict,
        session_id=decisive.session_id,
        readers=search if poll_skip else search | _POLL,
        poll_skip=poll_skip,
        expired=decisive.expired,
        signature_checked=decisive.signature_checked,
    )


def decisive_tag(
    message: str, *, token_secret: bytes | None, unsigned_ids_accepted: bool, now_ms: int
) -> JudgedTag:
    """The tag that decides a line's verdict: the best one, and among equals the first.

    As in :func:`judge`, but ``unsigned_ids_accepted`` holds with and without a secret.
    """
    best = _NO_TAG
    for tag in find_tags(message):
        judged = _judge_tag(tag, token_secret, unsigned_ids_accepted, now_ms)
        if _RANK[judged.verdict] > _RANK[best.verdict]:
            best = judged
        if best.verdict is Verdict.LINKABLE:
            break
    return best


def _judge_tag(
    tag: SessionTag, token_secret: bytes | None, unsigned_ids_accepted: bool, now_ms: int
) -> JudgedTag:
    if tag.form is TagForm.MISSPELLED:
        return JudgedTag(Verdict.MISSPELLED_TAG, tag)
    if not tag.value:
        return JudgedTag(Verdict.EMPTY_TOKEN, tag)
    if is_masked(tag.value):
        return JudgedTag(Verdict.MASKED_TOKEN, tag)
    if tag.form is TagForm.ID:
        return _judge_id(tag, unsigned_ids_accepted)
    return _judge_token(tag, token_secret, now_ms)


def _judge_id(tag: SessionTag, accepted: bool) -> JudgedTag:
    try:
        session_id = parse_session_id(tag.value)
    except ValueError:
        return JudgedTag(Verdict.MALFORMED_TOKEN, tag)
    if not accepted:
        return JudgedTag(Verdict.UNSIGNED, tag)
    return JudgedTag(Verdict.LINKABLE, tag, session_id)


def _judge_token(tag: SessionTag, token_secret: bytes | None, now_ms: int) -> JudgedTag:
    try:
        token = parse_token(tag.value)
    except MalformedToken:
        return JudgedTag(Verdict.MALFORMED_TOKEN, tag)
    if token_secret is not None and not token.is_signed_with(token_secret):
        return JudgedTag(Verdict.BAD_SIGNATURE, tag, signature_checked=True)
    return JudgedTag(
        Verdict.LINKABLE,
        tag,
        token.session_id,
        expired=token.is_expired(now_ms),
        signature_checked=token_secret is not None,
    )


_READINGS_THAT_SKIP = {
    PollerReading.NO_TOKEN: PollSkip.NO_TOKEN,
    PollerReading.NOT_AN_ERROR: PollSkip.NOT_AN_ERROR,
}


def _poll_skip(message: str, decisive: JudgedTag, polled: PollerResult) -> PollSkip | None:
    if polled.reading is PollerReading.EVENT:
        return None
    if polled.reading in _READINGS_THAT_SKIP:
        return _READINGS_THAT_SKIP[polled.reading]
    tag = decisive.tag if decisive.verdict is Verdict.LINKABLE else None
    if tag is not None and polled.start < tag.value_start:
        return PollSkip.OTHER_TAG_FIRST
    if _is_truncated(message, polled):
        return PollSkip.TRUNCATED_TOKEN
    if _is_older_format(polled.token):
        return PollSkip.OLDER_FORMAT
    if polled.reading is PollerReading.JUST_EXPIRED:
        return PollSkip.JUST_EXPIRED
    return PollSkip.INVALID_TOKEN


def _is_truncated(message: str, polled: PollerResult) -> bool:
    """Whether the token that stands there is well-formed, but not as the poller cuts it out."""
    for tag in find_tags(message):
        if tag.value_start == polled.start:
            cut = tag.value != polled.token and tag.value.startswith(polled.token.rstrip("."))
            return cut and _parses(tag.value)
    return False


def _is_older_format(token: str) -> bool:
    return _parses(token) and parse_token(token).delay_ms is None


def _parses(token: str) -> bool:
    try:
        parse_token(token)
    except MalformedToken:
        return False
    return True
