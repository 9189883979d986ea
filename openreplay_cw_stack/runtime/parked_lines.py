"""Parked lines: linked lines that CloudWatch Logs did not take, as they wait in a queue.

The contract between the validator, which parks lines, the redelivery, which writes them later, and
the ``replay`` command. One JSON object to a message::

    {"v":1,"log_group":"/app/checkout","stream":"/app/checkout","arrival_ms":1795464000000,
     "lines":"<base64 of gzip of encoded linked lines, one a row>"}

An encoded linked line has no line break. A message holds what fits into one PutLogEvents call, so
that it is taken as a whole or not at all.

Amazon SQS Developer Guide, "Amazon SQS message quotas": a message is at most 1,048,576 bytes of
characters that XML allows; JSON in ASCII has no others.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

VERSION = 1
"""The version of this form. Who reads a queue leaves what it does not know."""

MAX_MESSAGE_BYTES = 1_000_000
"""What we let a message have; the rest of SQS's 1,048,576 bytes is slack."""

SURELY_FITTING_BYTES = 740_000
"""A line of this length fits into a message whatever is in it: gzip makes nothing longer by more
than a thousandth, base64 makes four characters of three bytes."""


class NotParkedLines(ValueError):
    """The text is no message of parked lines of a version we know. It is never quoted."""


@dataclass(frozen=True)
class ParkedLines:
    """Linked lines that wait to be written.

    Attributes:
        log_group: the tracked log group that they come from.
        stream: the log stream of the linked log group that they go to.
        arrival_ms: when they were to be written first, in milliseconds since 1970.
        lines: encoded linked lines.
    """

    log_group: str
    stream: str
    arrival_ms: int
    lines: Sequence[str]

    def encode(self) -> str:
        """The message, in ASCII. It may be longer than a queue takes."""
        # Its own time in the header would make two messages of the same lines.
        packed = gzip.compress("\n".join(self.lines).encode(), mtime=0)
        document = {
            "v": VERSION,
            "log_group": self.log_group,
            "stream": self.stream,
            "arrival_ms": self.arrival_ms,
            "lines": base64.b64encode(packed).decode(),
        }
        return json.dumps(document, separators=(",", ":"))

    @classmethod
    def decode(cls, text: str) -> ParkedLines:
        """Read a message.

        Raises:
            NotParkedLines: the text is none, or of a version that we do not know.
        """
        try:
            document = json.loads(text)
        except (ValueError, RecursionError, TypeError):
            raise NotParkedLines("not JSON") from None
        version = document.get("v") if isinstance(document, dict) else None
        if type(version) is not int or version != VERSION:
            raise NotParkedLines("not parked lines of a known version")
        log_group, stream, packed = (
            document.get(name) for name in ("log_group", "stream", "lines")
        )
        arrival_ms = document.get("arrival_ms")
        if not (isinstance(log_group, str) and isinstance(stream, str) and isinstance(packed, str)):
            raise NotParkedLines("its log group, its stream or its lines are no text")
        if type(arrival_ms) is not int:
            raise NotParkedLines("its arrival time is no whole number")
        try:
            rows = gzip.decompress(base64.b64decode(packed, validate=True)).decode()
        except (ValueError, binascii.Error, OSError, EOFError, zlib.error):
            raise NotParkedLines("its lines are not gzip in base64") from None
        return cls(log_group, stream, arrival_ms, rows.split("\n") if rows else [])
