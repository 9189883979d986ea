"""A session tag into text: every physical line once, and JSON stays JSON.

Log drivers make a log event of every line, so each line must say whose it is. A text that is one
JSON object gets the tag in its message instead, where it takes nothing from the JSON's form.
"""

from __future__ import annotations

import json

from openreplay_cw_stack.tagging.propagation import counts

MESSAGE_FIELDS = ("message", "msg", "event")
"""Where the message stands in a JSON log line: python-json-logger and Powertools, others,
structlog."""

ADDED_FIELD = "openreplay"
"""The field that is added to a JSON object without a message."""

# A tag that OpenReplay reads begins with this, in this case.
_ANY_TAG = "openReplaySession"
_BLANKS = " \t\n\r"
_decode_value = json.JSONDecoder().raw_decode


def tag_text(text: str, tag: str) -> str:
    """The text with the session tag once in every line that is not blank.

    Args:
        text: one line or several, separated by line feeds, with or without one at the end.
        tag: a session tag of letters, digits and ``[].=-``, which JSON strings take as they are.

    Returns:
        The tagged text. A line that has the tag already keeps it where it is, unless another
        visitor's tag stands before it: readers go by the first. A text, or a line, that is a JSON
        object is still one. Linear in the length of the text; never raises.
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


def _tag_json(text: str, tag: str) -> str | None:
    """The JSON object with the tag in it; None where the text is no JSON object."""
    begin = _skip_blanks(text, 0)
    if not text.startswith("{", begin) or not text.rstrip(_BLANKS).endswith("}"):
        return None
    if tag in text:
        added = f'"{ADDED_FIELD}": "{tag}"'
        text = without_tag(text.replace(f"{added}, ", "").replace(added, ""), tag)
    try:
        messages, first = _messages_in(text, begin)
    except (ValueError, IndexError, RecursionError):
        return None
    for name in MESSAGE_FIELDS:
        position = messages.get(name)
        if position is not None and _ANY_TAG not in text[:position]:
            return f"{text[:position]}{tag} {text[position:]}"
    comma = "" if text[first] == "}" else ", "
    return f'{text[:first]}"{ADDED_FIELD}": "{tag}"{comma}{text[first:]}'


def _messages_in(text: str, begin: int) -> tuple[dict[str, int], int]:
    """Where the texts of the messages of a JSON object begin, and where its first member does.

    Args:
        text: the object, with blanks around it.
        begin: where its brace is.

    Raises:
        ValueError, IndexError: the text is no JSON object.
    """
    messages: dict[str, int] = {}
    first = position = _skip_blanks(text, begin + 1)
    closed = text[position] == "}"
    while not closed:
        name, value, position = _member_at(text, position)
        if name in MESSAGE_FIELDS and text[value] == '"':
            messages[name] = value + 1
        closed = text[position] == "}"
        if not closed:
            position = _skip_blanks(text, _behind(text, position, ","))
    if _skip_blanks(text, position + 1) != len(text):
        raise ValueError("something behind the object")
    return messages, first


def _member_at(text: str, position: int) -> tuple[object, int, int]:
    """The name of a member, where its value begins, and what is behind it."""
    if text[position] != '"':
        raise ValueError("a member without a name")
    name, position = _decode_value(text, position)
    value = _skip_blanks(text, _behind(text, _skip_blanks(text, position), ":"))
    _, position = _decode_value(text, value)
    return name, value, _skip_blanks(text, position)


def _behind(text: str, position: int, character: str) -> int:
    if text[position] != character:
        raise ValueError(f"no {character!r} where one must be")
    return position + 1


def _skip_blanks(text: str, position: int) -> int:
    while position < len(text) and text[position] in _BLANKS:
        position += 1
    return position
