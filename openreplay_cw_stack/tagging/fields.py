"""Session tags as fields of a JSON line, in the places that belong to the program.

A JSON line is a message that is one whole JSON object. Loggers write the fields of the program into
the outermost object or into one object directly inside it (:data:`CONTAINERS`). Every other object
may be a visitor's, such as a logged request body, and is not entered; nor is any array.
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
"""The objects directly inside a JSON line whose fields are the program's."""

WRAPPERS = frozenset({"log", "message", "msg"})
"""The fields whose whole text may be the JSON line of a program: FireLens and Docker write
``log``, Lambda's JSON log format ``message``."""


@dataclass(frozen=True)
class SessionField:
    """A session tag that is a field of a JSON line.

    Attributes:
        is_id: whether it is an id field; a token field otherwise.
        value: what it holds: a text; None for ``null``; a :class:`NotAText` for everything else.
    """

    is_id: bool
    value: str | NotAText | None = field(repr=False)


class NotAText:
    """A number, an object or another value that is not a text.

    JavaScript rounds numbers above 2**53, and most session ids are.
    """


_NOT_A_TEXT = NotAText()
# What stands in front of the objects of some writers.
_BLANKS = "\ufeff \t\r\n"
# The decoder's pairs as a tuple: arrays are lists, so the two differ, and equal names are
# both there.
_Object = tuple[tuple[str, Any], ...]
_decode = json.JSONDecoder(object_pairs_hook=tuple).decode


def find_fields(message: str) -> list[SessionField] | None:
    """The session tags of the first rank that has any, in order; None for text.

    The ranks are the outermost object, the objects of :data:`CONTAINERS`, and the JSON lines in
    :data:`WRAPPERS`, whose own first rank counts.

    Linear in the length of the message; never raises.
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
    """The members of a JSON object; None for everything else, and for what the parser refuses."""
    text = text.strip(_BLANKS)
    # What has no tag is not worth parsing.
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


# A field in text: in a JSON line that is cut, prefixed, or part of a string.
_FIELD_IN_TEXT = re.compile(
    rf""""({TOKEN_TAG_NAME}|{re.escape(ID_TAG_NAME)})\\{{0,8}}"\s{{0,8}}:\s{{0,8}}"""
    r"""(?:\\{0,8}"([^"\\]{0,256})|([^\s",}]{0,256}))"""
)


def fields_around(message: str, position: int, *, is_json: bool) -> list[SessionField]:
    """The fields of the broken JSON line that a tag in text is a part of; none if there is none.

    Such a line is cut or prefixed, so that it is text. What its strings quote is not what its
    program says.

    Args:
        message: the whole message.
        position: where the tag stands.
        is_json: whether the message is a JSON line; then only the string around the tag counts.
    """
    if f'"{SESSION_FIELD_NAME}' not in message:
        return []
    start, end = _string_around(message, position) if is_json else (0, len(message))
    found = list(_FIELD_IN_TEXT.finditer(message, start, end))
    if not found or (message.find("{", start, position) < 0 and found[0].start() > position):
        return []
    return [
        SessionField(one[1] == ID_TAG_NAME, _NOT_A_TEXT if one[2] is None else one[2])
        for one in found
    ]


def _string_around(message: str, position: int) -> tuple[int, int]:
    """Where the JSON string around a position begins and ends."""
    start = position
    while start > 0 and not _is_quote(message, start - 1):
        start = message.rfind('"', 0, start - 1) + 1
    end = message.find('"', position)
    while end >= 0 and not _is_quote(message, end):
        end = message.find('"', end + 1)
    return start, len(message) if end < 0 else end


def _is_quote(message: str, position: int) -> bool:
    """Whether an unescaped quote stands there."""
    before = position
    while before > 0 and message[before - 1] == "\\":
        before -= 1
    return message[position] == '"' and (position - before) % 2 == 0
