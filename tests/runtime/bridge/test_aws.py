from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from openreplay_cw_stack.runtime.bridge.aws import CloudWatchLogsReader, SecretsManagerKeys
from openreplay_cw_stack.runtime.bridge.credentials import ApiKey, KeysUnavailable
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


def secret(api_key: str) -> dict[str, str]:
    return {"SecretString": json.dumps({"api_key_id": "openreplay", "api_key": api_key})}


class TestKeys:
    def test_the_current_and_the_previous(self) -> None:
        client = Client(secret("new"), secret("old"))
        keys = SecretsManagerKeys("arn", client)()
        assert keys == [ApiKey("openreplay", "new"), ApiKey("openreplay", "old")]
        assert [call["VersionStage"] for call in client.calls] == ["AWSCURRENT", "AWSPREVIOUS"]

    @pytest.mark.parametrize(
        "previous", [failure("ResourceNotFoundException"), {"SecretString": "{"}, {}]
    )
    def test_the_current_alone(self, previous: Any) -> None:
        keys = SecretsManagerKeys("arn", Client(secret("new"), previous))()
        assert keys == [ApiKey("openreplay", "new")]

    @pytest.mark.parametrize(
        "current",
        [failure("AccessDeniedException"), {"SecretString": "{"}, {"SecretString": "{}"}, {}],
    )
    def test_no_current_one(self, current: Any) -> None:
        with pytest.raises(KeysUnavailable) as unavailable:
            SecretsManagerKeys("arn", Client(current))()
        assert "secret text" not in str(unavailable.value)
