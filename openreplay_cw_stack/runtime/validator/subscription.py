"""Read subscription payloads, the events that CloudWatch Logs sends to a subscribed function.

AWS documentation, "Log group-level subscription filters": the event is ``{"awslogs": {"data":
base64(gzip(json))}}`` and the document has ``messageType`` (``DATA_MESSAGE``, or
``CONTROL_MESSAGE`` for a reachability check), ``owner``, ``logGroup``, ``logStream``,
``subscriptionFilters`` and ``logEvents`` with ``id``, ``timestamp`` and ``message``.
"""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from openreplay_cw_stack.tagging import remove_session_tokens

MAX_DECOMPRESSED_BYTES = 24 * 1024 * 1024
"""The largest payload that is read. ``python -m benchmarks payload_memory`` measures how much of
the function's 512 MB the worst payload of this size needs."""

_MAX_NAME = 2048
"""The maximum length of an id or a name. CloudWatch Logs allows 512 characters for names."""


class UnusablePayload(ValueError):
    """The payload cannot be read. The message names the reason, and never quotes the payload."""


@dataclass(frozen=True)
class LogEvent:
    """One log event.

    Attributes:
        id: the id from CloudWatch Logs, unique within the log group.
        timestamp: the time in milliseconds since 1970.
        message: one or more lines.
    """

    id: str
    timestamp: int
    message: str = field(repr=False)


@dataclass(frozen=True)
class Payload:
    """Log events of one log stream.

    Attributes:
        owner: the AWS account of the log group.
        log_group: the log group's name.
        log_stream: the log stream's name in CloudWatch Logs.
        events: the log events in order, without duplicates.
        unreadable: the number of entries that are not log events.
        counted: whether the lines were judged and counted before, because the payload comes from
            the retry queue.
    """

    owner: str
    log_group: str
    log_stream: str
    events: Sequence[LogEvent]
    unreadable: int = 0
    counted: bool = False

    @cached_property
    def stream_without_tokens(self) -> str:
        """The log stream's name for linked lines, without session tokens.

        A log group's name cannot contain a session token; a log stream's can.
        """
        return remove_session_tokens(self.log_stream)


def read_payload(envelope: object) -> Payload | None:
    """Read the event of a subscription. Return None for a control message.

    Raises:
        UnusablePayload: the event is not gzip, truncated, not JSON, too large, or not a payload.
    """
    document = _document(_decompress(envelope))
    message_type = document.get("messageType")
    if message_type == "CONTROL_MESSAGE":
        return None
    if message_type != "DATA_MESSAGE":
        raise UnusablePayload("its messageType is neither DATA_MESSAGE nor CONTROL_MESSAGE")
    entries = document.get("logEvents")
    if not isinstance(entries, list):
        raise UnusablePayload("its logEvents are not a list")
    readable = [event for event in map(_log_event, entries) if event is not None]
    # CloudWatch Logs delivers at least once: a payload may contain an event twice.
    events: dict[str, LogEvent] = {}
    for event in readable:
        events.setdefault(event.id, event)
    return Payload(
        owner=_name(document, "owner"),
        log_group=_name(document, "logGroup"),
        log_stream=_name(document, "logStream"),
        events=list(events.values()),
        unreadable=len(entries) - len(readable),
        counted=isinstance(envelope, dict) and envelope.get("counted") is True,
    )


def encode_payload(
    payload: Payload, events: Sequence[LogEvent], *, counted: bool, reason: str | None = None
) -> str:
    """Compose a payload of some events of another payload, in JSON.

    Args:
        payload: the payload of the events.
        events: the events to include.
        counted: whether the events were judged and counted.
        reason: why the events become a dead letter; None if they do not.
    """
    document = {
        "messageType": "DATA_MESSAGE",
        "owner": payload.owner,
        "logGroup": payload.log_group,
        "logStream": payload.log_stream,
        "subscriptionFilters": [],
        "logEvents": [vars(event) for event in events],
    }
    # Without a time in the gzip header, equal events produce equal text.
    data = gzip.compress(json.dumps(document, separators=(",", ":")).encode(), mtime=0)
    envelope: dict[str, object] = {
        "awslogs": {"data": base64.b64encode(data).decode()},
        "counted": counted,
    }
    if reason is not None:
        envelope["reason"] = reason
    return json.dumps(envelope, separators=(",", ":"))


def _decompress(envelope: object) -> bytes:
    try:
        data = envelope["awslogs"]["data"]  # type: ignore[index]
    except (TypeError, KeyError, IndexError):
        raise UnusablePayload("it has no awslogs.data") from None
    try:
        compressed = base64.b64decode(data, validate=True)
    except (TypeError, ValueError):
        raise UnusablePayload("its data is not base64") from None
    return b"".join(_inflate(compressed))


def _inflate(data: bytes) -> Iterator[bytes]:
    """Yield the data of all gzip members, up to the limit."""
    left = MAX_DECOMPRESSED_BYTES
    while data:
        inflating = zlib.decompressobj(wbits=31)
        try:
            text = inflating.decompress(data, left + 1)
        except zlib.error:
            raise UnusablePayload("its data is not gzip") from None
        left -= len(text)
        if left < 0:
            raise UnusablePayload(f"it is larger than {MAX_DECOMPRESSED_BYTES} bytes")
        if not inflating.eof:
            raise UnusablePayload("its data is truncated")
        yield text
        data = inflating.unused_data


def _document(text: bytes) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise UnusablePayload("its data is not JSON") from None
    if not isinstance(document, dict):
        raise UnusablePayload("its data is not a JSON object")
    return document


def _log_event(entry: Any) -> LogEvent | None:
    """Return a log event; None if the entry is not one."""
    try:
        identifier, timestamp, message = entry["id"], entry["timestamp"], entry["message"]
    except (TypeError, KeyError, IndexError):
        return None
    # A boolean is an integer in Python, but not in JSON.
    if type(message) is not str or type(timestamp) is not int or type(identifier) is not str:
        return None
    if not 0 < len(identifier) <= _MAX_NAME:
        return None
    return LogEvent(identifier, timestamp, message)


def _name(document: dict[str, Any], field_name: str) -> str:
    value = document.get(field_name)
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_NAME:
        raise UnusablePayload(f"its {field_name} is not a name")
    return value
