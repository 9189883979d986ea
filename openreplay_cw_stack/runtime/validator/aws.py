"""The validator's AWS calls. Their errors contain only a code."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from openreplay_cw_stack.contract.error_event import DETAIL_TYPE, SOURCE, ErrorEvent
from openreplay_cw_stack.contract.limits import TOKEN_SECRET_OVERLAP_SECONDS
from openreplay_cw_stack.contract.session_table import Attributes, error_event_mark
from openreplay_cw_stack.runtime.aws_calls import (
    THROTTLED,
    CallFailed,
    LazyClient,
    arn_region,
    asked,
    aws_client,
    error_code,
)
from openreplay_cw_stack.runtime.validator.queues import SendFailed
from openreplay_cw_stack.runtime.validator.storing import Refusal, WriteRefused
from openreplay_cw_stack.runtime.validator.token_secret import Secrets, SecretUnreadable

# Amazon DynamoDB Developer Guide, "Error handling with DynamoDB".
_REFUSALS = {
    **dict.fromkeys(THROTTLED, Refusal.THROTTLED),
    "ValidationException": Refusal.INVALID,
    "ItemCollectionSizeLimitExceededException": Refusal.INVALID,
    "AccessDeniedException": Refusal.DENIED,
    "ResourceNotFoundException": Refusal.DENIED,
    "UnrecognizedClientException": Refusal.DENIED,
    "KMSAccessDeniedException": Refusal.DENIED,
}


class DynamoDbTable:
    """Writes to one table, in any region or account. It attempts each call once."""

    def __init__(self, arn: str, client: Any = None) -> None:
        self._arn = arn
        self._client = client or LazyClient(
            lambda: aws_client(
                "dynamodb", attempts=1, read_timeout=5, connect_timeout=2, region=arn_region(arn)
            )
        )

    def write(self, items: Sequence[Attributes]) -> Sequence[Attributes]:
        """Write items and return the unwritten ones.

        Raises:
            WriteRefused: DynamoDB rejected the call.
        """
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
        self._client = client or LazyClient(
            lambda: aws_client("sqs", attempts=2, read_timeout=4, connect_timeout=2)
        )

    def send(self, message: str) -> None:
        """Send a message.

        Raises:
            SendFailed: the queue did not accept the message.
        """
        try:
            self._client.send_message(QueueUrl=self._url, MessageBody=message)
        except Exception as error:
            raise SendFailed(error_code(error)) from None

    def hide(self, receipt_handle: str, seconds: int) -> None:
        """Hide a received message until a number of seconds has passed.

        Raises:
            CallFailed: the queue rejected the call.
        """
        asked(
            self._client.change_message_visibility,
            QueueUrl=self._url,
            ReceiptHandle=receipt_handle,
            VisibilityTimeout=seconds,
        )


class SecretsManagerReader:
    """Reads the values of one secret, without trailing line breaks."""

    def __init__(
        self, arn: str, client: Any = None, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._arn = arn
        self._clock = clock
        self._client = client or LazyClient(
            lambda: aws_client("secretsmanager", attempts=3, read_timeout=5)
        )

    def __call__(self) -> Secrets:
        """Return the secret's value, and the previous value while it is accepted.

        Raises:
            SecretUnreadable: Secrets Manager did not return the value, or it is empty.
        """
        current, created = self._version("AWSCURRENT")
        if self._clock() - created >= TOKEN_SECRET_OVERLAP_SECONDS:
            return (current,)
        try:
            return current, self._version("AWSPREVIOUS")[0]
        except SecretUnreadable:
            # Usually the secret has no previous version.
            return (current,)

    def _version(self, stage: str) -> tuple[bytes, float]:
        """Return the value of a version, and its creation time in seconds since 1970."""
        try:
            value = self._client.get_secret_value(SecretId=self._arn, VersionStage=stage)
        except Exception as error:
            raise SecretUnreadable(error_code(error)) from None
        text = value.get("SecretString")
        secret = text.encode() if isinstance(text, str) else value.get("SecretBinary", b"")
        secret = secret.rstrip(b"\r\n")
        if not secret:
            raise SecretUnreadable("the secret is empty")
        return bytes(secret), value["CreatedDate"].timestamp()


class EventBridgeBus:
    """One event bus of Amazon EventBridge."""

    def __init__(self, arn: str, client: Any = None) -> None:
        self._arn = arn
        self._client = client or LazyClient(
            lambda: aws_client("events", attempts=2, read_timeout=4, connect_timeout=2)
        )

    def put(self, events: Sequence[ErrorEvent]) -> Sequence[ErrorEvent]:
        """Publish up to 10 events and return the unpublished ones.

        Raises:
            CallFailed: no event was published.
        """
        entries = [
            {
                "EventBusName": self._arn,
                "Source": SOURCE,
                "DetailType": DETAIL_TYPE,
                "Time": one.time_ms / 1000,
                "Detail": one.detail,
            }
            for one in events
        ]
        answer = asked(self._client.put_events, Entries=entries)
        results = answer.get("Entries", [])
        return [
            event for event, result in zip(events, results, strict=True) if result.get("ErrorCode")
        ]


class ErrorEventMarks:
    """Records in the session table when a session's last error event was published."""

    def __init__(self, table_arn: str, client: Any = None) -> None:
        self._arn = table_arn
        self._client = client or LazyClient(
            lambda: aws_client(
                "dynamodb",
                attempts=2,
                read_timeout=2,
                connect_timeout=2,
                region=arn_region(table_arn),
            )
        )

    def mark(self, session: int, event_id: str, now_ms: int, interval_seconds: int) -> bool:
        """Record an event, and return whether it can be published now.

        Raises:
            CallFailed: DynamoDB rejected the call.
        """
        arguments = error_event_mark(
            session, event_id, now_ms=now_ms, interval_seconds=interval_seconds
        )
        try:
            asked(self._client.put_item, TableName=self._arn, **arguments)
        except CallFailed as failed:
            if str(failed) == "ConditionalCheckFailedException":
                return False
            raise
        return True
