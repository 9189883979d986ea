"""The emulator's control paths, beside AWS's API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from emulator import access_keys, dynamodb, event_rules, faults, http_apis, iam_evaluation

PATHS: dict[str, Callable[[str, bytes], tuple[int, Any]]] = {
    "/_emulator/event-rules": event_rules.control,
    "/_emulator/expired-items": dynamodb.control,
    "/_emulator/faults": faults.control,
    "/_emulator/http-apis": http_apis.control,
    "/_emulator/iam-evaluation": iam_evaluation.control,
    "/_emulator/new-access-keys": access_keys.control,
}


def answer(method: str, path: str, content: bytes) -> tuple[int, Any]:
    """Return the status and the content of a response; the content is encoded as JSON."""
    handler = PATHS.get(path)
    if handler is None:
        return 404, {"error": f"There is no {path}."}
    return handler(method, content)
