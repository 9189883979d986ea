"""The AWS calls of the validator. Errors leave here as their code alone."""

from __future__ import annotations

import functools

from openreplay_cw_stack.runtime.aws_calls import aws_client, error_code
from openreplay_cw_stack.runtime.validator.delivery import (
    DeliveryFailed,
    ParkingFailed,
    StreamMissing,
)
from openreplay_cw_stack.runtime.validator.logs_client import LogsClient, logs_client

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class CloudWatchLogsWriter:
    """Writes to one log group. Throttled and failed calls are repeated by the client first."""

    def __init__(self, log_group: str, client: LogsClient | None = None) -> None:
        self._log_group = log_group
        self._given_client = client

    @functools.cached_property
    def _client(self) -> LogsClient:
        return self._given_client or logs_client()

    def create_stream(self, stream: str) -> None:
        """Create a log stream; one that exists already is fine."""
        try:
            self._client.create_stream(self._log_group, stream)
        except Exception as error:
            if error_code(error) != "ResourceAlreadyExistsException":
                raise DeliveryFailed(error_code(error)) from None

    def put(self, stream: str, messages: list[str], timestamp: int) -> dict[str, Any]:
        """Put a batch; raises DeliveryFailed, or StreamMissing."""
        try:
            return self._client.put_messages(self._log_group, stream, messages, timestamp)
        except Exception as error:
            if error_code(error) == "ResourceNotFoundException":
                raise StreamMissing from None
            raise DeliveryFailed(error_code(error)) from None


class SqsQueue:
    """One queue of Amazon SQS."""

    def __init__(self, url: str, client: Any = None) -> None:
        self._url = url
        self._given_client = client

    @functools.cached_property
    def _client(self) -> Any:
        # Most invocations need none, and making one takes longer than everything else.
        return self._given_client or aws_client("sqs", attempts=3, read_timeout=5)

    def send(self, message: str) -> None:
        """Send a message; raises ParkingFailed."""
        try:
            self._client.send_message(QueueUrl=self._url, MessageBody=message)
        except Exception as error:
            raise ParkingFailed(error_code(error)) from None
