"""Session tokens out of a text, wherever they stand in it.

Tracebacks print request headers, access logs print URLs, and a JSON document may hold a token
under any key; so a token is known here by its shape, not by a tag in front of it.
"""

from __future__ import annotations

import re

REMOVED = "<session token removed>"
"""What stands in the place of a removed session token."""

_SIGNATURE = "[1-9A-HJ-NP-Za-km-z]{38}"
# As they are, percent-encoded (once or more often), or escaped in JSON (likewise).
_DOT = r"(?:\.|%(?:25){0,4}2[Ee]|\\{1,8}u002[Ee])"
_SIGN = r"(?:-|%(?:25){0,4}2[Dd]|\\{1,8}u002[Dd])?"
# id.delay.expiry.signature or id.expiry.signature, letters and digits glued to either end included,
# and further tokens glued to the first. The signature decides: 32 random bytes take fewer than 38
# characters of base 58 once in 10**11 tokens, and hardly anything else has that many without "0",
# "O", "I" and "l". The look-behind keeps the search linear: a run of letters is entered at its
# beginning only.
_TOKEN_SHAPE = re.compile(
    rf"(?<![0-9A-Za-z])"
    rf"(?:[0-9A-Za-z]*(?:{_DOT}{_SIGN}[0-9A-Za-z]{{1,64}}){{1,2}}{_DOT}{_SIGNATURE})+[0-9A-Za-z]*"
)


# Most texts have no token, and these searches say so at once. A dot that is percent-encoded or
# escaped in JSON ends in "e".
_DOT_AND_SIGNATURE = re.compile(rf"\.{_SIGNATURE}")
_ENCODED_DOT_AND_SIGNATURE = re.compile(rf"[Ee]{_SIGNATURE}")


def remove_session_tokens(text: str) -> str:
    """The text with :data:`REMOVED` in the place of everything that has a session token's shape.

    Linear in the length of the text; never raises.
    """
    return _TOKEN_SHAPE.sub(REMOVED, text) if has_session_token(text) else text


def has_session_token(text: str) -> bool:
    """Whether there may be one in a text: never False where :func:`remove_session_tokens` acts."""
    if _DOT_AND_SIGNATURE.search(text) is not None:
        return True
    has_encoding = "%" in text or "\\u" in text
    return has_encoding and _ENCODED_DOT_AND_SIGNATURE.search(text) is not None
