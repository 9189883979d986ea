"""Stand-ins for the services that the validator calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import boto3
from botocore.awsrequest import AWSResponse

from benchmarks.subscription_payloads import NOW_MS, TOKEN_SECRET
from openreplay_cw_stack.contract.session_table import Attributes
from openreplay_cw_stack.runtime.validator.queues import Queue
from openreplay_cw_stack.runtime.validator.settings import Settings
from openreplay_cw_stack.runtime.validator.storing import ItemWriter, SessionTable
from openreplay_cw_stack.runtime.validator.token_secret import TokenSecret
from openreplay_cw_stack.runtime.validator.validator import Validator

TABLE_ARN = "arn:aws:dynamodb:eu-central-1:123456789012:table/Lines"
MINUTE_MS = 60_000
SETTINGS = Settings(
    deployment="Benchmark",
    session_table_arn=TABLE_ARN,
    line_retention_seconds=30 * 86_400,
    retry_queue_url="https://sqs.eu-central-1.amazonaws.com/123456789012/Retry",
    dead_letter_queue_url="https://sqs.eu-central-1.amazonaws.com/123456789012/Dead",
    token_secret_arn="arn",
    accept_unsigned_ids=False,
)


class TakesEverything:
    """A session table that accepts every item, and keeps the items of the last call."""

    def __init__(self) -> None:
        self.items: Sequence[Attributes] = ()

    def write(self, items: Sequence[Attributes]) -> Sequence[Attributes]:
        """Accept items."""
        self.items = items
        return []


class NoQueue:
    """A queue that accepts no message."""

    def send(self, message: str) -> None:
        """Raise AssertionError: with a table that accepts every item, nothing is queued."""
        raise AssertionError(message[:200])


def validator(
    table: SessionTable,
    *,
    retry_queue: Queue | None = None,
    dead_letters: Queue | None = None,
    clock: Callable[[], float] = lambda: 0.0,
    sleep: Callable[[float], None] = lambda _seconds: None,
    clock_ms: Callable[[], int] = lambda: NOW_MS,
    emit: Callable[[str], None] = lambda _line: None,
) -> Validator:
    """Return the validator with the deployed settings, stand-ins and signature checks."""
    return Validator(
        settings=SETTINGS,
        writer=ItemWriter(table, clock, sleep),
        retry_queue=retry_queue or NoQueue(),
        dead_letters=dead_letters or NoQueue(),
        token_secret=TokenSecret(lambda: (TOKEN_SECRET,), clock),
        clock_ms=clock_ms,
        emit=emit,
    )


def enough_time() -> int:
    """Return the function's remaining time in milliseconds: a minute."""
    return MINUTE_MS


def take(function: Validator, event: object) -> None:
    """Process a payload as the function does: judge, store and count."""
    function.publish(function.validate(event, remaining_ms=enough_time).counts)


def client_to_nowhere(service: str, environment: Mapping[str, str]) -> Any:
    """Return a boto3 client that builds and signs requests, but sends none.

    Args:
        service: boto3's name of the service.
        environment: contains the credentials for the signatures.
    """
    client = boto3.client(
        service,
        region_name="eu-central-1",
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=environment.get("AWS_SESSION_TOKEN"),
    )
    client.meta.events.register(f"before-send.{service}", _take)
    return client


class _Body:
    def stream(self) -> list[bytes]:
        return [b"{}"]


def _take(request: Any, **_: Any) -> AWSResponse:
    return AWSResponse(request.url, 200, {}, _Body())
