"""Format a log line for people.

OpenReplay's panel shows the first physical line of a message, and all lines when it is expanded. A
JSON line is hard to read, so its message comes first, followed by its fields, one per line.
"""

from __future__ import annotations

import json

MESSAGE_FIELDS = ("message", "msg", "event", "log")
"""The fields that can hold a program's message, in order of precedence."""

_BLANKS = " \t\r\n\ufeff"


def laid_out(message: str) -> str:
    """Return the message of a JSON line and its fields, one per line; any other line unchanged."""
    try:
        fields = _json_fields(message)
        return "\n".join(_physical_lines(fields)) if fields else message
    except (ValueError, RecursionError):
        # The line is not JSON, is nested too deeply, or has an integer with thousands of digits.
        return message


def shortened(message: str, characters: int) -> str:
    """Cut a message and state how many characters are missing."""
    if len(message) <= characters:
        return message
    return f"{message[:characters]} [cut: {len(message) - characters} more characters]"


def _json_fields(message: str) -> _Fields:
    """Return the fields of a JSON object, including duplicate names; empty for other messages."""
    text = message.strip(_BLANKS)
    if not (text.startswith("{") and text.endswith("}")):
        return _Fields()
    document = json.loads(text, object_pairs_hook=_Fields)
    return document if isinstance(document, _Fields) else _Fields()


class _Fields(list[tuple[str, object]]):
    """The fields of an object, in order."""


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
