"""Subscription payloads for tests, in the shape that AWS documents."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

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


def encode(content: bytes) -> str:
    return base64.b64encode(gzip.compress(content)).decode()


CONTROL_MESSAGE = a_document(
    "CWL CONTROL MESSAGE: Checking health of destination.",
    messageType="CONTROL_MESSAGE",
    owner="CloudwatchLogs",
    logGroup="",
    logStream="",
)
