"""Session tokens out of a text, wherever they stand in it.

Tracebacks print request headers, access logs print URLs and cookies, and a JSON document may hold a
token under any key; so a token is recognised by its shape, not by a tag in front of it. It may be
percent-encoded, escaped in JSON, or broken over lines by ``pprint``.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from itertools import accumulate

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
TOKEN_SHAPE = re.compile(
    rf"(?<![0-9A-Za-z])"
    rf"(?:[0-9A-Za-z]*(?:{_DOT}{_SIGN}[0-9A-Za-z]{{1,64}}){{1,2}}{_DOT}{_SIGNATURE})+[0-9A-Za-z]*"
)
"""What a session token looks like, in every notation but a broken one."""

# pprint breaks a long literal into several, each on a line of its own: 'abc'\n 'def', and
# b'abc'\n b'def' (Python's Lib/pprint.py, _pprint_str and _pprint_bytes).
_BREAK = re.compile(r"""(\\{0,8}['"])(?:\s|\\{1,8}[nrt]){1,400}b?\1""")
# Where one ends: a quote in front of a line feed, which may be escaped.
_END_OF_LITERAL = re.compile(r"""\n(?<=['"]\n)""")
_ESCAPED_END_OF_LITERAL = re.compile(r"""\\(?<=['"]\\)""")

# Most texts have no token, and these searches say so at once. A dot that is percent-encoded or
# escaped in JSON ends in "e".
_DOT_AND_SIGNATURE = re.compile(rf"\.{_SIGNATURE}")
_ENCODED_DOT_AND_SIGNATURE = re.compile(rf"[Ee]{_SIGNATURE}")


def remove_session_tokens(text: str) -> str:
    """The text with :data:`REMOVED` in the place of everything that has a session token's shape.

    Linear in the length of the text; never raises.
    """
    if has_session_token(text):
        text = TOKEN_SHAPE.sub(REMOVED, text)
    return _remove_broken(text) if _may_have_broken_literals(text) else text


def has_session_token(text: str) -> bool:
    """Whether there may be one on one line: never False where it would be removed from it."""
    if _DOT_AND_SIGNATURE.search(text) is not None:
        return True
    has_encoding = "%" in text or "\\u" in text
    return has_encoding and _ENCODED_DOT_AND_SIGNATURE.search(text) is not None


def _may_have_broken_literals(text: str) -> bool:
    if "\n" in text and _END_OF_LITERAL.search(text) is not None:
        return True
    return "\\" in text and _ESCAPED_END_OF_LITERAL.search(text) is not None


def _remove_broken(text: str) -> str:
    """Remove the tokens that appear once the broken literals are joined."""
    breaks = [found.span() for found in _BREAK.finditer(text)]
    joined = _BREAK.sub("", text)
    if not breaks or not has_session_token(joined):
        return text
    lengths = list(accumulate((end - start for start, end in breaks), initial=0))
    # Where each break was in the joined text.
    places = [start - before for (start, _), before in zip(breaks, lengths, strict=False)]

    def position(in_joined: int) -> int:
        return in_joined + lengths[bisect_right(places, in_joined)]

    pieces, done = [], 0
    for token in TOKEN_SHAPE.finditer(joined):
        pieces += [text[done : position(token.start())], REMOVED]
        done = position(token.end() - 1) + 1
    return "".join([*pieces, text[done:]])
