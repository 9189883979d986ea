"""Judge a log line: its verdict, its session, and the OpenReplay integrations that will show it.

There are two readers. ``SEARCH``, OpenReplay's Elasticsearch integration from v1.21 on, shows every
line that identifies a session; the bridge answers its requests. ``POLL``, OpenReplay's CloudWatch
integration up to v1.20, extracts a token with its own regular expressions (:mod:`.poller`).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from itertools import islice

from openreplay_cw_stack.tagging.grammar import MalformedToken, parse_token
from openreplay_cw_stack.tagging.poller import PollerReading, PollerResult, read_as_poller
from openreplay_cw_stack.tagging.text_tags import SessionTag, find_tags
from openreplay_cw_stack.tagging.verdict import (
    MAX_TAGS,
    JudgedTag,
    Reader,
    Verdict,
    Word,
    decisive_tag,
    judge_token,
)


class PollSkip(Word):
    """Why ``POLL`` does not show a line: the first reason that applies, in this order."""

    NO_TOKEN = "no_token"
    """Its filter or its regular expression finds no token."""
    NOT_AN_ERROR = "not_an_error"
    """The event contains neither "exception" nor "error"."""
    OTHER_TAG_FIRST = "other_tag_first"
    """It reads an earlier, bad tag instead of the one that identifies the session."""
    TRUNCATED_TOKEN = "truncated_token"
    """A ``-`` in the token, or a ``.`` after it, breaks its regular expression."""
    OLDER_FORMAT = "older_format"
    """The token has three parts, as OpenReplay v1.0 to v1.8 minted them."""
    JUST_EXPIRED = "just_expired"
    """The token expired less than 30 seconds ago."""
    INVALID_TOKEN = "invalid_token"
    """The token is not valid; the verdict says why."""


@dataclass(frozen=True)
class Judgement:
    """The result of :func:`judge`.

    Attributes:
        verdict: the verdict of the decisive tag (:func:`.decisive_tag`).
        session_id: the session of that tag; None unless the verdict is linkable.
        readers: the integrations that will show the line. ``SEARCH`` if and only if the verdict is
            linkable; ``POLL`` if and only if OpenReplay v1.20 would emit an event and find its
            session.
        poll_skip: why ``POLL`` is not among the readers; None if it is.
        expired: whether the linkable token has expired. An expired token still links the line.
        signature_checked: whether the verdict rests on a verified signature.
    """

    verdict: Verdict
    session_id: int | None
    readers: frozenset[Reader]
    poll_skip: PollSkip | None
    expired: bool
    signature_checked: bool


_SEARCH = frozenset({Reader.SEARCH})
_POLL = frozenset({Reader.POLL})
_NOBODY: frozenset[Reader] = frozenset()


def judge(
    message: str,
    *,
    token_secret: bytes | None = None,
    accept_unsigned_ids: bool | None = None,
    now_ms: int | None = None,
) -> Judgement:
    """Return whether OpenReplay will link a log line to a replay, or why not.

    Pure, and linear in the line's length. Never raises.

    Args:
        message: one log event's message, as CloudWatch Logs delivers it.
        token_secret: OpenReplay's ``TOKEN_SECRET``. Without it every well-formed signature counts
            as valid, and ``signature_checked`` is False.
        accept_unsigned_ids: whether to accept id tags and id fields, which have no signature, so
            anyone who can write to the log can forge one. None accepts them only without
            ``token_secret``.
        now_ms: the time for the expiry check, in milliseconds since 1970; default: now.
    """
    now_ms = int(time.time() * 1000) if now_ms is None else now_ms
    if accept_unsigned_ids is None:
        accept_unsigned_ids = token_secret is None
    decisive = decisive_tag(
        message,
        judge_token=partial(judge_token, token_secret=token_secret),
        unsigned_ids_accepted=accept_unsigned_ids,
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


_READINGS_THAT_SKIP = {
    PollerReading.NO_TOKEN: PollSkip.NO_TOKEN,
    PollerReading.NOT_AN_ERROR: PollSkip.NOT_AN_ERROR,
}


def _poll_skip(message: str, decisive: JudgedTag, polled: PollerResult) -> PollSkip | None:
    if polled.reading is PollerReading.EVENT:
        return None
    if polled.reading in _READINGS_THAT_SKIP:
        return _READINGS_THAT_SKIP[polled.reading]
    if decisive.verdict is Verdict.LINKABLE and not (
        # The poller never reads fields.
        isinstance(decisive.tag, SessionTag) and decisive.tag.value_start <= polled.start
    ):
        return PollSkip.OTHER_TAG_FIRST
    if _is_truncated(message, polled):
        return PollSkip.TRUNCATED_TOKEN
    if _is_older_format(polled.token):
        return PollSkip.OLDER_FORMAT
    if polled.reading is PollerReading.JUST_EXPIRED:
        return PollSkip.JUST_EXPIRED
    return PollSkip.INVALID_TOKEN


def _is_truncated(message: str, polled: PollerResult) -> bool:
    """Return whether the token is well-formed in the line but not as the poller extracts it."""
    for tag in islice(find_tags(message), MAX_TAGS):
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
