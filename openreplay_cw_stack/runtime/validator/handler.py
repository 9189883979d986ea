"""The validator's Lambda entry point: builds the validator once and hands events to it."""

from __future__ import annotations

import functools
import os
import time
from typing import Any

from openreplay_cw_stack.runtime.function_log import print_line
from openreplay_cw_stack.runtime.validator.aws import (
    DynamoDbTable,
    ErrorEventMarks,
    EventBridgeBus,
    SecretsManagerReader,
    SqsQueue,
)
from openreplay_cw_stack.runtime.validator.envelopes import take
from openreplay_cw_stack.runtime.validator.error_events import ErrorEvents
from openreplay_cw_stack.runtime.validator.settings import Settings
from openreplay_cw_stack.runtime.validator.storing import ItemWriter
from openreplay_cw_stack.runtime.validator.token_secret import TokenSecret
from openreplay_cw_stack.runtime.validator.validator import Validator


def handler(event: Any, context: Any) -> dict[str, Any] | None:
    """Handle a subscription payload, a batch of Kinesis records, or messages of the retry queue.

    Raises:
        DeliveryFailed: see :meth:`.Validator.validate`.
    """
    validator, retry_queue = _validator()
    return take(event, validator, retry_queue, context.get_remaining_time_in_millis)


def _now_ms() -> int:
    return int(time.time() * 1000)


@functools.cache
def _validator() -> tuple[Validator, SqsQueue]:
    settings = Settings.from_environment(os.environ)
    arn = settings.token_secret_arn
    retry_queue = SqsQueue(settings.retry_queue_url)
    error_events = None
    if settings.error_bus_arn is not None:
        error_events = ErrorEvents(
            bus=EventBridgeBus(settings.error_bus_arn),
            marks=ErrorEventMarks(settings.session_table_arn),
            deployment=settings.deployment,
            replay_url=settings.replay_url,
            interval_seconds=settings.error_event_interval_seconds,
            clock_ms=_now_ms,
        )
    validator = Validator(
        settings=settings,
        writer=ItemWriter(
            DynamoDbTable(settings.session_table_arn), time.monotonic, sleep=time.sleep
        ),
        retry_queue=retry_queue,
        dead_letters=SqsQueue(settings.dead_letter_queue_url),
        token_secret=TokenSecret(SecretsManagerReader(arn), time.monotonic) if arn else None,
        error_events=error_events,
        clock_ms=_now_ms,
        emit=print_line,
    )
    return validator, retry_queue
