"""A session tag into text: every physical line once, and JSON stays JSON.

Log drivers make a log event of every line, so each line must say whose it is. A text that is one
JSON object gets the tag as a field, the token field or the id field: the program's field decides
whose the line is, whatever a visitor's data in the line says, and the message stays clean.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from openreplay_cw_stack.tagging.grammar import ID_TAG_NAME, SESSION_FIELD_NAME, TOKEN_TAG_NAME
from openreplay_cw_stack.tagging.judgement import judge
from openreplay_cw_stack.tagging.propagation import counts
from openreplay_cw_stack.tagging.verdict import Verdict

FIELD_NAMES = frozenset({TOKEN_TAG_NAME, ID_TAG_NAME, SESSION_FIELD_NAME})
"""The members of a JSON line that are session fields."""

# A tag that OpenReplay reads begins with this, in this case.
_ANY_TAG = "openReplaySession"
_BLANKS = " \t\n\r"
# What may stand around a JSON line: blanks, and the byte order mark of some writers.
_AROUND = _BLANKS + "\ufeff"
_decode_value = json.JSONDecoder().raw_decode


class _Field(NamedTuple):
    """A session field in a JSON line: what it is, and its positions in the text."""

    name: str
    value: Any
    start: int
    end: int
    end_of_previous: int


def tag_text(text: str, tag: str) -> str:
    """The text with the session tag once in every line that is not blank.

    Args:
        text: one line or several, separated by line feeds, with or without one at the end.
        tag: a session tag of letters, digits and ``[].=-``, which JSON strings take as they are.

    Returns:
        The tagged text. A line that has the tag already keeps it where it is, unless another
        visitor's tag stands before it: readers go by the first. A text, or a line, that is a JSON
        object gets a field in place of the tag, as its first member; other session fields of that
        object stay only where they name the same session. Linear in the length of the text; never
        raises.
    """
    try:
        # Nearly every text is one plain line.
        if "\n" not in text and _ANY_TAG not in text and text[:1].isalnum():
            return f"{tag} {text}"
        return _tag_text(text, tag)
    except Exception:
        counts.count(counts.UNTAGGED_TEXTS)
        return text


def _tag_text(text: str, tag: str) -> str:
    if "\n" not in text:
        return _tag_line(text, tag)
    tagged = _tag_json(text, tag)
    if tagged is not None:
        return tagged
    return "\n".join([_tag_line(line, tag) for line in text.split("\n")])


def _tag_line(line: str, tag: str) -> str:
    tagged = _tag_json(line, tag)
    if tagged is not None:
        return tagged
    if _ANY_TAG in line:
        if line.count(tag) == 1 and line.index(_ANY_TAG) == line.index(tag) + 1:
            return line
        line = without_tag(line, tag)
    if not line or line.isspace():
        return line
    return f"{tag} {line}"


def without_tag(text: str, tag: str) -> str:
    """The text without a tag, wherever it stands in it, and the blank behind it."""
    return text.replace(f"{tag} ", "").replace(tag, "")


def field_of(tag: str) -> tuple[str, str]:
    """The name and the value of the field that says what a session tag says."""
    name, _, value = tag[1:-1].partition("=")
    return name, value


def agree(members: Iterable[str]) -> bool:
    """Whether members of a JSON object, as they are written, name one and the same session."""
    return judge(f"{{{', '.join(members)}}}").verdict is Verdict.LINKABLE


def _tag_json(text: str, tag: str) -> str | None:
    """The JSON object with the tag as a field of it; None where the text is no JSON object."""
    begin = len(text) - len(text.lstrip(_AROUND))
    if not text.startswith("{", begin) or not text.rstrip(_AROUND).endswith("}"):
        return None
    if tag in text:
        # Of a traceback that was formatted before.
        text = without_tag(text, tag)
    try:
        first, found = _fields_in(text, begin)
    except (ValueError, IndexError, RecursionError):
        return None
    name, value = field_of(tag)
    field = f'"{name}": "{value}"'
    own = [one for one in found if one.name == name]
    others = [text[one.start : one.end] for one in found if one.name != name]
    if not others or agree([field, *others]):
        if len(own) == 1 and own[0].value == value:
            return text
        found = own
    if found:
        return _with_field_instead(text, found, field)
    comma = "" if text[first] == "}" else ", "
    return f"{text[:first]}{field}{comma}{text[first:]}"


def _with_field_instead(text: str, replaced: list[_Field], field: str) -> str:
    """The JSON object with one field in the place of the first of several."""
    pieces, position = [text[: replaced[0].start], field], replaced[0].end
    for one in replaced[1:]:
        pieces.append(text[position : one.end_of_previous])
        position = one.end
    return "".join([*pieces, text[position:]])


def _fields_in(text: str, begin: int) -> tuple[int, list[_Field]]:
    """Where the first member of a JSON object begins, and the session fields of the object.

    Args:
        text: the object, with blanks around it.
        begin: where its brace is.

    Raises:
        ValueError, IndexError: the text is no JSON object.
    """
    found: list[_Field] = []
    first = start = end = _skip_blanks(text, begin + 1)
    closed = text[start] == "}"
    while not closed:
        previous, (name, value, end) = end, _member_at(text, start)
        if name in FIELD_NAMES:
            found.append(_Field(name, value, start, end, previous))
        position = _skip_blanks(text, end)
        closed = text[position] == "}"
        start = position if closed else _skip_blanks(text, _behind(text, position, ","))
    if text[start + 1 :].strip(_AROUND):
        raise ValueError("something behind the object")
    return first, found


def _member_at(text: str, position: int) -> tuple[str, Any, int]:
    """The name of a member, its value, and where it ends."""
    if text[position] != '"':
        raise ValueError("a member without a name")
    name, position = _decode_value(text, position)
    value, end = _decode_value(
        text, _skip_blanks(text, _behind(text, _skip_blanks(text, position), ":"))
    )
    return name, value, end


def _behind(text: str, position: int, character: str) -> int:
    if text[position] != character:
        raise ValueError(f"no {character!r} where one must be")
    return position + 1


def _skip_blanks(text: str, position: int) -> int:
    while position < len(text) and text[position] in _BLANKS:
        position += 1
    return position
