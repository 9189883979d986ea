from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import pytest

from openreplay_cw_stack.runtime.bridge import aws, handler
from tests.runtime.bridge.support import (
    KEY,
    NOW_MS,
    SESSION,
    MemoryTable,
    a_line,
    a_search,
    an_event,
    body_of,
)
from tests.runtime.bridge.test_settings import ENVIRONMENT


class Services:
    """Clients of the three services that the bridge calls."""

    def __init__(self) -> None:
        self.table = MemoryTable()
        self.made: list[str] = []
        self.throttled = False

    def client(self, service: str, **options: Any) -> Services:
        self.made.append(service)
        return self

    def query(self, **parameters: Any) -> dict[str, Any]:
        session = int(parameters["ExpressionAttributeValues"][":session"]["S"])
        return {"Items": self.table.page(session).items}

    def get_queue_attributes(self, **parameters: Any) -> dict[str, Any]:
        return {"Attributes": dict.fromkeys(parameters["AttributeNames"], "1")}

    def get_secret_value(self, **parameters: Any) -> dict[str, Any]:
        if self.throttled:
            raise TimeoutError
        text = json.dumps({"api_key_id": KEY.api_key_id, "api_key": KEY.api_key})
        made_at = datetime(2026, 11, 24, tzinfo=timezone.utc)
        return {"VersionId": "version-1", "CreatedDate": made_at, "SecretString": text}


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    found = Services()
    monkeypatch.setattr(aws, "aws_client", found.client)
    for name, value in {**ENVIRONMENT, "ALLOWED_SOURCE_RANGES": ""}.items():
        monkeypatch.setenv(name, value)
    handler._bridge.cache_clear()
    yield found
    handler._bridge.cache_clear()


def test_a_session_is_answered_from_the_table_with_a_remark_of_the_queue(
    services: Services, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", lambda: NOW_MS / 1000)
    services.table.put(a_line(1))
    answer = handler.handler(a_search(), None)
    messages = [hit["_source"]["message"] for hit in body_of(answer)["hits"]["hits"]]
    assert messages[0] == "error 1"
    assert "still waiting to be stored" in messages[1]
    printed = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [
        document["AnsweredSearches"] for document in printed if "AnsweredSearches" in document
    ] == [1]


def test_the_bridge_is_built_once_and_calls_nothing_before_it_is_asked(
    services: Services, capfd: pytest.CaptureFixture[str]
) -> None:
    assert handler._bridge() is handler._bridge()
    assert services.made == []
    handler.handler(an_event(headers={"authorization": ""}), None)
    assert services.made == []
    assert str(SESSION) not in capfd.readouterr().out


def test_a_key_read_that_fails_is_counted_and_takes_no_key_away(
    services: Services, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    assert handler.handler(a_search(), None)["statusCode"] == 200
    services.throttled = True
    now = 3600.0
    assert handler.handler(a_search(), None)["statusCode"] == 200
    printed = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [one["FailedKeyReads"] for one in printed if "FailedKeyReads" in one] == [1]
    assert any("could not be read: TimeoutError" in one.get("message", "") for one in printed)
