"""Find session tags that are fields of a JSON line.

A JSON line is a message that is one whole JSON object. Loggers write the program's fields into the
outermost object or into one object directly inside it (:data:`CONTAINERS`). Every other object may
hold a visitor's data, such as a logged request body. The search skips those objects and all arrays.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from openreplay_cw_stack.tagging.grammar import (
    ID_TAG_NAME,
    SESSION_FIELD_NAME,
    SESSION_ID_FIELD_NAME,
    TOKEN_TAG_NAME,
)
from openreplay_cw_stack.tagging.text_tags import may_have_tag

CONTAINERS = frozenset(
    {
        "attributes",  # OpenTelemetry
        "context",  # Monolog, Laravel
        "contextMap",  # Log4j's JsonLayout
        "mdc",  # Logback and Log4j with a JSON encoder
        "extra",  # Monolog
        "properties",  # Serilog, NLog
        "Properties",  # Serilog's JsonFormatter
        "labels",  # Elastic Common Schema
        "fields",  # Rust's tracing, winston
        "message",  # Lambda's JSON log format with an object as the message
    }
)
"""The names of objects directly inside a JSON line that hold the program's fields."""

WRAPPERS = frozenset({"log", "message", "msg"})
"""The names of fields that may hold a program's JSON line as text: FireLens and Docker write
``log``, Lambda's JSON log format writes ``message``."""


@dataclass(frozen=True)
class SessionField:
    """A session tag that is a field of a JSON line.

    Attributes:
        is_id: True for an id field, False for a token field.
        value: the text; None for ``null``; a :class:`NotAText` for every other value.
    """

    is_id: bool
    value: str | NotAText | None = field(repr=False)


class NotAText:
    """A number, an object or another value that is not text.

    JavaScript rounds numbers above 2**53, and most session ids are.
    """


_NOT_A_TEXT = NotAText()
# Some writers put a byte order mark or blanks before the object.
_BLANKS = "\ufeff \t\r\n"
# Objects decode to tuples of pairs. Arrays decode to lists, so the two differ, and duplicate names
# survive.
_Object = tuple[tuple[str, Any], ...]
_decode = json.JSONDecoder(object_pairs_hook=tuple).decode


def find_fields(message: str) -> list[SessionField] | None:
    """Return the session fields of a JSON line, in order; None if the message is not a JSON line.

    The search has three ranks: the outermost object, the objects named in :data:`CONTAINERS`, and
    the JSON lines inside the fields named in :data:`WRAPPERS`, which are searched by the first two
    ranks. The first rank that has a session field wins.

    Linear in the length of the message. Never raises.
    """
    outermost = _parse(message)
    if outermost is None:
        return None
    found = _fields_of_program(outermost)
    if not found:
        for name, value in outermost:
            if name in WRAPPERS and isinstance(value, str):
                wrapped = _parse(value)
                found += [] if wrapped is None else _fields_of_program(wrapped)
    return found


def _parse(text: str) -> _Object | None:
    """Return the members of a JSON object; None for other text and for text that does not parse."""
    text = text.strip(_BLANKS)
    # Parsing is slow, and text without a tag does not need it.
    if not text.startswith("{") or not text.endswith("}") or not may_have_tag(text):
        return None
    try:
        members: _Object = _decode(text)
    except (ValueError, RecursionError):
        return None
    return members


def _fields_of_program(outermost: _Object) -> list[SessionField]:
    found = list(_fields_of(outermost))
    if not found:
        for name, value in outermost:
            if name in CONTAINERS and isinstance(value, tuple):
                found += _fields_of(value)
    return found


def _fields_of(members: _Object) -> Iterator[SessionField]:
    for name, value in members:
        if name == TOKEN_TAG_NAME:
            yield _field(value, is_id=False)
        elif name == ID_TAG_NAME:
            yield _field(value, is_id=True)
        elif name == SESSION_FIELD_NAME and isinstance(value, tuple):
            for inner_name, inner_value in value:
                if inner_name == SESSION_ID_FIELD_NAME:
                    yield _field(inner_value, is_id=True)


def _field(value: object, *, is_id: bool) -> SessionField:
    return SessionField(is_id, value if value is None or isinstance(value, str) else _NOT_A_TEXT)


# Matches a field in text: in a JSON line that is cut, prefixed, or quoted in a string.
_FIELD_IN_TEXT = re.compile(
    rf""""(?:({TOKEN_TAG_NAME})|{re.escape(ID_TAG_NAME)}"""
    rf"""|{SESSION_FIELD_NAME}\\{{0,8}}"\s{{0,8}}:\s{{0,8}}\{{[^{{}}]{{0,256}}?"{SESSION_ID_FIELD_NAME})"""
    r"""\\{0,8}"\s{0,8}:\s{0,8}(?:\\{0,8}"([^"\\]{0,256})|[^\s",}]{0,256})"""
)


def fields_around(message: str, position: int, *, is_json: bool) -> list[SessionField]:
    """Return the session fields of the broken JSON line that surrounds a tag in text, if any.

    A broken JSON line is cut or prefixed, so it counts as text. A tag in one of its strings may
    quote a visitor, while its fields come from the program.

    Args:
        message: the whole message.
        position: the index of the tag in the message.
        is_json: whether the message is a JSON line. If so, only the string around the tag is
            searched.
    """
    if f'"{SESSION_FIELD_NAME}' not in message:
        return []
    start, end = _string_around(message, position) if is_json else (0, len(message))
    if not message[start:position].strip():
        # The program begins its text with the tag; whatever follows may quote a visitor.
        return []
    return [
        SessionField(one[1] is None, _NOT_A_TEXT if one[2] is None else one[2])
        for one in _FIELD_IN_TEXT.finditer(message, start, end)
    ]


def _string_around(message: str, position: int) -> tuple[int, int]:
    """Return the start and the end of the JSON string around a position."""
    start = position
    while start > 0 and not _is_quote(message, start - 1):
        start = message.rfind('"', 0, start - 1) + 1
    end = message.find('"', position)
    while end >= 0 and not _is_quote(message, end):
        end = message.find('"', end + 1)
    return start, len(message) if end < 0 else end


def _is_quote(message: str, position: int) -> bool:
    """Return whether the character at a position is an unescaped quote."""
    before = position
    while before > 0 and message[before - 1] == "\\":
        before -= 1
    return message[position] == '"' and (position - before) % 2 == 0
