"""A log group and a validator in memory."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from openreplay_cw_stack.commands.backfill.sending import (
    Source,
)
from openreplay_cw_stack.runtime.validator.subscription import (
    read_payload,
)
from openreplay_cw_stack.tagging import token_tag
from tests.commands.support import NOW, Client
from tests.tagging.tokens import a_token

NOW_MS = int(1000 * NOW)
HOUR_MS = 3_600_000
FILTERED_MS = NOW_MS - HOUR_MS
GROUP = "/app/checkout"
SOURCE = Source("123456789012", GROUP)
FILTER = ("Filter0A1B2C3D", "the-filter", "AWS::Logs::SubscriptionFilter")
TEMPLATE = {
    "Resources": {
        FILTER[0]: {
            "Properties": {
                "LogGroupName": GROUP,
                "DestinationArn": {"Fn::GetAtt": ["OpenReplayValidatorFunction0A1B2C3D", "Arn"]},
            }
        }
    }
}
TAGGED = f"{token_tag(a_token())} a line of a customer"


def an_event(
    number: int, message: str = TAGGED, *, hours_ago: float = 2, stream: str = "web-1", **more: Any
) -> dict[str, Any]:
    at_ms = NOW_MS - int(hours_ago * HOUR_MS) + number
    return {
        "eventId": f"{number:056}",
        "logStreamName": stream,
        "timestamp": at_ms,
        "ingestionTime": at_ms + 5,
        "message": message,
        **more,
    }


@dataclass
class Logs:
    """CloudWatch Logs with one log group, read page by page."""

    pages: list[list[dict[str, Any]]] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    failures: dict[int, Exception] = field(default_factory=dict)
    filters: Any = None
    meta: Any = field(default_factory=lambda: SimpleNamespace(region_name="eu-west-1"))

    def filter_log_events(self, **arguments: Any) -> dict[str, Any]:
        self.asked.append(arguments)
        if len(self.asked) in self.failures:
            raise self.failures[len(self.asked)]
        number = int(arguments.get("nextToken", 0))
        page: dict[str, Any] = {"events": self.pages[number] if self.pages else []}
        if number + 1 < len(self.pages):
            page["nextToken"] = str(number + 1)
        return page

    def get_paginator(self, operation: str) -> Any:
        made = {"filterName": "the-filter", "creationTime": FILTERED_MS}
        filters = [made, {"filterName": "datadog", "creationTime": 1}]
        answer = {"subscriptionFilters": filters} if self.filters is None else self.filters
        return Client({operation: answer}).get_paginator(operation)


@dataclass
class Functions:
    """Lambda; an answer other than success by the number of the invocation."""

    answers: dict[int, Any] = field(default_factory=dict)
    bodies: list[bytes] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    _lock: Any = field(default_factory=threading.Lock)

    def invoke(self, *, FunctionName: str, InvocationType: str, Payload: bytes) -> Any:  # noqa: N803
        assert (FunctionName, InvocationType) == ("validator", "RequestResponse")
        with self._lock:
            self.at_once += 1
            self.most_at_once = max(self.at_once, self.most_at_once)
            self.bodies.append(Payload)
            answer = self.answers.get(len(self.bodies), {"StatusCode": 200})
        threading.Event().wait(0.005)
        with self._lock:
            self.at_once -= 1
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def events(self) -> list[tuple[str, str]]:
        """Stream and id of every event that was sent."""
        payloads = [read_payload(json.loads(body)) for body in self.bodies]
        return [(one.log_stream, event.id) for one in payloads if one for event in one.events]


@dataclass
class World:
    logs: Logs
    functions: Functions
    pauses: list[float]
