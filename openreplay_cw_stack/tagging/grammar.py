"""The grammar of session tokens and session tags.

The formats follow OpenReplay's source: ``backend/pkg/token/tokenizer.go`` at tags v1.0.0, v1.9.0
and v1.20.0. No other module defines them.

* A **session token** is ``id.delay.expiry.signature``. The first three parts are in base 36: the
  session id (unsigned, 64 bits), the server's clock minus the browser's in milliseconds (signed, 64
  bits; negative if the browser's clock is ahead) and the expiry in milliseconds since 1970. The
  signature is HMAC-SHA256 over everything before the last dot, in base 58. OpenReplay v1.0 to v1.8
  minted ``id.expiry.signature``.
* A **session tag** names the session of a log line. In text it is a **token tag**,
  ``[openReplaySessionToken=<token>]``, or an **id tag**, ``openReplaySession.id=<decimal id>``; the
  brackets are optional. In a JSON line it can be a **token field** or an **id field**:
  ``"openReplaySessionToken": "<token>"``, ``"openReplaySession.id": "<decimal id>"`` or
  ``"openReplaySession": {"id": "<decimal id>"}``. :mod:`.text_tags` and :mod:`.fields` find them.

A session token is a bearer credential of the visitor's session: no exception or ``repr`` of this
module contains one.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass, field

TOKEN_TAG_NAME = "openReplaySessionToken"
"""The name before a session token in a log line. Case-sensitive."""

ID_TAG_NAME = "openReplaySession.id"
"""The name before a decimal session id in a log line. Case-sensitive."""

SESSION_FIELD_NAME, SESSION_ID_FIELD_NAME = "openReplaySession", "id"
"""The names of the object and the member of a nested id field. Case-sensitive."""

BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
"""The digits of a signature."""

UNSIGNED_64 = 2**64 - 1
"""The largest session id."""

SIGNED_64 = 2**63 - 1
"""The largest expiry, and the largest delay."""

_BASE58_VALUE = {character: value for value, character in enumerate(BASE58)}
_SIGNATURE_BYTES = 32
# 32 bytes take 32 characters (if all are zero) to 44 characters.
_SIGNATURE_LENGTHS = range(32, 45)
_BASE36_DIGITS_OF_64_BITS = 13
_DECIMAL_DIGITS_OF_64_BITS = 20

_BASE36_NUMBER = re.compile(r"[0-9A-Za-z]+\Z")
_DECIMAL_NUMBER = re.compile(r"[0-9]+\Z")


class MalformedToken(ValueError):
    """The text is not a session token. The message names the bad part and never quotes the text."""


@dataclass(frozen=True)
class SessionToken:
    """A parsed session token. Its signature is not verified.

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
        """Return whether the signature was made with OpenReplay's ``TOKEN_SECRET``.

        Compares in constant time.
        """
        return hmac.compare_digest(self.signature, sign(self.signed_text, token_secret))

    def is_expired(self, now_ms: int) -> bool:
        """Return whether the token has expired at ``now_ms``, in milliseconds since 1970."""
        return self.expires_ms <= now_ms


def parse_token(text: str) -> SessionToken:
    """Parse a session token of four parts, or of three as OpenReplay v1.0 to v1.8 minted them.

    Raises:
        MalformedToken: a part is missing, not in its alphabet, or out of range.
    """
    parts = text.split(".", 4)
    if len(parts) not in (3, 4):
        raise MalformedToken("a session token has four parts, or three in the older format")
    session_id = _unsigned_base36(parts[0], "session id", UNSIGNED_64)
    delay_ms = _signed_base36(parts[1], "delay") if len(parts) == 4 else None
    expires_ms = _unsigned_base36(parts[-2], "expiry", SIGNED_64)
    signature = _decode_signature(parts[-1])
    return SessionToken(session_id, delay_ms, expires_ms, signature, text[: text.rindex(".")])


def sign(signed_text: str, token_secret: bytes) -> bytes:
    """Return the 32-byte signature of a token: HMAC-SHA256 with OpenReplay's ``TOKEN_SECRET``."""
    return hmac.digest(token_secret, signed_text.encode(), "sha256")


def parse_session_id(text: str) -> int:
    """Parse a decimal session id of 64 bits.

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
    """Return the token tag to put before a log message."""
    return f"[{TOKEN_TAG_NAME}={token}]"


def id_tag(session_id: int) -> str:
    """Return the id tag to put before a log message."""
    return f"[{ID_TAG_NAME}={session_id}]"


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
