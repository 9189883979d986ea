"""The AWS calls of the bridge. Their errors contain only a code."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from openreplay_cw_stack.contract.session_table import PARTITION_KEY
from openreplay_cw_stack.runtime.aws_calls import (
    LazyClient,
    arn_region,
    asked,
    aws_client,
    error_code,
)
from openreplay_cw_stack.runtime.bridge.credentials import ApiKey, KeysRead, KeyVersion
from openreplay_cw_stack.runtime.bridge.session_lines import Page, ReadFailed


class DynamoDbTable:
    """Reads sessions from one table with Query, in any region or account."""

    def __init__(self, arn: str, client: Any = None) -> None:
        self._arn = arn
        self._client = client or LazyClient(lambda: _client("dynamodb", region=arn_region(arn)))

    def page(self, session_id: int, *, start: Any = None) -> Page:
        """Return a page of a session's items, ascending.

        Raises:
            ReadFailed: DynamoDB did not give it.
        """
        return self._query(session_id, **({"ExclusiveStartKey": start} if start else {}))

    def newest(self, session_id: int, limit: int) -> Page:
        """Return the last items of a session, descending.

        Raises:
            ReadFailed: DynamoDB did not give them.
        """
        return self._query(session_id, ScanIndexForward=False, Limit=limit)

    def _query(self, session_id: int, **parameters: Any) -> Page:
        try:
            answer = self._client.query(
                TableName=self._arn,
                KeyConditionExpression="#session = :session",
                ExpressionAttributeNames={"#session": PARTITION_KEY},
                ExpressionAttributeValues={":session": {"S": str(session_id)}},
                **parameters,
            )
        except Exception as error:
            raise ReadFailed(error_code(error)) from None
        return Page(answer.get("Items", ()), answer.get("LastEvaluatedKey"))


class SqsQueueLength:
    """Tells whether a queue of Amazon SQS has messages, in flight and delayed ones included."""

    def __init__(self, url: str, client: Any = None) -> None:
        self._url = url
        self._client = client or LazyClient(lambda: _client("sqs"))

    def __call__(self) -> bool:
        """Return whether the queue has messages.

        Raises:
            CallFailed: SQS did not answer.
        """
        answer = asked(
            self._client.get_queue_attributes, QueueUrl=self._url, AttributeNames=list(_MESSAGES)
        )
        numbers = answer.get("Attributes", {})
        return any(int(numbers.get(name, 0)) for name in _MESSAGES)


_MESSAGES = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)


class SecretsManagerKeys:
    """Reads the API key from its secret.

    The current version counts, a pending one, which a rotation is about to make current, and for a
    time the previous one.
    """

    def __init__(
        self,
        arn: str,
        *,
        previous_seconds: float,
        clock: Callable[[], float],
        client: Any = None,
    ) -> None:
        """Read the keys of a secret.

        Args:
            arn: the secret's.
            previous_seconds: how long the previous key is accepted after the current one was made.
            clock: seconds since 1970.
            client: of Secrets Manager; for tests.
        """
        self._arn = arn
        self._previous_seconds = previous_seconds
        self._clock = clock
        self._client = client or LazyClient(lambda: _client("secretsmanager", read_timeout=2))

    def __call__(self) -> KeysRead:
        """Read the accepted keys."""
        reading = _Reading(self._client, self._arn)
        current = reading.version("AWSCURRENT")
        pending = reading.version("AWSPENDING")
        previous = None
        if current is None or self._clock() - current.created < self._previous_seconds:
            previous = reading.version("AWSPREVIOUS")
        if current is None and reading.failure is None:
            # A secret without a current version has no key.
            return KeysRead(())
        found = [one.key for one in (current, pending, previous) if one is not None]
        keys = {one.version_id: one for one in reversed(found)}
        return KeysRead(list(keys.values())[::-1], reading.failure)


@dataclass(frozen=True)
class _Version:
    key: KeyVersion
    created: float


class _Reading:
    """One read of a secret's versions, and the last failure of it that may pass."""

    def __init__(self, client: Any, arn: str) -> None:
        self.failure: str | None = None
        self._client = client
        self._arn = arn

    def version(self, stage: str) -> _Version | None:
        """Return a version; None if there is none, if it holds no key, or if the read failed."""
        try:
            answer = self._client.get_secret_value(SecretId=self._arn, VersionStage=stage)
        except Exception as error:
            code = error_code(error)
            if code not in _NO_KEY:
                self.failure = code
            return None
        try:
            key = KeyVersion(answer["VersionId"], _key_of(answer))
            return _Version(key, answer["CreatedDate"].timestamp())
        except (KeyError, TypeError, ValueError):
            return None


_NO_KEY = frozenset(
    {
        "ResourceNotFoundException",
        # The secret is marked for deletion.
        "InvalidRequestException",
        "AccessDeniedException",
        # The KMS key is disabled, or may not be used.
        "DecryptionFailure",
    }
)
"""The errors of GetSecretValue that do not pass by themselves (AWS Secrets Manager API reference,
"GetSecretValue")."""


def _key_of(answer: dict[str, Any]) -> ApiKey:
    document = json.loads(answer["SecretString"])
    return ApiKey(str(document["api_key_id"]), str(document["api_key"]))


def _client(service: str, *, region: str | None = None, read_timeout: float = 4) -> Any:
    """Two attempts: an HTTP API gives up on the function after 30 seconds.

    A page takes 12 seconds at most, and the three versions of the key 8 seconds each.
    """
    return aws_client(
        service, attempts=2, read_timeout=read_timeout, connect_timeout=2, region=region
    )
