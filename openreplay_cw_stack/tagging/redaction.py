"""Remove session tokens from text.

Tracebacks print request headers, access logs print URLs and cookies, and a JSON document may hold a
token under any key. A token is therefore recognised by its shape, with or without a tag. It may be
percent-encoded, escaped in JSON, or broken over several lines by ``pprint``.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from itertools import accumulate

REMOVED = "<session token removed>"
"""The text that replaces a session token."""

_SIGNATURE = "[1-9A-HJ-NP-Za-km-z]{38}"
# Literal, or percent-encoded or escaped in JSON, once or several times.
_DOT = r"(?:\.|%(?:25){0,4}2[Ee]|\\{1,8}u002[Ee])"
_SIGN = r"(?:-|%(?:25){0,4}2[Dd]|\\{1,8}u002[Dd])?"
# Matches id.delay.expiry.signature or id.expiry.signature, with adjacent letters, digits and more
# tokens. The signature identifies a token: 32 random bytes take fewer than 38 characters of base 58
# once in 10**11 tokens, and other text rarely has that many characters without "0", "O", "I" and
# "l". The look-behind keeps the search linear: a match begins only at the start of a run of letters
# and digits.
TOKEN_SHAPE = re.compile(
    rf"(?<![0-9A-Za-z])"
    rf"(?:[0-9A-Za-z]*(?:{_DOT}{_SIGN}[0-9A-Za-z]{{1,64}}){{1,2}}{_DOT}{_SIGNATURE})+[0-9A-Za-z]*"
)
"""Matches a session token in every notation except one broken over several lines."""

# pprint breaks a long literal into several, one per line: 'abc'\n 'def' and b'abc'\n b'def'
# (Python's Lib/pprint.py, _pprint_str and _pprint_bytes).
# It chooses the quotes of each: double ones around an apostrophe, which JSON escapes.
_BREAK = re.compile(r"""\\{0,8}['"](?:\s|\\{1,8}[nrt]){1,400}b?\\{0,8}['"]""")
# The end of such a literal: a quote before a line feed, which may be escaped.
_END_OF_LITERAL = re.compile(r"""\n(?<=['"]\n)""")
_ESCAPED_END_OF_LITERAL = re.compile(r"""\\(?<=['"]\\)""")

# What follows a backslash in JSON.
_ESCAPE = re.compile(r"u[0-9A-Fa-f]{4}|[nrtbf]")

# Most texts have no token, and these searches reject them quickly. A dot that is percent-encoded or
# escaped in JSON ends with "e".
_DOT_AND_SIGNATURE = re.compile(rf"\.{_SIGNATURE}")
_ENCODED_DOT_AND_SIGNATURE = re.compile(rf"[Ee]{_SIGNATURE}")


def remove_session_tokens(text: str) -> str:
    """Return the text with each session token replaced by :data:`REMOVED`.

    Linear in the length of the text. Never raises.
    """
    if has_session_token(text):
        text = TOKEN_SHAPE.sub(_removed, text)
    return _remove_broken(text) if _may_have_broken_literals(text) else text


def _removed(found: re.Match[str]) -> str:
    """Return the replacement of a token. An escape before it stays."""
    text, start = found.string, found.start()
    backslashes = 0
    while start > backslashes and text[start - backslashes - 1] == "\\":
        backslashes += 1
    if backslashes % 2 == 0:
        return REMOVED
    escape = _ESCAPE.match(text, start)
    return f"{escape[0] if escape else ''}{REMOVED}"


def has_session_token(text: str) -> bool:
    """Return False only if :func:`remove_session_tokens` would leave this line unchanged."""
    if _DOT_AND_SIGNATURE.search(text) is not None:
        return True
    has_encoding = "%" in text or "\\u" in text
    return has_encoding and _ENCODED_DOT_AND_SIGNATURE.search(text) is not None


def _may_have_broken_literals(text: str) -> bool:
    if "\n" in text and _END_OF_LITERAL.search(text) is not None:
        return True
    return "\\" in text and _ESCAPED_END_OF_LITERAL.search(text) is not None


def _remove_broken(text: str) -> str:
    """Remove the tokens that appear after the broken literals are joined."""
    breaks = [found.span() for found in _BREAK.finditer(text)]
    joined = _BREAK.sub("", text)
    if not breaks or not has_session_token(joined):
        return text
    lengths = list(accumulate((end - start for start, end in breaks), initial=0))
    # The position of each break in the joined text.
    places = [start - before for (start, _), before in zip(breaks, lengths, strict=False)]

    def position(in_joined: int) -> int:
        return in_joined + lengths[bisect_right(places, in_joined)]

    pieces, done = [], 0
    for token in TOKEN_SHAPE.finditer(joined):
        pieces += [text[done : position(token.start())], REMOVED]
        done = position(token.end() - 1) + 1
    return "".join([*pieces, text[done:]])
