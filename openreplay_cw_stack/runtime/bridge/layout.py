"""Lays out a log line for reading.

OpenReplay's panel shows the first physical line of a message, and all of them when it is expanded.
A JSON line is hard to read on one line: its message comes first, then its fields, one per line.
"""

from __future__ import annotations

import json

MESSAGE_FIELDS = ("message", "msg", "event", "log")
"""The fields that can hold a program's own message, by precedence."""

_BLANKS = " \t\r\n\ufeff"


def laid_out(message: str) -> str:
    """Return the message of a JSON line and its fields, one per line; any other line unchanged."""
    try:
        fields = _json_fields(message)
        return "\n".join(_physical_lines(fields)) if fields else message
    except (ValueError, RecursionError):
        # Not JSON, nested too deeply, or an integer with thousands of digits.
        return message


def shortened(message: str, characters: int) -> str:
    """Return the beginning of a message, and a note of how many characters are cut."""
    if len(message) <= characters:
        return message
    return f"{message[:characters]} [cut: {len(message) - characters} more characters]"


def _json_fields(message: str) -> _Fields:
    """The fields of a JSON object, equal names included; none if the message is not one."""
    text = message.strip(_BLANKS)
    if not (text.startswith("{") and text.endswith("}")):
        return _Fields()
    document = json.loads(text, object_pairs_hook=_Fields)
    return document if isinstance(document, _Fields) else _Fields()


class _Fields(list[tuple[str, object]]):
    """The fields of an object, in their order."""


def _physical_lines(fields: _Fields) -> list[str]:
    texts = [name for name, value in fields if isinstance(value, str) and value.strip()]
    own = next((name for name in MESSAGE_FIELDS if name in texts), None)
    first, rest = [], []
    for name, value in fields:
        if name == own and isinstance(value, str):
            first.append(value)
        else:
            rest.append(f"{name}: {value if isinstance(value, str) else _json_text(value)}")
    return [*first, *rest]


def _json_text(value: object) -> str:
    if isinstance(value, _Fields):
        fields = (
            f"{json.dumps(name, ensure_ascii=False)}: {_json_text(one)}" for name, one in value
        )
        return "{" + ", ".join(fields) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_json_text, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
