"""What CloudWatch Logs hands a subscribed Lambda function.

AWS documentation, "Log group-level subscription filters": the event is ``{"awslogs": {"data":
base64(gzip(json))}}`` and the document has ``messageType`` (``DATA_MESSAGE``, or
``CONTROL_MESSAGE`` for a reachability check), ``owner``, ``logGroup``, ``logStream``,
``subscriptionFilters`` and ``logEvents`` with ``id``, ``timestamp`` and ``message``.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from json.decoder import scanstring  # type: ignore[attr-defined]
from json.encoder import encode_basestring

from openreplay_cw_stack.tagging import TOKEN_TAG_NAME, remove_session_tokens
from openreplay_cw_stack.tagging.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class InvalidPayload(ValueError):
    """The event is no subscription payload. The message never quotes it."""


class LogEvent(Value):
    """One log event, stamped in milliseconds since 1970; its message has one line or several."""

    id: str
    timestamp: int
    message: str


EscapedEvent = tuple[str, str, str]
"""The id, the timestamp and the message of a log event as they stand in JSON: without the quotes
around them, escapes and all. A text that nobody changes goes on as it came."""


class Subscription(Value):
    """Where the events of a subscription payload come from.

    Attributes:
        owner: the AWS account of the log group.
        log_group: the log group's name.
        log_stream: the log stream's name, without any session token.
    """

    owner: str
    log_group: str
    log_stream: str


class Payload(Value):
    """What a subscription payload contains.

    Attributes:
        subscription: where its events come from.
        untagged: how many log events do not say "replay" in any case, and so have no tag.
        unreadable: how many entries are no log events.
        tagged: the other log events. Not all have a tag; an escape may even look like a letter.
    """

    subscription: Subscription
    untagged: int
    unreadable: int
    tagged: list[EscapedEvent]


def decompress(event: object) -> bytes:
    """The text of a payload.

    Raises:
        InvalidPayload: there is none in the event.
    """
    try:
        data = event["awslogs"]["data"]  # type: ignore[index]
    except (TypeError, KeyError, IndexError):
        raise InvalidPayload("it has no awslogs.data") from None
    try:
        return _gunzip(base64.b64decode(data, validate=True))
    except (TypeError, ValueError, binascii.Error, OSError, EOFError, zlib.error):
        raise InvalidPayload("its data is not gzip in base64") from None


def _gunzip(data: bytes) -> bytes:
    # The module takes longer, to import as well; it is for several members.
    whole = zlib.decompressobj(wbits=31)
    try:
        text = whole.decompress(data)
    except zlib.error:
        text = b""
    if whole.eof and not whole.unused_data:
        return text
    import gzip

    return gzip.decompress(data)


def parse_payload(data: bytes) -> Payload | None:
    """A payload, parsed to its last event; None for a control message.

    Raises:
        InvalidPayload: the text is no payload.
    """
    document = _document(data)
    message_type = document.get("messageType")
    if message_type == "CONTROL_MESSAGE":
        return None
    if message_type != "DATA_MESSAGE":
        raise InvalidPayload("its messageType is neither DATA_MESSAGE nor CONTROL_MESSAGE")
    entries = document.get("logEvents")
    if not isinstance(entries, list):
        raise InvalidPayload("its logEvents are no list")
    subscription = Subscription(
        owner=_text(document, "owner"),
        log_group=_text(document, "logGroup"),
        # Unlike a log group's, its name can have any character but ":" and "*", and so a token.
        log_stream=remove_session_tokens(_text(document, "logStream")),
    )
    readable = list(filter(_is_log_event, entries))
    tagged = [_escaped_event(entry) for entry in readable if may_be_tagged(entry["message"])]
    return Payload(
        subscription,
        untagged=len(readable) - len(tagged),
        unreadable=len(entries) - len(readable),
        tagged=tagged,
    )


def read_event(event: EscapedEvent) -> LogEvent:
    """The log event.

    Raises:
        ValueError: a text is none of JSON.
    """
    identifier, timestamp, message = event
    return LogEvent(unescaped(identifier), int(timestamp), unescaped(message))


def may_be_tagged(text: str) -> bool:
    """Whether there may be a session tag in a text, or something meant to be one."""
    # Most texts that have one have it to the letter.
    return TOKEN_TAG_NAME in text or "replay" in text.lower()


def unescaped(text: str) -> str:
    """What a text of JSON says, given without the quotes around it.

    Raises:
        ValueError: it is none.
    """
    said, end = scanstring(f'{text}"', 0)
    if end <= len(text):
        raise ValueError("a quote that is not escaped")
    return str(said)


def _escaped_event(entry: dict[str, Any]) -> EscapedEvent:
    return _escaped(entry["id"]), str(entry["timestamp"]), _escaped(entry["message"])


def _escaped(text: str) -> str:
    return encode_basestring(text.encode("utf-8", "replace").decode())[1:-1]


def _is_log_event(entry: Any) -> bool:
    """Whether an entry of ``logEvents`` is a log event."""
    try:
        identifier, timestamp, message = entry["id"], entry["timestamp"], entry["message"]
    except (TypeError, KeyError, IndexError):
        return False
    # As JSON has them: a boolean is no number.
    return type(message) is str and type(timestamp) is int and type(identifier) is str


def _document(text: bytes) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidPayload("its data is not JSON") from None
    if not isinstance(document, dict):
        raise InvalidPayload("its data is no JSON object")
    return document


def _text(document: dict[str, Any], name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str) or not value:
        raise InvalidPayload(f"its {name} is no text")
    return value
