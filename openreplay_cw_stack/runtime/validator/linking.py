"""Judge a log event and, if OpenReplay can link it, compose its linked line."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from openreplay_cw_stack.contract.linked_line import LinkedLine
from openreplay_cw_stack.runtime.validator.log_level import level_of
from openreplay_cw_stack.runtime.validator.subscription import LogEvent, Payload
from openreplay_cw_stack.tagging import SessionTag, TagForm, Verdict, remove_session_tokens
from openreplay_cw_stack.tagging.fields import SessionField
from openreplay_cw_stack.tagging.grammar import ID_TAG_NAME, TOKEN_TAG_NAME
from openreplay_cw_stack.tagging.redaction import has_session_token
from openreplay_cw_stack.tagging.verdict import JudgedToken, decisive_tag

WITHHELD = "(withheld: a session token was left in this line)"
"""The message of a line whose session token could not be removed."""


@dataclass(frozen=True)
class Policy:
    """How sessions are identified.

    Attributes:
        judge_token: judges a session token.
        accept_unsigned_ids: whether a session id without a signature is accepted.
    """

    judge_token: Callable[[str], JudgedToken]
    accept_unsigned_ids: bool


@dataclass(frozen=True)
class JudgedLine:
    """A log event with its verdict and, if it is linkable, its linked line."""

    verdict: Verdict
    expired: bool = False
    linked: LinkedLine | None = None


_UNTAGGED = JudgedLine(Verdict.UNTAGGED)


def judge_line(event: LogEvent, payload: Payload, policy: Policy, *, now_ms: int) -> JudgedLine:
    """Judge a log event and compose its linked line. Never raises, whatever the event contains.

    Args:
        event: the log event.
        payload: the payload of the event.
        policy: how sessions are identified.
        now_ms: the time for the expiry check, in milliseconds since 1970.
    """
    decisive = decisive_tag(
        event.message,
        judge_token=policy.judge_token,
        unsigned_ids_accepted=policy.accept_unsigned_ids,
        now_ms=now_ms,
    )
    if decisive.tag is None:
        return _UNTAGGED
    linked = None
    if decisive.session_id is not None:
        text = _without_tags(event.message, decisive.tag)
        linked = LinkedLine(
            session=decisive.session_id,
            time=event.timestamp,
            id=event.id,
            owner=payload.owner,
            group=payload.log_group,
            stream=payload.stream_without_tokens,
            level=level_of(text),
            message=_without_tokens(text, decisive.tag),
        )
    return JudgedLine(decisive.verdict, decisive.expired, linked)


# Matches a token field or an id field without its first quote, and the comma after it. In a JSON
# line within another one, quotes and blanks are escaped.
_BLANKS = r"(?:\s|\\{1,8}[nrt])*"
_FIELD = re.compile(
    rf"""(?:{TOKEN_TAG_NAME}|{re.escape(ID_TAG_NAME)})(\\{{0,8}}")"""
    rf"""{_BLANKS}:{_BLANKS}\1[0-9A-Za-z.-]*\1({_BLANKS},{_BLANKS})?"""
)
_ONLY_BLANKS = re.compile(_BLANKS)
_ENCODED_CHARACTER = re.compile(r"(?:\\{1,8}u00|%(?:25){0,4})([0-9A-Fa-f]{2})")


# The end of a line and the margin of the next one, where a program folds its text.
_FOLD = re.compile(r"[\s│|]*(?:=|\\)?\r?\n[\s│|]*")


def _without_tags(message: str, tag: SessionTag | SessionField) -> str:
    """Return the message without its session tag or its session fields."""
    if isinstance(tag, SessionField):
        return _without_fields(message)
    return _without_tag(message, tag)


def _without_tokens(text: str, tag: SessionTag | SessionField) -> str:
    """Return the text without any session token."""
    text = remove_session_tokens(text)
    if "\n" in text and has_session_token(_FOLD.sub("", text)):
        return WITHHELD
    is_id = tag.is_id if isinstance(tag, SessionField) else tag.form is TagForm.ID
    # An id is not a secret.
    if is_id:
        return text
    _, _, signature = str(tag.value).rpartition(".")
    # A signature that is broken over two lines still contains one of these pieces. Each piece has
    # 64 bits, so no other text contains it by chance.
    pieces = (signature[:11], signature[11:22], signature[22:33])
    if any(map(text.__contains__, pieces)):
        return WITHHELD
    if "%" in text or "\\u00" in text:
        decoded = _ENCODED_CHARACTER.sub(lambda found: chr(int(found[1], 16)), text)
        if any(map(decoded.__contains__, pieces)):
            return WITHHELD
    return text


def _without_fields(message: str) -> str:
    """Return the JSON line without its token fields and id fields."""
    kept, done = "", 0
    for field in _FIELD.finditer(message):
        start = field.start() - len(field[1])
        if message[start : field.start()] != field[1] or message.endswith("\\", 0, start):
            continue
        kept += message[done:start]
        done = field.end()
        comma = kept.rfind(",")
        if field[2] is None and comma >= 0 and _ONLY_BLANKS.fullmatch(kept, comma + 1):
            # For the last member, also remove the comma before it.
            kept = kept[:comma]
    return kept + message[done:]


def _without_tag(message: str, tag: SessionTag) -> str:
    before, after = message[: tag.start], message[tag.end :]
    if message.startswith("[", tag.start):
        # A traceback in one event repeats the tag in every line.
        repeated = message[tag.start : tag.end]
        if repeated in after:
            after = after.replace(f"\n{repeated} ", "\n").replace(repeated, "")
    if after.startswith(" ") and (not before or before[-1] in ' \t\r\n"'):
        after = after[1:]
    return before + after
