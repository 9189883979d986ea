"""Call AWS with clients that are created on first use, and with errors reduced to their codes."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import Any, TypeVar

Answer = TypeVar("Answer")

THROTTLED = frozenset(
    {
        "EC2ThrottledException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
"""The error codes of AWS for a throttled call."""

_MESSAGE_COUNTS = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)


class CallFailed(Exception):
    """AWS rejected a call, or did not respond. The message is only the error's code."""


def error_code(error: Exception) -> str:
    """Return the code of a botocore error, or the name of its class if it has none.

    The error's message must not reach a log or a caller, because it may quote the request.
    """
    if isinstance(error, CallFailed):
        return str(error)
    response = getattr(error, "response", None)
    code = response.get("Error", {}).get("Code") if isinstance(response, dict) else None
    return str(code) if code else type(error).__name__


def aws_client(
    service: str,
    *,
    attempts: int,
    read_timeout: float,
    connect_timeout: float = 3,
    region: str | None = None,
) -> Any:
    """Create a boto3 client.

    Args:
        service: boto3's name of the service.
        attempts: the maximum number of attempts per call, with botocore's backoff between them.
        read_timeout: seconds to wait for the response to one attempt.
        connect_timeout: seconds to wait for a connection.
        region: the region to call; default: the function's region.
    """
    import boto3
    from botocore.config import Config

    config = Config(
        retries={"mode": "standard", "total_max_attempts": attempts},
        connect_timeout=connect_timeout,
        read_timeout=read_timeout,
    )
    return boto3.client(service, config=config, region_name=region)


class LazyClient:
    """A boto3 client that is created when its first attribute is read.

    A cold start imports boto3 only when a request needs it.
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        """Call ``make`` later to create the client."""
        self._make = make

    @functools.cached_property
    def _client(self) -> Any:
        try:
            return self._make()
        except Exception as error:
            raise CallFailed(error_code(error)) from None

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the client, such as an operation.

        Raises:
            CallFailed: the client cannot be created.
        """
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._client, name)


def asked(call: Callable[..., Answer], **arguments: Any) -> Answer:
    """Call an operation of a boto3 client and return its response.

    Raises:
        CallFailed: the call failed.
    """
    try:
        return call(**arguments)
    except Exception as error:
        raise CallFailed(error_code(error)) from None


def messages_in(sqs: Any, *, queue: str) -> int:
    """Return the number of messages in a queue, including those in flight or delayed.

    Args:
        sqs: a client of SQS.
        queue: the queue's URL.
    """
    answer = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=list(_MESSAGE_COUNTS))
    numbers = answer.get("Attributes", {})
    return sum(int(numbers.get(name, 0)) for name in _MESSAGE_COUNTS)


def string_fields(secret_string: str | None) -> dict[str, str]:
    """Return the string members of a secret's JSON object; empty if it holds anything else."""
    try:
        document = json.loads(secret_string or "")
    except ValueError:
        return {}
    if not isinstance(document, dict):
        return {}
    return {name: value for name, value in document.items() if isinstance(value, str)}


def arn_region(arn: str) -> str | None:
    """Return the region in an ARN, or None if it has none."""
    parts = arn.split(":")
    return parts[3] if len(parts) > 3 and parts[3] else None
