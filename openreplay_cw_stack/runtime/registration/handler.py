"""The registration's Lambda entry point: registers the bridge with one OpenReplay project.

It can run in a VPC, from which it reaches a self-hosted OpenReplay.
"""

from __future__ import annotations

import functools
import os

from openreplay_cw_stack.contract import metrics as names
from openreplay_cw_stack.runtime.function_log import FunctionLog, MetricDocument
from openreplay_cw_stack.runtime.registration.aws import SecretsManager
from openreplay_cw_stack.runtime.registration.settings import Settings
from openreplay_cw_stack.runtime.registration.unattended import Outcome, Registration, Task


def handler(event: dict[str, object], _context: object) -> dict[str, str]:
    """Do the event's ``task``: ``look`` (also without one), ``register`` or ``remove``."""
    registration = _registration()
    outcome = registration.run(Task(event.get("task", "look")))
    if outcome is Outcome.FAILED:
        registration.log.metrics(
            MetricDocument(
                {names.FAILED_REGISTRATIONS: 1}, {names.PROJECT: registration.project}, [[]]
            )
        )
    return {"outcome": outcome.value}


@functools.cache
def _registration() -> Registration:
    settings = Settings.from_environment(os.environ)
    return Registration(settings, SecretsManager(), FunctionLog(settings.deployment))
