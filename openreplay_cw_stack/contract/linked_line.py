"""The linked line: a linkable line that the session table stores and the bridge shows."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

LEVELS = ("error", "warning", "info", "debug")
"""The levels that OpenReplay's player supports."""

MAX_MESSAGE_BYTES = 262_144
"""The maximum size of a message as JSON in UTF-8, including escapes: 256 KiB."""

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True)
class LinkedLine:
    """A linked line. No attribute contains a session token.

    Attributes:
        session: the OpenReplay session, 0 to 2**64 - 1.
        time: the source event's timestamp, in milliseconds since 1970.
        id: the source event's CloudWatch id, unique within its account and log group.
        owner: the AWS account of the tracked log group.
        group: the tracked log group's name.
        stream: the source event's log stream.
        level: one of :data:`LEVELS`.
        message: the line without its session tag.
    """

    session: int
    time: int
    id: str
    owner: str
    group: str
    stream: str
    level: str
    message: str

    @property
    def identity(self) -> tuple[str, str, str]:
        """The key that identifies the source event; copies of an event share it."""
        return (self.owner, self.group, self.id)

    @property
    def order(self) -> tuple[int, int, str, str, str]:
        """The sort key of the line within its session: time, then id."""
        # Event ids are decimal numbers: a longer one is greater.
        return (self.time, len(self.id), self.id, self.owner, self.group)

    def within_limit(self) -> tuple[LinkedLine, bool]:
        """Return the line with its message cut to the limit, and whether it was cut.

        A cut message ends at a character boundary, and states how many characters are missing.
        """
        # A character takes at most 6 bytes: the escape of a control character.
        if len(self.message) * 6 + 2 <= MAX_MESSAGE_BYTES:
            return self, False
        if json_size(self.message) <= MAX_MESSAGE_BYTES:
            return self, False
        return replace(self, message=_cut(self.message)), True


def json_size(text: str) -> int:
    """Return the size of a text as JSON in UTF-8, with its quotes."""
    return len(_encode(text).encode("utf-8", "replace"))


def _cut(message: str) -> str:
    shortest, longest = 0, min(len(message), MAX_MESSAGE_BYTES)
    while longest - shortest > 1:
        middle = (shortest + longest) // 2
        if json_size(_first(message, middle)) <= MAX_MESSAGE_BYTES:
            shortest = middle
        else:
            longest = middle
    return _first(message, shortest)


def _first(message: str, characters: int) -> str:
    missing = len(message) - characters
    return f"{message[:characters]} [cut: {missing} more characters in the tracked log group]"
