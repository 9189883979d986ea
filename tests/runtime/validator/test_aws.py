from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

from openreplay_cw_stack.contract.error_event import ErrorEvent
from openreplay_cw_stack.runtime.aws_calls import CallFailed, error_code
from openreplay_cw_stack.runtime.validator.aws import (
    DynamoDbTable,
    ErrorEventMarks,
    EventBridgeBus,
    SecretsManagerReader,
    SqsQueue,
)
from openreplay_cw_stack.runtime.validator.queues import SendFailed
from openreplay_cw_stack.runtime.validator.storing import Refusal, WriteRefused
from openreplay_cw_stack.runtime.validator.token_secret import SecretUnreadable
from tests.contract.lines import written
from tests.contract.test_session_table import ITEM

SECRET_TEXT = "a line that must not be shown"
ARN = "arn:aws:dynamodb:eu-central-1:123456789012:table/sessions"
ITEMS = [written(ITEM), {**written(ITEM), "item": {"S": "another"}}]


class Client:
    """Answers every call with one thing, or raises it."""

    def __init__(self, answer: object) -> None:
        self.answer = answer
        self.calls: list[dict[str, Any]] = []

    def __getattr__(self, operation: str) -> Any:
        def call(**parameters: Any) -> Any:
            self.calls.append({"operation": operation, **parameters})
            if isinstance(self.answer, Exception):
                raise self.answer
            return self.answer

        return call


def client_error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": SECRET_TEXT}}, "BatchWriteItem")


TIMEOUT = ReadTimeoutError(endpoint_url=SECRET_TEXT)
REQUESTS = [{"PutRequest": {"Item": item}} for item in ITEMS]


class TestTable:
    def test_write(self) -> None:
        client = Client({"UnprocessedItems": {}})
        assert DynamoDbTable(ARN, client).write(ITEMS) == []
        assert client.calls == [{"operation": "batch_write_item", "RequestItems": {ARN: REQUESTS}}]

    @pytest.mark.parametrize("name", [ARN, "sessions"])
    def test_what_was_not_written_comes_back_by_whatever_name(self, name: str) -> None:
        client = Client({"UnprocessedItems": {name: REQUESTS[1:]}})
        assert DynamoDbTable(ARN, client).write(ITEMS) == ITEMS[1:]

    @pytest.mark.parametrize("answer", [{}, {"UnprocessedItems": None}, {"UnprocessedItems": {}}])
    def test_an_answer_without_any(self, answer: dict[str, Any]) -> None:
        assert DynamoDbTable(ARN, Client(answer)).write(ITEMS) == []

    @pytest.mark.parametrize(
        ("error", "refusal"),
        [
            (client_error("ProvisionedThroughputExceededException"), Refusal.THROTTLED),
            (client_error("ThrottlingException"), Refusal.THROTTLED),
            (client_error("RequestLimitExceeded"), Refusal.THROTTLED),
            (client_error("ValidationException"), Refusal.INVALID),
            (client_error("ItemCollectionSizeLimitExceededException"), Refusal.INVALID),
            (client_error("AccessDeniedException"), Refusal.DENIED),
            (client_error("ResourceNotFoundException"), Refusal.DENIED),
            (client_error("UnrecognizedClientException"), Refusal.DENIED),
            (client_error("KMSAccessDeniedException"), Refusal.DENIED),
            (client_error("InternalServerError"), Refusal.UNAVAILABLE),
            (client_error("ServiceUnavailable"), Refusal.UNAVAILABLE),
            (client_error("500"), Refusal.UNAVAILABLE),
            (TIMEOUT, Refusal.UNAVAILABLE),
            (EndpointConnectionError(endpoint_url=SECRET_TEXT), Refusal.UNAVAILABLE),
            (ValueError(SECRET_TEXT), Refusal.UNAVAILABLE),
        ],
    )
    def test_errors_leave_as_their_code_alone(self, error: Exception, refusal: Refusal) -> None:
        with pytest.raises(WriteRefused) as refused:
            DynamoDbTable(ARN, Client(error)).write(ITEMS)
        assert refused.value.refusal is refusal
        assert str(refused.value) == error_code(error)
        assert SECRET_TEXT not in str(refused.value)
        assert refused.value.__suppress_context__

    def test_its_client_is_of_the_tables_region_and_tries_once(self) -> None:
        client = DynamoDbTable(ARN)._client
        assert client.meta.region_name == "eu-central-1"
        assert client.meta.config.retries["total_max_attempts"] == 1
        # One call fits into the time that the validator keeps for it.
        assert client.meta.config.connect_timeout + client.meta.config.read_timeout <= 7


class TestQueue:
    def test_send(self) -> None:
        client = Client({})
        SqsQueue("https://sqs/retry", client).send("a message")
        assert client.calls == [
            {
                "operation": "send_message",
                "QueueUrl": "https://sqs/retry",
                "MessageBody": "a message",
            }
        ]

    def test_hide(self) -> None:
        client = Client({})
        SqsQueue("https://sqs/retry", client).hide("handle", 60)
        assert client.calls == [
            {
                "operation": "change_message_visibility",
                "QueueUrl": "https://sqs/retry",
                "ReceiptHandle": "handle",
                "VisibilityTimeout": 60,
            }
        ]

    @pytest.mark.parametrize("error", [client_error("RequestThrottled"), TIMEOUT])
    def test_errors_leave_as_their_code_alone(self, error: Exception) -> None:
        queue = SqsQueue("https://sqs/retry", Client(error))
        with pytest.raises(SendFailed, match=r"^(RequestThrottled|ReadTimeoutError)$") as failed:
            queue.send("a message")
        assert failed.value.__suppress_context__
        with pytest.raises(CallFailed, match=r"^(RequestThrottled|ReadTimeoutError)$"):
            queue.hide("handle", 60)


REPLACED = datetime(2026, 11, 27, tzinfo=timezone.utc)


@dataclass
class SecretVersions:
    """A secret by its labels; what is an exception is raised."""

    versions: dict[str, Any]

    def get_secret_value(self, *, SecretId: str, VersionStage: str) -> Any:  # noqa: N803
        assert SecretId == "arn"
        found = self.versions.get(VersionStage, client_error("ResourceNotFoundException"))
        if isinstance(found, Exception):
            raise found
        return {"CreatedDate": REPLACED, **found}


def read_secret(hours_later: float = 48.0, **versions: Any) -> tuple[bytes, ...]:
    now = REPLACED.timestamp() + 3600 * hours_later
    return SecretsManagerReader("arn", SecretVersions(versions), clock=lambda: now)()


class TestSecretReader:
    @pytest.mark.parametrize(
        ("answer", "secret"),
        [
            ({"SecretString": "s3cret"}, b"s3cret"),
            ({"SecretString": "s3cret\n"}, b"s3cret"),
            ({"SecretString": " s3 cret "}, b" s3 cret "),
            ({"SecretBinary": b"s3cret\r\n"}, b"s3cret"),
        ],
    )
    def test_value(self, answer: dict[str, Any], secret: bytes) -> None:
        assert read_secret(AWSCURRENT=answer) == (secret,)

    @pytest.mark.parametrize("answer", [{"SecretString": ""}, {"SecretString": "\n"}, {}])
    def test_an_empty_secret_is_none(self, answer: dict[str, Any]) -> None:
        with pytest.raises(SecretUnreadable, match="empty"):
            read_secret(AWSCURRENT=answer)

    def test_the_previous_one_is_accepted_for_a_day(self) -> None:
        versions = {"AWSCURRENT": {"SecretString": "b"}, "AWSPREVIOUS": {"SecretString": "a"}}
        assert read_secret(23.9, **versions) == (b"b", b"a")
        assert read_secret(24.0, **versions) == (b"b",)

    @pytest.mark.parametrize(
        "previous", [client_error("ThrottlingException"), {"SecretString": ""}]
    )
    def test_without_a_previous_one_the_current_one_counts(self, previous: Any) -> None:
        versions = {"AWSCURRENT": {"SecretString": "b"}, "AWSPREVIOUS": previous}
        assert read_secret(1.0, **versions) == (b"b",)

    @pytest.mark.parametrize("error", [client_error("AccessDeniedException"), TIMEOUT])
    def test_errors_leave_as_their_code_alone(self, error: Exception) -> None:
        with pytest.raises(SecretUnreadable) as unreadable:
            read_secret(AWSCURRENT=error)
        assert SECRET_TEXT not in str(unreadable.value)


def test_error_codes() -> None:
    assert error_code(client_error("Throttled")) == "Throttled"
    assert error_code(ValueError(SECRET_TEXT)) == "ValueError"
    assert error_code(CallFailed("Code")) == "Code"


EVENT = ErrorEvent("an id", 7, 1_795_464_000_123, '{"version": 1}')


class TestEventBus:
    def test_an_entry(self) -> None:
        client = Client({"Entries": [{"EventId": "1"}]})
        assert EventBridgeBus("arn:bus", client).put([EVENT]) == []
        (call,) = client.calls
        assert call["Entries"] == [
            {
                "EventBusName": "arn:bus",
                "Source": "openreplay-cw-stack",
                "DetailType": "OpenReplay session error",
                "Time": 1_795_464_000.123,
                "Detail": '{"version": 1}',
            }
        ]

    def test_entries_that_fail_are_returned(self) -> None:
        answer = {"Entries": [{"EventId": "1"}, {"ErrorCode": "ThrottlingException"}]}
        other = replace(EVENT, id="another")
        assert EventBridgeBus("arn:bus", Client(answer)).put([EVENT, other]) == [other]

    def test_errors_leave_as_their_code_alone(self) -> None:
        with pytest.raises(CallFailed, match=r"^AccessDeniedException$"):
            EventBridgeBus("arn:bus", Client(client_error("AccessDeniedException"))).put([EVENT])


class TestErrorEventMarks:
    def test_the_condition(self) -> None:
        client = Client({})
        assert ErrorEventMarks(ARN, client).mark(7, "an id", 1_000_000, 300)
        (call,) = client.calls
        assert call["TableName"] == ARN
        assert call["Item"]["session"] == {"S": "error-event#7"}
        assert call["Item"]["expires"] == {"N": str(1000 + 300 + 86_400)}
        assert call["ExpressionAttributeValues"] == {
            ":before": {"N": "700000"},
            ":event": {"S": "an id"},
        }

    def test_a_session_that_had_one(self) -> None:
        marks = ErrorEventMarks(ARN, Client(client_error("ConditionalCheckFailedException")))
        assert not marks.mark(7, "an id", 1_000_000, 300)

    def test_errors_leave_as_their_code_alone(self) -> None:
        marks = ErrorEventMarks(ARN, Client(TIMEOUT))
        with pytest.raises(CallFailed, match=r"^ReadTimeoutError$"):
            marks.mark(7, "an id", 1_000_000, 300)
