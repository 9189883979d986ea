"""Session tags in text: the exact forms, and everything that was meant to be one.

A tag in any other spelling or notation than the exact one is found as well, so that its author gets
to know: the name in another case or with separators, ``:`` or ``=>`` for ``=``, HTML entities,
percent-encoding, escapes of JSON, ANSI colours, XML.
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
    """``openReplaySessionToken=``, to the letter."""
    ID = "id"
    """``openReplaySession.id=``, to the letter."""
    MISSPELLED = "misspelled"
    """Meant to be one of the two: another case, spaces around ``=``, ``:`` for ``=``, a JSON key in
    a line that is not JSON."""


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


# The subscription filter selects exactly these names (contract/filter_pattern.py).
_BETWEEN_WORDS = r"_?-?\s?"
_SESSION = _BETWEEN_WORDS.join(("open", "replay", "session"))
# ASCII: without it, IGNORECASE would let "ſ" stand for "s" and "K" (Kelvin) for "k".
_NAME = re.compile(
    rf"{_SESSION}(?:\.?{_BETWEEN_WORDS}(?:token|id)|\\{{0,8}}[\"']\s?:\s?\{{\s?\\{{0,8}}[\"']id)",
    re.IGNORECASE | re.ASCII,
)
# A header, such as X-OpenReplay-SessionToken or HTTP_X_OPENREPLAY_SESSIONTOKEN, is not a tag.
_HEADER_PREFIXES = ("x-", "x_")
# Bounded repetition keeps the search linear in lines made of blanks.
_SEPARATOR = re.compile(r"""[\\"'\])]{0,4}\s{0,8}(?:=|:|%3[dD])[=>]?\s{0,8}[\\"']{0,4}""")
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

# How far behind a name a token or an id still belongs to it, in characters.
_NEAR = 64
_MAX_TOKEN = 320
_ID_BEHIND_A_NAME = re.compile(r"[0-9]{15,20}(?![0-9A-Za-z])")
# What stands between a name and an id that belong together. The escapes come first: their letters
# and digits are not those of a value.
_GLUE = re.compile(
    r"&(?:[a-z]{2,6}|\#x?[0-9A-Fa-f]{1,4});"
    r"|%(?:25){0,4}[0-9A-Fa-f]{2}"
    r"|(?:\x1b|\\{1,8}(?:u001b|x1b|033|e))\[[0-9;]{0,16}m"
    r"|\\{1,8}(?:u00|x)[0-9A-Fa-f]{2}"
    r"|[^0-9A-Za-z]",
    re.IGNORECASE | re.ASCII,
)


def may_have_tag(text: str) -> bool:
    """Whether a text may have a session tag. Most texts have none, and this says so at once."""
    return "replay" in text.lower()


def find_tags(text: str) -> Iterator[SessionTag]:
    """Every session tag of a text and everything that was meant to be one, in order.

    Fields of a JSON line are not among them: :func:`.judge` finds those.

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
        begin = name.end() + 1
        value = _value_at(text, begin, alphabet)
        near = None if value else _near_value(text, begin)
        if near is None:
            return _tag(form, text, name.start(), begin, begin + len(value))
        return _tag(TagForm.MISSPELLED, text, name.start(), *near)
    if text[max(0, name.start() - 2) : name.start()].lower() in _HEADER_PREFIXES:
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
    """Where the token or the id stands that belongs to the name in front of ``position``."""
    end = position + _NEAR + _MAX_TOKEN
    following = _NAME.search(text, position, end)
    if following is not None:
        # What is behind the next name belongs to that.
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
