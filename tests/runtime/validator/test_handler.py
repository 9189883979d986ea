from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timezone
from types import SimpleNamespace
from typing import Any

import pytest

from openreplay_cw_stack.runtime.validator import aws, handler
from openreplay_cw_stack.tagging import token_tag
from tests.runtime.payloads import a_document, an_event
from tests.runtime.validator.test_settings import SMALLEST
from tests.tagging.tokens import TOKEN_SECRET, a_token

CONTEXT = SimpleNamespace(get_remaining_time_in_millis=lambda: 60_000)


Calls = list[tuple[str, dict[str, Any]]]


class Client:
    """A client of any service, which notes its calls."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    def __getattr__(self, operation: str) -> Any:
        def call(**parameters: Any) -> Any:
            self.calls.append((operation, parameters))
            secret = {
                "SecretString": TOKEN_SECRET.decode(),
                "CreatedDate": datetime(2026, 11, 1, tzinfo=timezone.utc),
            }
            return secret if operation == "get_secret_value" else {}

        return call


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[Calls]:
    noted: Calls = []
    monkeypatch.setattr(aws, "aws_client", lambda *_, **__: Client(noted))
    for name, value in {**SMALLEST, "TOKEN_SECRET_ARN": "arn:secret"}.items():
        monkeypatch.setenv(name, value)
    handler._validator.cache_clear()
    yield noted
    handler._validator.cache_clear()


def test_a_payload_goes_into_the_table(calls: Calls, capsys: pytest.CaptureFixture[str]) -> None:
    event = an_event(a_document(f"{token_tag(a_token())} error", "nothing"))
    for _ in range(2):
        assert handler.handler(event, CONTEXT) is None
    assert [operation for operation, _ in calls] == [
        "get_secret_value",
        "batch_write_item",
        "batch_write_item",
    ]
    assert list(calls[1][1]["RequestItems"]) == [SMALLEST["SESSION_TABLE_ARN"]]
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert sum(document.get("LinkedLines", 0) for document in printed) == 2


def test_the_queues_are_told_apart(calls: Calls) -> None:
    handler.handler({"no": "payload"}, CONTEXT)
    ((operation, parameters),) = calls
    assert (operation, parameters["QueueUrl"]) == ("send_message", "https://sqs/dead")


def test_a_batch_gets_its_answer(calls: Calls) -> None:
    event = {"Records": [{"eventSource": "aws:kinesis", "kinesis": {"sequenceNumber": "1"}}]}
    assert handler.handler(event, CONTEXT) == {"batchItemFailures": []}
    assert [operation for operation, _ in calls] == ["send_message"]
