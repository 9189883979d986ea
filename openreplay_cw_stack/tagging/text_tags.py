"""Find session tags in text, exact or misspelled.

Misspelled tags are found so that a verdict can report them to the author. They have the name in
another case or with separators, ``:`` or ``=>`` instead of ``=``, HTML entities, percent-encoding,
JSON escapes, ANSI colours, or XML.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from openreplay_cw_stack.tagging.grammar import ID_TAG_NAME, TOKEN_TAG_NAME
from openreplay_cw_stack.tagging.redaction import TOKEN_SHAPE


class TagForm(Enum):
    """How a session tag is written."""

    TOKEN = "token"
    """Exactly ``openReplaySessionToken=``."""
    ID = "id"
    """Exactly ``openReplaySession.id=``."""
    MISSPELLED = "misspelled"
    """Close to one of the two: another case, spaces around ``=``, ``:`` instead of ``=``, or a JSON
    key in a line that is not JSON."""


@dataclass(frozen=True)
class SessionTag:
    """A session tag found in a text.

    Attributes:
        form: how the tag is written.
        value: the token or id as written, without trailing punctuation; may be empty.
        start: the index of the tag's start in the text, including its opening bracket.
        value_start: the index of the value's start.
        value_end: the index of the value's end; equal to ``value_start`` for an empty value.
        end: the index of the tag's end, including its closing bracket.
    """

    form: TagForm
    value: str = field(repr=False)
    start: int
    value_start: int
    value_end: int
    end: int


# The subscription filter selects exactly these names (contract/filter_pattern.py).
_BETWEEN_WORDS = r"_?-?\s?"
_SESSION = _BETWEEN_WORDS.join(("open", "replay", "session"))
# ASCII: without it, IGNORECASE would match "ſ" as "s" and "K" (Kelvin) as "k".
_NAME = re.compile(
    rf"{_SESSION}(?:\.?{_BETWEEN_WORDS}(?:token|id)|\\{{0,8}}[\"']\s?:\s?\{{\s?\\{{0,8}}[\"']id)",
    re.IGNORECASE | re.ASCII,
)
# A header, such as X-OpenReplay-SessionToken or HTTP_X_OPENREPLAY_SESSIONTOKEN, is not a tag.
_HEADER_PREFIX = re.compile(r"(?:^|[^A-Za-z])[xX][-_]\Z")
# Bounded repetition keeps the search linear in lines made of blanks.
_SEPARATOR = re.compile(r"""[\\"'\])]{0,4}\s{0,8}(?:=|:|%3[dD])[=>]?\s{0,8}[\\"']{0,4}""")
# A "-" belongs to a token only as the sign of its delay, directly after a dot.
_TOKEN_VALUE = re.compile(r"[0-9A-Za-z.]*(?:(?<=\.)-[0-9A-Za-z.]*)*")
# Programs that format numbers for people write groups of digits, which are not an id.
_ID_VALUE = re.compile(r"[0-9]{1,3}(?:[,'\u2019\xa0\u202f ][0-9]{3}){2,}(?![0-9])|[0-9A-Za-z_.]*")
_EXACT = {
    TOKEN_TAG_NAME: (TagForm.TOKEN, _TOKEN_VALUE),
    ID_TAG_NAME: (TagForm.ID, _ID_VALUE),
}
_MASK = re.compile(r"\*+")
_NOTHING_FOLLOWS = re.compile(r"""["']{0,2}(?:[\s\]),;}>|&]|\Z)""")
_OTHER_VALUE = re.compile(r"""[^\s\]),;}>|&]{1,256}""")

# The largest distance between a name and its token or id, in characters.
_NEAR = 64
_MAX_TOKEN = 320
_ID_BEHIND_A_NAME = re.compile(r"[0-9]{15,20}(?![0-9A-Za-z])")
# Matches the characters between a name and its id. The escapes come first, because their letters
# and digits are not part of a value.
_GLUE = re.compile(
    r"&(?:[a-z]{2,6}|\#x?[0-9A-Fa-f]{1,4});"
    r"|%(?:25){0,4}[0-9A-Fa-f]{2}"
    r"|(?:\x1b|\\{1,8}(?:u001b|x1b|033|e))\[[0-9;]{0,16}m"
    r"|\\{1,8}(?:u00|x)[0-9A-Fa-f]{2}"
    r"|[^0-9A-Za-z]",
    re.IGNORECASE | re.ASCII,
)


def may_have_tag(text: str) -> bool:
    """Return whether a text may have a session tag: a quick check, since most texts have none."""
    return "replay" in text.lower()


def find_tags(text: str) -> Iterator[SessionTag]:
    """Yield the session tags of a text in order, exact or misspelled.

    Fields of a JSON line are not included: :func:`.judge` finds those.

    Linear in the length of the text. Never raises.
    """
    if not may_have_tag(text):
        return
    for name in _NAME.finditer(text):
        tag = _tag_at(text, name)
        if tag is not None:
            yield tag


def is_masked(value: str) -> bool:
    """Return whether a value is all asterisks: a data protection policy has masked it."""
    return _MASK.fullmatch(value) is not None


def _tag_at(text: str, name: re.Match[str]) -> SessionTag | None:
    if name.group() in _EXACT and text.startswith("=", name.end()):
        form, alphabet = _EXACT[name.group()]
        begin = name.end() + 1
        value = _value_at(text, begin, alphabet)
        near = None if value else _near_value(text, begin)
        if near is None:
            return _tag(form, text, name.start(), begin, begin + len(value))
        return _tag(TagForm.MISSPELLED, text, name.start(), *near)
    if _HEADER_PREFIX.search(text, max(0, name.start() - 3), name.start()) is not None:
        return None
    near = _near_value(text, name.end())
    if near is None:
        separator = _SEPARATOR.match(text, name.end())
        if separator is None:
            return None
        begin = separator.end()
        near = begin, begin + len(_value_at(text, begin, _TOKEN_VALUE))
    return _tag(TagForm.MISSPELLED, text, name.start(), *near)


def _near_value(text: str, position: int) -> tuple[int, int] | None:
    """Return the span of the token or id that belongs to the name before ``position``."""
    end = position + _NEAR + _MAX_TOKEN
    following = _NAME.search(text, position, end)
    if following is not None:
        # A value after the next name belongs to that name.
        end = following.start()
    token = TOKEN_SHAPE.search(text, position, end)
    if token is not None and token.start() <= position + _NEAR:
        return token.span()
    last = min(end, position + _NEAR)
    while position < last:
        number = _ID_BEHIND_A_NAME.match(text, position, end)
        if number is not None:
            return number.span()
        glue = _GLUE.match(text, position, last)
        if glue is None:
            return None
        position = glue.end()
    return None


def _tag(form: TagForm, text: str, start: int, value_start: int, value_end: int) -> SessionTag:
    value = text[value_start:value_end]
    end = value_end
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
