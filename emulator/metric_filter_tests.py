"""TestMetricFilter of CloudWatch Logs: which messages a pattern selects.

MiniStack 1.5.33 does not have the action.

AWS accepts 1 to 50 messages, and returns those that match with their numbers, from 1 on. It rejects
an invalid pattern with InvalidParameterException (CloudWatch Logs API Reference,
"TestMetricFilter").

No values are extracted, because only patterns for unstructured events are implemented.
"""

from __future__ import annotations

import json
from typing import Any

from ministack.services import cloudwatch_logs as service

from emulator import logs, patching
from emulator.filter_pattern import InvalidFilterPattern, cached_filter_pattern

MAXIMUM_MESSAGES = 50


def install() -> None:
    """Add the action to MiniStack."""
    patching.require(service, ["json_response"])
    patching.wrap(service, "handle_request", _handle_request)


async def _handle_request(
    original: Any, method: str, path: str, headers: dict[str, str], body: bytes, query: Any
) -> Any:
    if headers.get("x-amz-target", "").rpartition(".")[2] != "TestMetricFilter":
        return await original(method, path, headers, body, query)
    return _test(json.loads(body))


def _test(data: dict[str, Any]) -> logs.Response:
    messages = data["logEventMessages"]
    if not 1 <= len(messages) <= MAXIMUM_MESSAGES or not all(messages):
        return logs.invalid_parameter(
            f"logEventMessages must have 1 to {MAXIMUM_MESSAGES} members that are not empty."
        )
    try:
        pattern = cached_filter_pattern(data["filterPattern"])
    except InvalidFilterPattern as error:
        return logs.invalid_pattern(error)
    matches = [
        {"eventNumber": number, "eventMessage": message, "extractedValues": {}}
        for number, message in enumerate(messages, 1)
        if pattern(message)
    ]
    response: logs.Response = service.json_response({"matches": matches})
    return response
