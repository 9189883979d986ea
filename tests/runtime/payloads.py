"""Subscription payloads for tests, in the shape that AWS documents."""

from __future__ import annotations

import base64
import gzip
import json
from dataclasses import dataclass
from typing import Any

from openreplay_cw_stack.runtime.validator.subscription import (
    LogEvent,
    Subscription,
    decompress,
    parse_payload,
)

LOG_GROUP = "/app/checkout"
LOG_STREAM = "2026/11/24/[$LATEST]0b1c2d"
OWNER = "123456789012"
NOW_MS = 1_795_464_000_000


def a_document(*messages: str, **changes: Any) -> dict[str, Any]:
    return {
        "messageType": "DATA_MESSAGE",
        "owner": OWNER,
        "logGroup": LOG_GROUP,
        "logStream": LOG_STREAM,
        "subscriptionFilters": ["OpenReplay"],
        "logEvents": [
            {"id": f"{number:056}", "timestamp": NOW_MS + number, "message": message}
            for number, message in enumerate(messages)
        ],
        **changes,
    }


def an_event(document: object) -> dict[str, Any]:
    return {"awslogs": {"data": encode(json.dumps(document).encode())}}


@dataclass(frozen=True)
class Payload:
    """A payload with its log events as they could be read."""

    subscription: Subscription
    log_events: tuple[LogEvent, ...]
    unreadable: int


def decode(event: object) -> Payload | None:
    """Read a payload, without any short cut; None for a control message."""
    text = decompress(event)
    payload = parse_payload(text)
    if payload is None:
        return None
    log_events = tuple(
        LogEvent(entry["id"], entry["timestamp"], entry["message"])
        for entry in json.loads(text)["logEvents"]
        if is_log_event(entry)
    )
    return Payload(payload.subscription, log_events, payload.unreadable)


def is_log_event(entry: Any) -> bool:
    if not isinstance(entry, dict):
        return False
    kinds = [type(entry.get(name)) for name in ("id", "timestamp", "message")]
    return kinds == [str, int, str]


def encode(content: bytes) -> str:
    return base64.b64encode(gzip.compress(content)).decode()


CONTROL_MESSAGE = a_document(
    "CWL CONTROL MESSAGE: Checking health of destination.",
    messageType="CONTROL_MESSAGE",
    owner="CloudwatchLogs",
    logGroup="",
    logStream="",
)
