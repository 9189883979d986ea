"""The session tag and the session token: how they are written, found and read.

This module is the one source of truth about both. What OpenReplay mints and reads was taken from
its source: ``backend/pkg/token/tokenizer.go`` at tags v1.0.0, v1.9.0 and v1.20.0.

* A **session token** is ``id.delay.expiry.signature``: the session id (unsigned, 64 bits), the
  difference between the server's and the browser's clock in milliseconds (signed, 64 bits; it has
  a leading ``-`` where the browser's clock is ahead) and the expiry in milliseconds since 1970, all
  in base 36; then the base 58 form of HMAC-SHA256 over everything before the last dot. OpenReplay
  v1.0 to v1.8 minted ``id.expiry.signature``.
* A **session tag** is a token as it stands in a log line, ``[openReplaySessionToken=<token>]``, or
  the session's id alone, ``openReplaySession.id=<decimal id>``. The brackets are customary.

A session token is a bearer credential of the visitor's session: no exception or ``repr`` of this
module contains one.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

TOKEN_TAG_NAME = "openReplaySessionToken"
"""The name in front of a session token in a log line. Case-sensitive."""

ID_TAG_NAME = "openReplaySession.id"
"""The name in front of a decimal session id in a log line. Case-sensitive."""

BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
"""The digits of a signature."""

UNSIGNED_64 = 2**64 - 1
"""The largest session id."""

SIGNED_64 = 2**63 - 1
"""The largest expiry, and the largest delay."""

_BASE58_VALUE = {character: value for value, character in enumerate(BASE58)}
_SIGNATURE_BYTES = 32
# 32 bytes take 32 characters at least (all zero) and 44 at most.
_SIGNATURE_LENGTHS = range(32, 45)
_BASE36_DIGITS_OF_64_BITS = 13
_DECIMAL_DIGITS_OF_64_BITS = 20

_BASE36_NUMBER = re.compile(r"[0-9A-Za-z]+\Z")
_DECIMAL_NUMBER = re.compile(r"[0-9]+\Z")


class MalformedToken(ValueError):
    """The text is not a session token. The message says which part, and never quotes the text."""


@dataclass(frozen=True)
class SessionToken:
    """A session token, taken apart. Nothing is said here about whether its signature is right.

    Attributes:
        session_id: the session, 0 to 2**64 - 1.
        delay_ms: server clock minus browser clock at the session's start, in milliseconds; None in
            the older, three-part format.
        expires_ms: when the token expires, in milliseconds since 1970.
        signature: 32 bytes.
        signed_text: the part of the token that the signature covers.
    """

    session_id: int
    delay_ms: int | None
    expires_ms: int
    signature: bytes = field(repr=False)
    signed_text: str = field(repr=False)

    def is_signed_with(self, token_secret: bytes) -> bool:
        """Whether OpenReplay's ``TOKEN_SECRET`` made this signature; compared in constant time."""
        return hmac.compare_digest(self.signature, signature_of(self.signed_text, token_secret))

    def is_expired(self, now_ms: int) -> bool:
        """Whether the token has expired at ``now_ms``, milliseconds since 1970."""
        return self.expires_ms <= now_ms


def parse_token(text: str) -> SessionToken:
    """Take a session token apart; four parts, or three as OpenReplay v1.0 to v1.8 minted them.

    Raises:
        MalformedToken: a part is missing, not in its alphabet, or out of its range.
    """
    parts = text.split(".", 4)
    if len(parts) not in (3, 4):
        raise MalformedToken("a session token has four parts, or three in the older format")
    session_id = _unsigned_base36(parts[0], "session id", UNSIGNED_64)
    delay_ms = _signed_base36(parts[1], "delay") if len(parts) == 4 else None
    expires_ms = _unsigned_base36(parts[-2], "expiry", SIGNED_64)
    signature = _decode_signature(parts[-1])
    return SessionToken(session_id, delay_ms, expires_ms, signature, text[: text.rindex(".")])


def signature_of(signed_text: str, token_secret: bytes) -> bytes:
    """The signature of a token, 32 bytes: HMAC-SHA256 with OpenReplay's ``TOKEN_SECRET``."""
    return hmac.digest(token_secret, signed_text.encode(), "sha256")


def parse_session_id(text: str) -> int:
    """Read a decimal session id of 64 bits.

    Raises:
        ValueError: the text is not a decimal number, or not below 2**64.
    """
    significant = text.lstrip("0")
    if not _DECIMAL_NUMBER.match(text) or len(significant) > _DECIMAL_DIGITS_OF_64_BITS:
        raise ValueError("a session id is a decimal number of 64 bits")
    session_id = int(significant or "0")
    if session_id > UNSIGNED_64:
        raise ValueError("a session id is a decimal number of 64 bits")
    return session_id


def token_tag(token: str) -> str:
    """The session tag for a token, as it should stand in front of a log message."""
    return f"[{TOKEN_TAG_NAME}={token}]"


def id_tag(session_id: int) -> str:
    """The session tag for a session id, as it should stand in front of a log message."""
    return f"[{ID_TAG_NAME}={session_id}]"


class TagForm(Enum):
    """How a session tag is written."""

    TOKEN = "token"
    """``openReplaySessionToken=``, to the letter."""
    ID = "id"
    """``openReplaySession.id=``, to the letter."""
    MISSPELLED = "misspelled"
    """Meant to be one of the two: other case, spaces around ``=``, ``:`` for ``=``, a JSON key."""


@dataclass(frozen=True)
class SessionTag:
    """A session tag found in a text.

    Attributes:
        form: how it is written.
        value: the token or id as written, without sentence punctuation after it; may be empty.
        start: where the tag begins in the text, its opening bracket included.
        value_start: where the value begins.
        value_end: where the value ends; equal to ``value_start`` for an empty value.
        end: where the tag ends, its closing bracket included.
    """

    form: TagForm
    value: str = field(repr=False)
    start: int
    value_start: int
    value_end: int
    end: int


# ASCII: without it, IGNORECASE would let "ſ" stand for "s" and "K" (Kelvin) for "k".
_NAME = re.compile(r"open[ _-]?replay[ _-]?session[ ._-]?(?:token|id)", re.IGNORECASE | re.ASCII)
# A header, such as X-OpenReplay-SessionToken or HTTP_X_OPENREPLAY_SESSIONTOKEN, is not a tag.
_HEADER_PREFIXES = ("x-", "x_")
# Bounded repetition keeps the search linear in lines made of blanks.
_OTHER_SEPARATOR = re.compile(r"""[\\"'\])]{0,4}\s{0,8}(?:=|:|%3[dD])[=>]?\s{0,8}[\\"']{0,4}""")
# Blanks alone count where what follows can only be a token or an id.
_SPACE_SEPARATOR = re.compile(
    r"\s{1,8}(?=[0-9A-Za-z]{1,64}\.-?[0-9A-Za-z]{1,64}\.[0-9A-Za-z]|[0-9]{15,20}(?![0-9A-Za-z]))"
)
# A "-" belongs to a token only as the sign of its delay, right behind a dot.
_TOKEN_VALUE = re.compile(r"[0-9A-Za-z.]*(?:(?<=\.)-[0-9A-Za-z.]*)*")
_ID_VALUE = re.compile(r"[0-9A-Za-z_.]*")
_EXACT = {
    TOKEN_TAG_NAME: (TagForm.TOKEN, _TOKEN_VALUE),
    ID_TAG_NAME: (TagForm.ID, _ID_VALUE),
}
_MASK = re.compile(r"\*+")
_NOTHING_FOLLOWS = re.compile(r"""["']{0,2}(?:[\s\]),;}>|&]|\Z)""")
_OTHER_VALUE = re.compile(r"""[^\s\]),;}>|&]{1,256}""")


def may_have_tag(text: str) -> bool:
    """Whether a text may have a session tag. Most texts have none, and this says so at once."""
    return "replay" in text.lower()


def find_tags(text: str) -> Iterator[SessionTag]:
    """Every session tag of a text and everything that was meant to be one, in order.

    Linear in the length of the text; never raises.
    """
    if not may_have_tag(text):
        return
    for name in _NAME.finditer(text):
        tag = _tag_at(text, name)
        if tag is not None:
            yield tag


def is_masked(value: str) -> bool:
    """Whether a tag's value is what a CloudWatch Logs data protection policy leaves: asterisks."""
    return _MASK.fullmatch(value) is not None


def _tag_at(text: str, name: re.Match[str]) -> SessionTag | None:
    if name.group() in _EXACT and text.startswith("=", name.end()):
        form, alphabet = _EXACT[name.group()]
        blanks = _SPACE_SEPARATOR.match(text, name.end() + 1)
        if blanks is not None:
            return _tag(TagForm.MISSPELLED, text, name.start(), blanks.end(), alphabet)
        return _tag(form, text, name.start(), name.end() + 1, alphabet)
    if text[max(0, name.start() - 2) : name.start()].lower() in _HEADER_PREFIXES:
        return None
    separator = _OTHER_SEPARATOR.match(text, name.end()) or _SPACE_SEPARATOR.match(text, name.end())
    if separator is None:
        return None
    return _tag(TagForm.MISSPELLED, text, name.start(), separator.end(), _TOKEN_VALUE)


def _tag(
    form: TagForm, text: str, start: int, value_start: int, alphabet: re.Pattern[str]
) -> SessionTag:
    value = _value_at(text, value_start, alphabet)
    end = value_end = value_start + len(value)
    if text.startswith("]", end) and text.startswith("[", start - 1) and start > 0:
        start, end = start - 1, end + 1
    return SessionTag(form, value, start, value_start, value_end, end)


def _value_at(text: str, position: int, alphabet: re.Pattern[str]) -> str:
    run = alphabet.match(text, position)
    value = run.group().rstrip(".-") if run else ""
    if value:
        return value
    mask = _MASK.match(text, position)
    if mask:
        return mask.group()
    if _NOTHING_FOLLOWS.match(text, position):
        return ""
    other = _OTHER_VALUE.match(text, position)
    return other.group() if other else ""


def _unsigned_base36(digits: str, part: str, largest: int) -> int:
    if not _BASE36_NUMBER.match(digits):
        raise MalformedToken(f"the {part} is not a number in base 36")
    significant = digits.lstrip("0")
    if len(significant) > _BASE36_DIGITS_OF_64_BITS or int(significant or "0", 36) > largest:
        raise MalformedToken(f"the {part} does not fit into 64 bits")
    return int(significant or "0", 36)


def _signed_base36(digits: str, part: str) -> int:
    if digits.startswith("-"):
        return -_unsigned_base36(digits[1:], part, SIGNED_64 + 1)
    return _unsigned_base36(digits, part, SIGNED_64)


def _decode_signature(text: str) -> bytes:
    if len(text) not in _SIGNATURE_LENGTHS:
        raise MalformedToken("the signature has the wrong length")
    number = 0
    for character in text:
        digit = _BASE58_VALUE.get(character)
        if digit is None:
            raise MalformedToken("the signature is not in base 58")
        number = number * 58 + digit
    zeros = len(text) - len(text.lstrip("1"))
    significant = (number.bit_length() + 7) // 8
    if zeros + significant != _SIGNATURE_BYTES:
        raise MalformedToken("the signature has the wrong length")
    return number.to_bytes(_SIGNATURE_BYTES, "big")
