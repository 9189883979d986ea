"""Decide the verdict of a log line: whether OpenReplay can link it, and by which tag.

The validator needs nothing else. :mod:`.judgement` adds details for people and commands.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from itertools import islice

from openreplay_cw_stack.tagging.fields import NotAText, SessionField, fields_around, find_fields
from openreplay_cw_stack.tagging.grammar import MalformedToken, parse_session_id, parse_token
from openreplay_cw_stack.tagging.text_tags import SessionTag, TagForm, find_tags, is_masked


class Word(str, Enum):
    """An enum whose members are strings and print as their values."""

    def __str__(self) -> str:
        return str(self.value)


class Verdict(Word):
    """Whether OpenReplay can link a line, and if not, why. The values are metric dimensions."""

    UNTAGGED = "untagged"
    """The line contains nothing that looks like a session tag."""
    MISSPELLED_TAG = "misspelled_tag"
    """The line contains something that looks like a session tag, but is misspelled."""
    CONFLICTING_TAGS = "conflicting_tags"
    """The fields of a JSON line name different sessions, or the line is cut or prefixed and a tag
    in its text contradicts its fields."""
    EMPTY_TOKEN = "empty_token"
    """Nothing follows the ``=``."""
    MASKED_TOKEN = "masked_token"
    """Only asterisks follow the ``=``: a data protection policy masked the token."""
    MALFORMED_TOKEN = "malformed_token"
    """The value after the ``=`` is neither a session token nor a session id."""
    BAD_SIGNATURE = "bad_signature"
    """The token was not signed with the token secret: it is another OpenReplay's, or forged."""
    UNSIGNED = "unsigned"
    """The line has a session id without a signature, and signatures are required."""
    LINKABLE = "linkable"
    """The line identifies a session: OpenReplay can show it beside the replay."""


class Reader(Word):
    """An OpenReplay integration that reads log lines."""

    SEARCH = "search"
    """The Elasticsearch integration from v1.21 on; the bridge answers it."""
    POLL = "poll"
    """The CloudWatch integration up to v1.20, with the service account's key."""


_RANK = {
    Verdict.UNTAGGED: 0,
    Verdict.MISSPELLED_TAG: 1,
    Verdict.CONFLICTING_TAGS: 1,
    Verdict.EMPTY_TOKEN: 2,
    Verdict.MASKED_TOKEN: 2,
    Verdict.MALFORMED_TOKEN: 3,
    Verdict.BAD_SIGNATURE: 4,
    Verdict.UNSIGNED: 5,
    Verdict.LINKABLE: 6,
}


MAX_TAGS = 64
"""The number of session tags judged per line. It limits the cost of a line that is full of tags."""


@dataclass(frozen=True)
class JudgedToken:
    """The verdict on a session token alone, independent of its line and of the time.

    Attributes:
        verdict: LINKABLE, MALFORMED_TOKEN or BAD_SIGNATURE.
        session_id: the session; None unless linkable.
        expires_ms: the expiry in milliseconds since 1970; None unless linkable.
        signature_checked: whether the signature was compared.
    """

    verdict: Verdict
    session_id: int | None = None
    expires_ms: int | None = None
    signature_checked: bool = False


@dataclass(frozen=True)
class JudgedTag:
    """A session tag of a line and its verdict.

    Attributes:
        verdict: the verdict on this tag alone, or CONFLICTING_TAGS.
        tag: the tag, in text or as a field; None for a line without a tag.
        session_id, expired, signature_checked: see :class:`.Judgement`.
        claimed_id: the session that the tag names, even if the tag cannot link the line.
    """

    verdict: Verdict
    tag: SessionTag | SessionField | None = None
    session_id: int | None = None
    expired: bool = False
    signature_checked: bool = False
    claimed_id: int | None = None


_NO_TAG = JudgedTag(Verdict.UNTAGGED)


def judge_token(text: str, token_secret: bytes | None) -> JudgedToken:
    """Judge a session token. Without a secret every well-formed signature counts as valid."""
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
    """Return the tag that decides a line's verdict.

    Fields of a JSON line take precedence over tags in text: the program writes the fields, and
    anyone can write text. All fields must name the same session. Of the tags in text, the one with
    the best verdict decides, or the first of several equal ones. In a JSON line that is cut or
    prefixed, it must agree with the fields.

    Args:
        message: one log event's message.
        judge_token: :func:`judge_token` with a token secret; the caller may cache its results.
        unsigned_ids_accepted: whether an id tag or an id field identifies a session.
        now_ms: the time for the expiry check, in milliseconds since 1970.
    """
    fields = find_fields(message)
    if fields and len(fields) > MAX_TAGS:
        return JudgedTag(Verdict.CONFLICTING_TAGS, fields[0])
    if fields:
        return _agreed(
            [_judge_field(one, judge_token, unsigned_ids_accepted, now_ms) for one in fields]
        )
    best = _NO_TAG
    for tag in islice(find_tags(message), MAX_TAGS):
        judged = _judge_text_tag(tag, judge_token, unsigned_ids_accepted, now_ms)
        if _RANK[judged.verdict] > _RANK[best.verdict]:
            best = judged
        if best.verdict is Verdict.LINKABLE:
            break
    if best.verdict is Verdict.LINKABLE and isinstance(best.tag, SessionTag):
        for one in fields_around(message, best.tag.start, is_json=fields is not None):
            judged = _judge_field(one, judge_token, unsigned_ids_accepted, now_ms)
            if judged.claimed_id != best.claimed_id:
                return JudgedTag(Verdict.CONFLICTING_TAGS, best.tag)
    return best


def _agreed(judged: list[JudgedTag]) -> JudgedTag:
    """Return the decisive field of a line whose fields must all name the same session.

    A field without a session contradicts a field with one. A program that writes an empty token has
    no session, even if a visitor's data adds a field that names one.
    """
    if len({one.claimed_id for one in judged}) > 1:
        return JudgedTag(Verdict.CONFLICTING_TAGS, judged[0].tag)
    return max(judged, key=lambda one: _RANK[one.verdict])


def _judge_text_tag(
    tag: SessionTag,
    judge_token: Callable[[str], JudgedToken],
    unsigned_ids_accepted: bool,
    now_ms: int,
) -> JudgedTag:
    if tag.form is TagForm.MISSPELLED:
        return JudgedTag(Verdict.MISSPELLED_TAG, tag)
    if tag.form is TagForm.ID:
        return _judge_id(tag, tag.value, unsigned_ids_accepted)
    return _judge_token(tag, tag.value, judge_token, now_ms)


def _judge_field(
    field: SessionField,
    judge_token: Callable[[str], JudgedToken],
    unsigned_ids_accepted: bool,
    now_ms: int,
) -> JudgedTag:
    if isinstance(field.value, NotAText):
        return JudgedTag(Verdict.MALFORMED_TOKEN, field)
    value = field.value or ""
    if field.is_id:
        return _judge_id(field, value, unsigned_ids_accepted)
    return _judge_token(field, value, judge_token, now_ms)


def _judge_token(
    tag: SessionTag | SessionField,
    value: str,
    judge_token: Callable[[str], JudgedToken],
    now_ms: int,
) -> JudgedTag:
    token = judge_token(value)
    if token.verdict is Verdict.MALFORMED_TOKEN:
        return _without_value(tag, value)
    expired = token.expires_ms is not None and token.expires_ms <= now_ms
    return JudgedTag(
        token.verdict, tag, token.session_id, expired, token.signature_checked, token.session_id
    )


def _judge_id(tag: SessionTag | SessionField, value: str, accepted: bool) -> JudgedTag:
    try:
        session_id = parse_session_id(value)
    except ValueError:
        return _without_value(tag, value)
    if not accepted:
        return JudgedTag(Verdict.UNSIGNED, tag, claimed_id=session_id)
    return JudgedTag(Verdict.LINKABLE, tag, session_id, claimed_id=session_id)


def _without_value(tag: SessionTag | SessionField, value: str) -> JudgedTag:
    if not value:
        return JudgedTag(Verdict.EMPTY_TOKEN, tag)
    return JudgedTag(Verdict.MASKED_TOKEN if is_masked(value) else Verdict.MALFORMED_TOKEN, tag)
