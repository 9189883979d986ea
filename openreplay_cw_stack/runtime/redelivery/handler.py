"""The redelivery's Lambda entry point: builds it once and hands batches of its queue to it."""

from __future__ import annotations

import functools
import os
import time
from typing import Any

from openreplay_cw_stack.runtime.own_log import print_line
from openreplay_cw_stack.runtime.redelivery.aws import SqsVisibility
from openreplay_cw_stack.runtime.redelivery.redelivery import Redelivery
from openreplay_cw_stack.runtime.redelivery.settings import Settings
from openreplay_cw_stack.runtime.validator.aws import CloudWatchLogsWriter


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Take a batch of messages from SQS; the partial batch response."""
    return _redelivery().redeliver(event)


@functools.cache
def _redelivery() -> Redelivery:
    settings = Settings.from_environment(os.environ)
    return Redelivery(
        settings=settings,
        writer=CloudWatchLogsWriter(settings.linked_log_group),
        visibility=SqsVisibility(settings.parked_lines_queue),
        clock_ms=lambda: int(time.time() * 1000),
        emit=print_line,
    )
