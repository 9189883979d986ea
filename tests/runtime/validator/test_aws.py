from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from openreplay_cw_stack.runtime.aws_calls import error_code
from openreplay_cw_stack.runtime.validator.aws import CloudWatchLogsWriter, SqsQueue
from openreplay_cw_stack.runtime.validator.delivery import (
    DeliveryFailed,
    ParkingFailed,
    StreamMissing,
)
from openreplay_cw_stack.runtime.validator.logs_client import ClientOfBoto3
from openreplay_cw_stack.runtime.validator.secrets_manager import SecretsManagerReader
from openreplay_cw_stack.runtime.validator.token_secret import SecretUnreadable

SECRET_TEXT = "a line that must not be shown"


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
    return ClientError({"Error": {"Code": code, "Message": SECRET_TEXT}}, "PutLogEvents")


TIMEOUT = ReadTimeoutError(endpoint_url=SECRET_TEXT)


def a_writer(client: Client) -> CloudWatchLogsWriter:
    return CloudWatchLogsWriter("/linked", ClientOfBoto3(client))


class TestWriter:
    def test_put(self) -> None:
        client = Client({"rejectedLogEventsInfo": {"tooNewLogEventStartIndex": 1}})
        response = a_writer(client).put("s", ["m", "n"], 1)
        assert response == client.answer
        assert client.calls == [
            {
                "operation": "put_log_events",
                "logGroupName": "/linked",
                "logStreamName": "s",
                "logEvents": [{"timestamp": 1, "message": text} for text in ("m", "n")],
            }
        ]

    def test_a_missing_stream(self) -> None:
        writer = a_writer(Client(client_error("ResourceNotFoundException")))
        with pytest.raises(StreamMissing):
            writer.put("s", [], 1)

    @pytest.mark.parametrize("error", [client_error("ThrottlingException"), TIMEOUT])
    def test_errors_leave_as_their_code_alone(self, error: Exception) -> None:
        writer = a_writer(Client(error))
        for call in (lambda: writer.put("s", [], 1), lambda: writer.create_stream("s")):
            with pytest.raises(DeliveryFailed) as failed:
                call()
            assert str(failed.value) in ("ThrottlingException", "ReadTimeoutError")
            assert failed.value.__suppress_context__

    def test_a_stream_that_exists_already_is_fine(self) -> None:
        error = client_error("ResourceAlreadyExistsException")
        a_writer(Client(error)).create_stream("s")


class TestQueue:
    def test_send(self) -> None:
        client = Client({})
        SqsQueue("https://sqs/parked", client).send("a message")
        assert client.calls == [
            {
                "operation": "send_message",
                "QueueUrl": "https://sqs/parked",
                "MessageBody": "a message",
            }
        ]

    @pytest.mark.parametrize("error", [client_error("RequestThrottled"), TIMEOUT])
    def test_errors_leave_as_their_code_alone(self, error: Exception) -> None:
        with pytest.raises(ParkingFailed, match=r"^(RequestThrottled|ReadTimeoutError)$"):
            SqsQueue("https://sqs/parked", Client(error)).send("a message")


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
        assert SecretsManagerReader("arn", Client(answer))() == secret

    @pytest.mark.parametrize("answer", [{"SecretString": ""}, {"SecretString": "\n"}, {}])
    def test_an_empty_secret_is_none(self, answer: dict[str, Any]) -> None:
        with pytest.raises(SecretUnreadable, match="empty"):
            SecretsManagerReader("arn", Client(answer))()

    @pytest.mark.parametrize("error", [client_error("AccessDeniedException"), TIMEOUT])
    def test_errors_leave_as_their_code_alone(self, error: Exception) -> None:
        with pytest.raises(SecretUnreadable) as unreadable:
            SecretsManagerReader("arn", Client(error))()
        assert SECRET_TEXT not in str(unreadable.value)


def test_error_codes() -> None:
    assert error_code(client_error("Throttled")) == "Throttled"
    assert error_code(ValueError(SECRET_TEXT)) == "ValueError"
