"""The AWS calls of the validator. Errors leave here as their code alone."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from openreplay_cw_stack.contract.session_table import Attributes
from openreplay_cw_stack.runtime.aws_calls import asked, aws_client, error_code, region_of
from openreplay_cw_stack.runtime.validator.queues import SendFailed
from openreplay_cw_stack.runtime.validator.storing import Refusal, WriteRefused

# Amazon DynamoDB Developer Guide, "Error handling with DynamoDB".
_REFUSALS = {
    "ProvisionedThroughputExceededException": Refusal.THROTTLED,
    "ThrottlingException": Refusal.THROTTLED,
    "RequestLimitExceeded": Refusal.THROTTLED,
    "ValidationException": Refusal.INVALID,
    "ItemCollectionSizeLimitExceededException": Refusal.INVALID,
    "AccessDeniedException": Refusal.DENIED,
    "ResourceNotFoundException": Refusal.DENIED,
    "UnrecognizedClientException": Refusal.DENIED,
    "KMSAccessDeniedException": Refusal.DENIED,
}


class DynamoDbTable:
    """Writes to one table, in whatever region or account it is. It makes one attempt at a call."""

    def __init__(self, arn: str, client: Any = None) -> None:
        self._arn = arn
        self._given_client = client

    @functools.cached_property
    def _client(self) -> Any:
        return self._given_client or aws_client(
            "dynamodb",
            attempts=1,
            read_timeout=5,
            connect_timeout=2,
            region=region_of(self._arn),
        )

    def write(self, items: Sequence[Attributes]) -> Sequence[Attributes]:
        """Write items; the ones that were not written. Raises WriteRefused."""
        requests = [{"PutRequest": {"Item": item}} for item in items]
        try:
            answer = self._client.batch_write_item(RequestItems={self._arn: requests})
        except Exception as error:
            code = error_code(error)
            raise WriteRefused(_REFUSALS.get(code, Refusal.UNAVAILABLE), code) from None
        unprocessed = answer.get("UnprocessedItems") or {}
        return [one["PutRequest"]["Item"] for table in unprocessed.values() for one in table]


class SqsQueue:
    """One queue of Amazon SQS."""

    def __init__(self, url: str, client: Any = None) -> None:
        self._url = url
        self._given_client = client

    @functools.cached_property
    def _client(self) -> Any:
        return self._given_client or aws_client(
            "sqs", attempts=2, read_timeout=4, connect_timeout=2
        )

    def send(self, message: str) -> None:
        """Send a message; raises SendFailed."""
        try:
            self._client.send_message(QueueUrl=self._url, MessageBody=message)
        except Exception as error:
            raise SendFailed(error_code(error)) from None

    def hide(self, receipt_handle: str, seconds: int) -> None:
        """Have a received message come back after so many seconds; raises CallFailed."""
        asked(
            self._client.change_message_visibility,
            QueueUrl=self._url,
            ReceiptHandle=receipt_handle,
            VisibilityTimeout=seconds,
        )
