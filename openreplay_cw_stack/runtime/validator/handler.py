"""The validator's Lambda entry point: builds the validator once and hands payloads to it."""

from __future__ import annotations

import functools
import os
import time

from openreplay_cw_stack.runtime.own_log import print_line
from openreplay_cw_stack.runtime.validator.aws import CloudWatchLogsWriter, SqsQueue
from openreplay_cw_stack.runtime.validator.settings import Settings
from openreplay_cw_stack.runtime.validator.validator import Validator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from openreplay_cw_stack.runtime.validator.token_secret import TokenSecret


def handler(event: Any, context: Any) -> dict[str, Any] | None:
    """Take one subscription payload from CloudWatch Logs, or a batch of them from Kinesis.

    Raises:
        DeliveryFailed: see :meth:`Validator.validate`. Not for a batch, whose answer says it.
    """
    validator = _validator()
    if isinstance(event, dict) and "Records" in event:
        # Few deployments have a stream.
        from openreplay_cw_stack.runtime.validator.stream_records import (
            are_stream_records,
            take_records,
        )

        if are_stream_records(event):
            return take_records(
                event["Records"],
                validator.validate,
                context.get_remaining_time_in_millis,
                validator.say,
            )
    validator.validate(event)
    return None


@functools.cache
def _validator() -> Validator:
    settings = Settings.from_environment(os.environ)
    arn = settings.token_secret_arn
    queue = settings.parked_lines_queue
    return Validator(
        settings=settings,
        writer=CloudWatchLogsWriter(settings.linked_log_group),
        queue=SqsQueue(queue) if queue else None,
        token_secret=_token_secret(arn) if arn else None,
        clock_ms=lambda: int(time.time() * 1000),
        emit=print_line,
    )


def _token_secret(arn: str) -> TokenSecret:
    # Where signatures are not checked, there is none.
    from openreplay_cw_stack.runtime.validator.secrets_manager import SecretsManagerReader
    from openreplay_cw_stack.runtime.validator.token_secret import TokenSecret

    return TokenSecret(SecretsManagerReader(arn), time.monotonic)
