"""The linked line: a line as it stands in the linked log group.

The contract between the validator, which writes linked lines, and the bridge, which reads them.
One JSON object to a log event. Its ``message`` begins with ``[openReplaySession.id=<decimal>]``,
so that one exact term narrows a search; whose line it is says ``session`` alone. It stands in a
log stream named after the tracked log group.
"""

from __future__ import annotations

import json

from openreplay_cw_stack.tagging.grammar import id_tag, parse_session_id
from openreplay_cw_stack.tagging.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

VERSION = 1
"""The version of this form. A reader refuses what it does not know."""

LEVELS = ("error", "warning", "info", "debug")
"""The levels a line can have: the ones OpenReplay's player knows."""


MAX_STREAM_NAME = 512
"""Characters of a log stream's name: CloudWatch Logs API reference, "CreateLogStream"."""


class NotALinkedLine(ValueError):
    """The text is no linked line of a version we know. The message never quotes the text."""


class LinkedLine(Value):
    """A linked line.

    Attributes:
        session: the OpenReplay session, 0 to 2**64 - 1.
        time: the source event's timestamp, in milliseconds since 1970.
        id: the source event's CloudWatch id, unique within its account and log group.
        owner: the AWS account of the tracked log group.
        group: the tracked log group's name.
        stream: the source event's log stream.
        level: one of :data:`LEVELS`.
        message: the line, beginning with the session's tag, without any session token.
    """

    session: int
    time: int
    id: str
    owner: str
    group: str
    stream: str
    level: str
    message: str

    def encode(self) -> str:
        """The line as one JSON object, without characters that UTF-8 cannot carry."""
        document = {
            "v": VERSION,
            "session": str(self.session),
            "time": self.time,
            "id": self.id,
            "owner": self.owner,
            "group": self.group,
            "stream": self.stream,
            "level": self.level,
            "message": self.message,
        }
        text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
        return text.encode("utf-8", "replace").decode("utf-8")

    def encode_within(self, limit_bytes: int) -> tuple[str, bool]:
        """The line in at most ``limit_bytes`` of UTF-8, and whether its message had to be cut.

        A cut message ends at a character boundary with a note of how many characters are missing.

        Raises:
            ValueError: not even an empty message fits.
        """
        text = self.encode()
        if len(text.encode()) <= limit_bytes:
            return text, False
        return self._cut(limit_bytes), True

    def _cut(self, limit_bytes: int) -> str:
        shortest, longest = len(id_tag(self.session)), len(self.message)
        if self._size_of_first(shortest) > limit_bytes:
            raise ValueError(f"a linked line needs more than {limit_bytes} bytes")
        while longest - shortest > 1:
            middle = (shortest + longest) // 2
            if self._size_of_first(middle) <= limit_bytes:
                shortest = middle
            else:
                longest = middle
        return self._first(shortest).encode()

    def _first(self, characters: int) -> LinkedLine:
        missing = len(self.message) - characters
        note = f" [cut: {missing} more characters in the tracked log group]"
        return LinkedLine(**{**vars(self), "message": self.message[:characters] + note})

    def _size_of_first(self, characters: int) -> int:
        return len(self._first(characters).encode().encode())

    @classmethod
    def decode(cls, text: str) -> LinkedLine:
        """Read a linked line.

        Raises:
            NotALinkedLine: the text is none, or of a version that we do not know.
        """
        return cls._from_document(_document(text))

    @classmethod
    def _from_document(cls, document: dict[str, Any]) -> LinkedLine:
        try:
            session = parse_session_id(document["session"])
        except (KeyError, ValueError, TypeError, AttributeError):
            raise NotALinkedLine("its session is no decimal number of 64 bits") from None
        time = document.get("time")
        if not isinstance(time, int) or isinstance(time, bool):
            raise NotALinkedLine("its time is no whole number")
        texts = {name: document.get(name) for name in _TEXTS}
        for name, value in texts.items():
            if not isinstance(value, str):
                raise NotALinkedLine(f"its {name} is no text")
            # JSON can have characters in it that UTF-8 cannot carry.
            texts[name] = value.encode("utf-8", "replace").decode()
        if texts["level"] not in LEVELS:
            raise NotALinkedLine("its level is none of ours")
        return cls(session=session, time=time, **texts)  # type: ignore[arg-type]


def is_linked_line(text: str) -> bool:
    """Whether a log line is a linked line already, and would go round in a loop.

    It has exactly the fields of one, and its message begins with the tag of its session: what a
    program says of itself in JSON is not taken for one.
    """
    if not text.startswith('{"v":'):
        return False
    try:
        document = _document(text)
        line = LinkedLine._from_document(document)
    except NotALinkedLine:
        return False
    return document.keys() == _FIELDS and line.message.startswith(id_tag(line.session))


def _document(text: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise NotALinkedLine("not JSON") from None
    version = document.get("v") if isinstance(document, dict) else None
    if type(version) is not int or version != VERSION:
        raise NotALinkedLine("not a linked line of a known version")
    return dict(document)


def stream_of(owner: str, group: str, *, own_account: str | None) -> str:
    """The log stream of the lines of a tracked log group.

    It has the log group's name. Other accounts' are ``<owner>/<group>``, since two accounts may
    have groups of one name; cut with a digest of the whole where that is too long.

    Args:
        owner: the account of the log group.
        group: its name. It has none of the characters that a stream's must not have.
        own_account: the validator's; None where no other account sends lines.
    """
    if own_account in (None, owner):
        return group
    name = f"{owner}/{group}"
    if len(name) <= MAX_STREAM_NAME:
        return name
    import hashlib

    digest = hashlib.sha256(name.encode()).hexdigest()[:16]
    return f"{name[: MAX_STREAM_NAME - 17]}-{digest}"


def encode_session(session: int) -> str:
    """How an encoded line begins, up to its ``time``."""
    return f'{{"v":{VERSION},"session":"{session}","time":'


def encode_source(owner: str, group: str, stream: str) -> str:
    """The fields that all lines of a log stream share, as they stand in an encoded line."""
    document = {"owner": owner, "group": group, "stream": stream}
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace").decode("utf-8")[1:-1]


_TEXTS = ("id", "owner", "group", "stream", "level", "message")
_FIELDS = {"v", "session", "time", *_TEXTS}
