"""The bridge's Lambda entry point: builds the bridge once and hands requests to it."""

from __future__ import annotations

import functools
import os
import time
from typing import Any

from openreplay_cw_stack.contract import metrics as names
from openreplay_cw_stack.runtime.bridge.aws import (
    DynamoDbTable,
    SecretsManagerKeys,
    SqsQueueLength,
)
from openreplay_cw_stack.runtime.bridge.bridge import Bridge
from openreplay_cw_stack.runtime.bridge.credentials import ApiKeys
from openreplay_cw_stack.runtime.bridge.settings import Settings
from openreplay_cw_stack.runtime.bridge.waiting_lines import WaitingLines
from openreplay_cw_stack.runtime.function_log import FunctionLog, MetricDocument, print_line


def handler(event: object, _context: object) -> dict[str, Any]:
    """Answer the event of an API Gateway HTTP API."""
    return _bridge().handle(event)


@functools.cache
def _bridge() -> Bridge:
    settings = Settings.from_environment(os.environ)
    log = FunctionLog(settings.deployment)

    def report_failed_read(code: str) -> None:
        log.warn(f"the API key could not be read: {code}; the keys read before stay in use")
        log.metrics(MetricDocument({names.FAILED_KEY_READS: 1}))

    return Bridge(
        settings=settings,
        keys=ApiKeys(
            SecretsManagerKeys(
                settings.api_key_secret_arn,
                previous_seconds=settings.previous_key_seconds,
                clock=time.time,
            ),
            time.monotonic,
            refresh_seconds=settings.key_refresh_seconds,
            on_failure=report_failed_read,
        ),
        table=DynamoDbTable(settings.session_table_arn),
        waiting=WaitingLines(SqsQueueLength(settings.retry_queue_url), time.monotonic),
        clock_ms=lambda: int(time.time() * 1000),
        timer=time.monotonic,
        emit=print_line,
    )
