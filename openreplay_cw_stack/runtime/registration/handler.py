"""The registration's Lambda entry point: registers the bridge with one OpenReplay project.

It may be in a VPC, from which a self-hosted OpenReplay can be reached.
"""

from __future__ import annotations

import functools
import os
import time

from openreplay_cw_stack.contract import metrics as names
from openreplay_cw_stack.runtime.embedded_metrics import MetricDocument
from openreplay_cw_stack.runtime.own_log import print_line, say
from openreplay_cw_stack.runtime.registration.aws import SecretsManager
from openreplay_cw_stack.runtime.registration.settings import Settings
from openreplay_cw_stack.runtime.registration.unattended import Outcome, Registration, Task


def handler(event: dict[str, object], _context: object) -> dict[str, str]:
    """Do the event's ``task``: ``look`` (also without one), ``register`` or ``remove``."""
    registration = _registration()
    outcome = registration.run(Task(event.get("task", "look")))
    if outcome is Outcome.FAILED:
        document = MetricDocument(
            {names.FAILED_REGISTRATIONS: 1}, {names.PROJECT: registration.project}, [[]]
        )
        now_ms = int(time.time() * 1000)
        print_line(document.encode(registration.settings.deployment, now_ms) or "")
    return {"outcome": outcome.value}


@functools.cache
def _registration() -> Registration:
    return Registration(Settings.from_environment(os.environ), SecretsManager(), say)
