from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import pytest
from botocore.exceptions import ClientError, NoRegionError, ReadTimeoutError

from openreplay_cw_stack.runtime.aws_calls import CallFailed
from openreplay_cw_stack.runtime.bridge import aws
from openreplay_cw_stack.runtime.bridge.aws import (
    DynamoDbTable,
    SecretsManagerKeys,
    SqsQueueLength,
)
from openreplay_cw_stack.runtime.bridge.credentials import ApiKey, KeysRead, KeyVersion
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


ARN = "arn:aws:dynamodb:eu-west-3:210987654321:table/lines"
ITEM = {"session": {"S": "42"}, "item": {"S": "0000000000005#00"}}
QUERY = {
    "TableName": ARN,
    "KeyConditionExpression": "#session = :session",
    "ExpressionAttributeNames": {"#session": "session"},
    "ExpressionAttributeValues": {":session": {"S": "42"}},
}


class TestTable:
    def test_a_page_ascends_and_names_the_table_by_its_arn(self) -> None:
        client = Client({"Items": [ITEM], "LastEvaluatedKey": {"item": {"S": "x"}}})
        assert DynamoDbTable(ARN, client).page(42) == Page([ITEM], {"item": {"S": "x"}})
        assert client.calls == [QUERY]

    def test_the_next_page_begins_where_the_last_one_ended(self) -> None:
        client = Client({"Items": []})
        page = DynamoDbTable(ARN, client).page(42, start={"item": {"S": "x"}})
        assert page == Page([], None)
        assert client.calls == [{**QUERY, "ExclusiveStartKey": {"item": {"S": "x"}}}]

    def test_the_newest_items_descend(self) -> None:
        client = Client({"Items": [ITEM]})
        assert DynamoDbTable(ARN, client).newest(42, 5) == Page([ITEM])
        assert client.calls == [{**QUERY, "ScanIndexForward": False, "Limit": 5}]

    def test_an_answer_without_items(self) -> None:
        assert list(DynamoDbTable(ARN, Client({})).page(42).items) == []

    @pytest.mark.parametrize(
        ("error", "code"),
        [
            (failure("ThrottlingException"), "ThrottlingException"),
            (failure("ProvisionedThroughputExceededException"), None),
            (failure("AccessDeniedException"), None),
            (ReadTimeoutError(endpoint_url="a secret text"), "ReadTimeoutError"),
        ],
    )
    @pytest.mark.parametrize("call", ["page", "newest"])
    def test_errors_leave_as_their_code_alone(
        self, call: str, error: Exception, code: str | None
    ) -> None:
        table = DynamoDbTable(ARN, Client(error))
        with pytest.raises(ReadFailed) as failed:
            table.page(42) if call == "page" else table.newest(42, 5)
        assert str(failed.value) == (code or error.response["Error"]["Code"])  # type: ignore[attr-defined]
        assert failed.value.__suppress_context__

    def test_the_client_is_made_once_in_the_region_of_the_arn(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made: list[tuple[str, dict[str, Any]]] = []

        def aws_client(service: str, **options: Any) -> Client:
            made.append((service, options))
            return Client({}, {})

        monkeypatch.setattr(aws, "aws_client", aws_client)
        table = DynamoDbTable(ARN)
        assert made == []
        table.page(42)
        table.newest(42, 5)
        assert [(service, options["region"]) for service, options in made] == [
            ("dynamodb", "eu-west-3")
        ]

    def test_a_client_that_cannot_be_made_is_a_failed_read(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def aws_client(service: str, **options: Any) -> Client:
            raise NoRegionError

        monkeypatch.setattr(aws, "aws_client", aws_client)
        with pytest.raises(ReadFailed, match=r"^NoRegionError$"):
            DynamoDbTable("lines").page(42)


class TestQueueLength:
    NAMES = (
        "ApproximateNumberOfMessages",
        "ApproximateNumberOfMessagesNotVisible",
        "ApproximateNumberOfMessagesDelayed",
    )

    @pytest.mark.parametrize("name", NAMES)
    def test_waiting_at_work_and_delayed_messages_count(self, name: str) -> None:
        numbers = dict.fromkeys(self.NAMES, "0")
        client = Client({"Attributes": {**numbers, name: "1"}}, {"Attributes": numbers})
        queue = SqsQueueLength("https://queue", client)
        assert queue() is True
        assert queue() is False
        assert client.calls[0] == {
            "QueueUrl": "https://queue",
            "AttributeNames": list(self.NAMES),
        }

    @pytest.mark.parametrize("answer", [{}, {"Attributes": {}}])
    def test_an_answer_without_numbers_is_an_empty_queue(self, answer: dict[str, Any]) -> None:
        assert SqsQueueLength("https://queue", Client(answer))() is False

    def test_errors_leave_as_their_code_alone(self) -> None:
        with pytest.raises(CallFailed, match=r"^AccessDenied$"):
            SqsQueueLength("https://queue", Client(failure("AccessDenied")))()


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


def read(client: Client, *, days_later: float = 1.0) -> KeysRead:
    now = MADE_AT.timestamp() + days_later * DAY
    reader = SecretsManagerKeys("arn", previous_seconds=7 * DAY, clock=lambda: now, client=client)
    return reader()


class TestKeys:
    def test_the_current_the_pending_and_the_previous(self) -> None:
        client = Client(secret("new"), secret("next"), secret("old"))
        assert read(client) == KeysRead([a_version("new"), a_version("next"), a_version("old")])
        stages = [call["VersionStage"] for call in client.calls]
        assert stages == ["AWSCURRENT", "AWSPENDING", "AWSPREVIOUS"]

    def test_the_previous_one_is_refused_when_its_time_is_up(self) -> None:
        client = Client(secret("new"), NO_SUCH, secret("old"))
        assert read(client, days_later=7.0) == KeysRead([a_version("new")])
        client = Client(secret("new"), NO_SUCH, secret("old"))
        assert read(client, days_later=6.9) == KeysRead([a_version("new"), a_version("old")])

    def test_one_version_with_two_labels_is_one_key(self) -> None:
        client = Client(secret("new"), secret("new"), secret("old"))
        assert read(client) == KeysRead([a_version("new"), a_version("old")])

    @pytest.mark.parametrize(
        "other", [NO_SUCH, failure("AccessDeniedException"), {"SecretString": "{"}, {}]
    )
    def test_the_current_alone(self, other: Any) -> None:
        assert read(Client(secret("new"), other, other)) == KeysRead([a_version("new")])

    @pytest.mark.parametrize(
        "current",
        [
            NO_SUCH,
            failure("AccessDeniedException"),
            failure("InvalidRequestException"),
            failure("DecryptionFailure"),
            {"SecretString": "{"},
            {"SecretString": "{}"},
            {"SecretString": "[]"},
            {},
        ],
    )
    def test_without_a_current_one_there_is_no_key(self, current: Any) -> None:
        assert read(Client(current, NO_SUCH, secret("old"))) == KeysRead(())

    @pytest.mark.parametrize(
        "code", ["ThrottlingException", "InternalServiceError", "ReadTimeoutError", "KMSThrottled"]
    )
    @pytest.mark.parametrize("position", [0, 1, 2])
    def test_what_may_pass_is_said(self, code: str, position: int) -> None:
        answers = [secret("new"), secret("next"), secret("old")]
        versions = [a_version("new"), a_version("next"), a_version("old")]
        answers[position] = failure(code)
        del versions[position]
        assert read(Client(*answers)) == KeysRead(versions, code)
