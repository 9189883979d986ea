"""A model of OpenReplay's CloudWatch poller, up to v1.20.

It follows ``backend/pkg/integrations`` at tag v1.20.0: CloudWatch's filter term, then the two
regular expressions of ``clients/utils.go``, then ``pkg/token/tokenizer.go``. The expressions ignore
case as Go does: "ſ" matches "s", and the Kelvin sign matches "k".
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum

from openreplay_cw_stack.tagging.grammar import (
    TOKEN_TAG_NAME,
    MalformedToken,
    SessionToken,
    parse_token,
)

JUST_EXPIRED_MS = 30_000
"""v1.20 rejects a token that expired less than this ago, and accepts one that expired earlier."""

_FILTER_TERM = TOKEN_TAG_NAME
_EXCEPTION = re.compile(r"exception|error", re.IGNORECASE | re.ASCII)
_TOKEN = re.compile(
    "openReplay[sſ]e[sſ][sſ]ionTo[k\u212a]en=([0-9a-zA-Z.ſ\u212a]+)",
    re.IGNORECASE | re.ASCII,
)


class PollerReading(Enum):
    """The step at which the poller stops processing a line."""

    NO_TOKEN = "no_token"
    """CloudWatch's filter or the poller's regular expression finds no token."""
    NOT_AN_ERROR = "not_an_error"
    """The line contains neither "exception" nor "error", in upper or lower case."""
    JUST_EXPIRED = "just_expired"
    """The token expired less than 30 s ago."""
    INVALID_TOKEN = "invalid_token"
    """The token is malformed, in the older format, or not signed with the secret."""
    EVENT = "event"
    """The poller emits an event and finds the session of the token."""


@dataclass(frozen=True)
class PollerResult:
    """The result of :func:`read_as_poller`.

    Attributes:
        reading: the step at which the poller stops.
        token: the token as the poller extracts it; empty if it finds none.
        start: the index of that token in the line; -1 if it finds none.
    """

    reading: PollerReading
    token: str = field(default="", repr=False)
    start: int = -1


def read_as_poller(message: str, *, token_secret: bytes | None, now_ms: int) -> PollerResult:
    """Read a line as OpenReplay v1.20 would at ``now_ms``.

    Without ``token_secret`` every well-formed signature counts as valid. Linear in the length of
    the line. Never raises.
    """
    match = _TOKEN.search(message) if _FILTER_TERM in message else None
    if match is None:
        return PollerResult(PollerReading.NO_TOKEN)
    token, start = match.group(1), match.start(1)
    if _EXCEPTION.search(message) is None:
        return PollerResult(PollerReading.NOT_AN_ERROR, token, start)
    return PollerResult(_read_token(token, token_secret, now_ms), token, start)


def _read_token(text: str, token_secret: bytes | None, now_ms: int) -> PollerReading:
    try:
        token: SessionToken = parse_token(text)
    except MalformedToken:
        return PollerReading.INVALID_TOKEN
    if token.delay_ms is None:
        return PollerReading.INVALID_TOKEN
    if token_secret is not None and not token.is_signed_with(token_secret):
        return PollerReading.INVALID_TOKEN
    if token.expires_ms <= now_ms < token.expires_ms + JUST_EXPIRED_MS:
        return PollerReading.JUST_EXPIRED
    return PollerReading.EVENT
