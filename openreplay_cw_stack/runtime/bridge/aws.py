"""The bridge's AWS calls. Their errors contain only a code."""

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
    messages_in,
)
from openreplay_cw_stack.runtime.bridge.credentials import ApiKey, KeysRead, KeyVersion
from openreplay_cw_stack.runtime.bridge.session_lines import Page, ReadFailed


class DynamoDbTable:
    """Reads sessions from one table with Query, in any region or account."""

    def __init__(self, arn: str, client: Any = None) -> None:
        self._arn = arn
        self._client = client or LazyClient(lambda: _client("dynamodb", region=arn_region(arn)))

    def page(self, session_id: int, *, start: Any = None) -> Page:
        """Return a page of a session's items in ascending order.

        Raises:
            ReadFailed: DynamoDB did not return the page.
        """
        return self._query(session_id, **({"ExclusiveStartKey": start} if start else {}))

    def newest(self, session_id: int, limit: int) -> Page:
        """Return the last items of a session in descending order.

        Raises:
            ReadFailed: DynamoDB did not return them.
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
    """Checks whether an SQS queue has messages, including delayed messages and those in flight."""

    def __init__(self, url: str, client: Any = None) -> None:
        self._url = url
        self._client = client or LazyClient(lambda: _client("sqs"))

    def __call__(self) -> bool:
        """Return whether the queue has messages.

        Raises:
            CallFailed: SQS did not respond.
        """
        return asked(messages_in, sqs=self._client, queue=self._url) > 0


class SecretsManagerKeys:
    """Reads the accepted API keys from their secret.

    These are the current version, the pending version of a rotation and, for a limited time, the
    previous version.
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
            arn: the secret's ARN.
            previous_seconds: how long the previous key is accepted after the current one was
                created.
            clock: returns the time in seconds since 1970.
            client: a client of Secrets Manager; for tests.
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
    """One read of a secret's versions, and its last temporary failure."""

    def __init__(self, client: Any, arn: str) -> None:
        self.failure: str | None = None
        self._client = client
        self._arn = arn

    def version(self, stage: str) -> _Version | None:
        """Return a version; None if it does not exist, holds no key, or cannot be read."""
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
        # The KMS key is disabled, or the function has no permission to use it.
        "DecryptionFailure",
    }
)
"""The permanent errors of GetSecretValue (AWS Secrets Manager API reference, "GetSecretValue")."""


def _key_of(answer: dict[str, Any]) -> ApiKey:
    document = json.loads(answer["SecretString"])
    return ApiKey(str(document["api_key_id"]), str(document["api_key"]))


def _client(service: str, *, region: str | None = None, read_timeout: float = 4) -> Any:
    """Create a client with two attempts, because an HTTP API times out after 30 seconds.

    A page takes at most 12 seconds, and each of the three versions of the key at most 8 seconds.
    """
    return aws_client(
        service, attempts=2, read_timeout=read_timeout, connect_timeout=2, region=region
    )
