"""The validator's Lambda entry point: builds the validator once and hands payloads to it."""

from __future__ import annotations

import functools
import os
import sys
import time

from openreplay_cw_stack.runtime.validator.aws import (
    CloudWatchLogsWriter,
    SecretsManagerReader,
    SqsQueue,
)
from openreplay_cw_stack.runtime.validator.settings import Settings
from openreplay_cw_stack.runtime.validator.token_secret import TokenSecret
from openreplay_cw_stack.runtime.validator.validator import Validator


def handler(event: object, _context: object) -> None:
    """Take one subscription payload from CloudWatch Logs.

    Raises:
        DeliveryFailed: see :meth:`Validator.validate`.
    """
    _validator().validate(event)


@functools.cache
def _validator() -> Validator:
    settings = Settings.from_environment(os.environ)
    arn = settings.token_secret_arn
    queue = settings.parked_lines_queue
    return Validator(
        settings=settings,
        writer=CloudWatchLogsWriter(settings.linked_log_group),
        queue=SqsQueue(queue) if queue else None,
        token_secret=TokenSecret(SecretsManagerReader(arn), time.monotonic) if arn else None,
        clock_ms=lambda: int(time.time() * 1000),
        emit=_print_line,
    )


def _print_line(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
