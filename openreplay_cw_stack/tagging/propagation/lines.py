"""Add a session tag to text: once in every line, and JSON stays JSON.

Log drivers turn each line into a log event, so each line needs the tag. A text that is one JSON
object gets the tag as a field, the token field or the id field. The field takes precedence over a
visitor's data in the line, and leaves the message unchanged.
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
"""The names of session fields in a JSON line."""

# Every tag that OpenReplay reads begins with this. Case-sensitive.
_ANY_TAG = "openReplaySession"
_BLANKS = " \t\n\r"
# Characters that may surround a JSON line: blanks, and the byte order mark of some writers.
_AROUND = _BLANKS + "\ufeff"
_decode_value = json.JSONDecoder().raw_decode


class _Field(NamedTuple):
    """A session field in a JSON line, and its position in the text."""

    name: str
    value: Any
    start: int
    end: int
    end_of_previous: int


def tag_text(text: str, tag: str) -> str:
    """Add the session tag once to every line that is not blank.

    Linear in the length of the text. Never raises.

    Args:
        text: one or more lines, separated by line feeds, with or without one at the end.
        tag: a session tag of letters, digits and ``[].=-``, which need no escapes in JSON strings.

    Returns:
        The tagged text. A line that already has the tag keeps it in place, unless another tag
        precedes it, because readers use the first tag. A text or a line that is a JSON object gets
        a field instead, as its first member. Other session fields of that object stay only if they
        name the same session.
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
    """Return the text without any copy of a tag and the blank after it."""
    return text.replace(f"{tag} ", "").replace(tag, "")


def field_of(tag: str) -> tuple[str, str]:
    """Return the name and the value of the field that is equivalent to a session tag."""
    name, _, value = tag[1:-1].partition("=")
    return name, value


def agree(members: Iterable[str]) -> bool:
    """Return whether members of a JSON object, given as JSON text, all name the same session."""
    return judge(f"{{{', '.join(members)}}}").verdict is Verdict.LINKABLE


def _tag_json(text: str, tag: str) -> str | None:
    """Return the JSON object with the tag as a field; None if the text is not a JSON object."""
    begin = len(text) - len(text.lstrip(_AROUND))
    if not text.startswith("{", begin) or not text.rstrip(_AROUND).endswith("}"):
        return None
    if tag in text:
        # A traceback in the object was formatted, and tagged, earlier.
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
    """Return the JSON object with its session fields replaced by one field."""
    pieces, position = [text[: replaced[0].start], field], replaced[0].end
    for one in replaced[1:]:
        pieces.append(text[position : one.end_of_previous])
        position = one.end
    return "".join([*pieces, text[position:]])


def _fields_in(text: str, begin: int) -> tuple[int, list[_Field]]:
    """Return the index of a JSON object's first member, and the object's session fields.

    Args:
        text: the object, with blanks around it.
        begin: the index of its opening brace.

    Raises:
        ValueError, IndexError: the text is not a JSON object.
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
        raise ValueError("text after the object")
    return first, found


def _member_at(text: str, position: int) -> tuple[str, Any, int]:
    """Return the name of a member, its value, and the index of its end."""
    if text[position] != '"':
        raise ValueError("a member without a name")
    name, position = _decode_value(text, position)
    value, end = _decode_value(
        text, _skip_blanks(text, _behind(text, _skip_blanks(text, position), ":"))
    )
    return name, value, end


def _behind(text: str, position: int, character: str) -> int:
    if text[position] != character:
        raise ValueError(f"missing {character!r}")
    return position + 1


def _skip_blanks(text: str, position: int) -> int:
    while position < len(text) and text[position] in _BLANKS:
        position += 1
    return position
