from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import pytest
from botocore.exceptions import ClientError

from openreplay_cw_stack.runtime.bridge.aws import CloudWatchLogsReader, SecretsManagerKeys
from openreplay_cw_stack.runtime.bridge.credentials import ApiKey, KeysUnavailable, KeyVersion
from openreplay_cw_stack.runtime.bridge.session_lines import Page, ReadFailed


class Client:
    """Gives its answers one by one; an exception is raised."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.calls: list[dict[str, Any]] = []

    def __getattr__(self, operation: str) -> Any:
        def call(**parameters: Any) -> Any:
            self.calls.append(parameters)
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call


def failure(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "a secret text"}}, "Operation")


class TestReader:
    def test_a_page(self) -> None:
        client = Client({"events": [{"timestamp": 5, "message": "m"}], "nextToken": "t"})
        page = CloudWatchLogsReader("/linked", client).page(
            pattern='"x"', start_ms=1, end_ms=9, token=None, limit=None
        )
        assert page == Page([(5, "m")], "t")
        assert client.calls == [
            {"logGroupName": "/linked", "filterPattern": '"x"', "startTime": 1, "endTime": 9}
        ]

    def test_token_and_limit(self) -> None:
        client = Client({"events": []})
        page = CloudWatchLogsReader("/linked", client).page(
            pattern='"x"', start_ms=-5, end_ms=9, token="t", limit=1
        )
        assert page == Page([], None)
        assert client.calls[0] == {
            "logGroupName": "/linked",
            "filterPattern": '"x"',
            "startTime": 0,
            "endTime": 9,
            "nextToken": "t",
            "limit": 1,
        }

    def test_errors_leave_as_their_code_alone(self) -> None:
        reader = CloudWatchLogsReader("/linked", Client(failure("ThrottlingException")))
        with pytest.raises(ReadFailed) as failed:
            reader.page(pattern='"x"', start_ms=1, end_ms=9, token=None, limit=None)
        assert str(failed.value) == "ThrottlingException"
        assert failed.value.__suppress_context__


MADE_AT = datetime(2026, 11, 24, tzinfo=timezone.utc)
DAY = 86_400.0


def secret(api_key: str) -> dict[str, Any]:
    return {
        "VersionId": f"version of {api_key}",
        "CreatedDate": MADE_AT,
        "SecretString": json.dumps({"api_key_id": "openreplay", "api_key": api_key}),
    }


def a_version(api_key: str) -> KeyVersion:
    return KeyVersion(f"version of {api_key}", ApiKey("openreplay", api_key))


NO_SUCH = failure("ResourceNotFoundException")


def read(client: Client, *, days_later: float = 1.0) -> list[KeyVersion]:
    now = MADE_AT.timestamp() + days_later * DAY
    reader = SecretsManagerKeys("arn", previous_seconds=7 * DAY, clock=lambda: now, client=client)
    return list(reader())


class TestKeys:
    def test_the_current_the_pending_and_the_previous(self) -> None:
        client = Client(secret("new"), secret("next"), secret("old"))
        assert read(client) == [a_version("new"), a_version("next"), a_version("old")]
        stages = [call["VersionStage"] for call in client.calls]
        assert stages == ["AWSCURRENT", "AWSPENDING", "AWSPREVIOUS"]

    def test_the_previous_one_is_refused_when_its_time_is_up(self) -> None:
        client = Client(secret("new"), NO_SUCH, secret("old"))
        assert read(client, days_later=7.0) == [a_version("new")]
        client = Client(secret("new"), NO_SUCH, secret("old"))
        assert read(client, days_later=6.9) == [a_version("new"), a_version("old")]

    def test_one_version_with_two_labels_is_one_key(self) -> None:
        client = Client(secret("new"), secret("new"), secret("old"))
        assert read(client) == [a_version("new"), a_version("old")]

    @pytest.mark.parametrize("previous", [NO_SUCH, {"SecretString": "{"}, {}])
    def test_the_current_alone(self, previous: Any) -> None:
        assert read(Client(secret("new"), previous, previous)) == [a_version("new")]

    @pytest.mark.parametrize(
        "current",
        [failure("AccessDeniedException"), {"SecretString": "{"}, {"SecretString": "{}"}, {}],
    )
    def test_no_current_one(self, current: Any) -> None:
        with pytest.raises(KeysUnavailable) as unavailable:
            read(Client(current))
        assert "secret text" not in str(unavailable.value)
