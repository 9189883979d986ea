"""The AWS calls of the bridge. Their errors contain only a code."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Sequence
from typing import Any

from openreplay_cw_stack.contract.session_table import PARTITION_KEY
from openreplay_cw_stack.runtime.aws_calls import (
    LazyClient,
    asked,
    aws_client,
    error_code,
    region_of,
)
from openreplay_cw_stack.runtime.bridge.credentials import (
    ApiKey,
    KeysUnavailable,
    KeyVersion,
)
from openreplay_cw_stack.runtime.bridge.session_lines import Page, ReadFailed


class DynamoDbTable:
    """Reads sessions from one table with Query, in any region or account."""

    def __init__(self, arn: str, client: Any = None) -> None:
        self._arn = arn
        self._client = client or LazyClient(lambda: _client("dynamodb", region=region_of(arn)))

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

    def __call__(self) -> Sequence[KeyVersion]:
        """Return the accepted keys.

        Raises:
            KeysUnavailable: the current key cannot be read.
        """
        current, made_at = self._version("AWSCURRENT")
        keys = [current]
        stages = ["AWSPENDING"]
        if self._clock() - made_at < self._previous_seconds:
            stages.append("AWSPREVIOUS")
        for stage in stages:
            # Often there is none.
            with contextlib.suppress(KeysUnavailable):
                keys.append(self._version(stage)[0])
        return list({one.version_id: one for one in reversed(keys)}.values())[::-1]

    def _version(self, stage: str) -> tuple[KeyVersion, float]:
        try:
            answer = self._client.get_secret_value(SecretId=self._arn, VersionStage=stage)
            key = KeyVersion(answer["VersionId"], _key_of(answer))
            return key, answer["CreatedDate"].timestamp()
        except Exception as error:
            raise KeysUnavailable(error_code(error)) from None


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
