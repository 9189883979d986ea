"""The registration's Lambda entry point: registers the bridge with the projects of OpenReplay.

The function can run in a VPC to reach a self-hosted OpenReplay.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from typing import Any

from openreplay_cw_stack.contract import metrics as names
from openreplay_cw_stack.runtime.function_log import FunctionLog, MetricDocument
from openreplay_cw_stack.runtime.registration.aws import SecretsManager
from openreplay_cw_stack.runtime.registration.settings import Settings
from openreplay_cw_stack.runtime.registration.unattended import Outcome, Registration, Task


def handler(event: Mapping[str, Any], _context: object) -> dict[str, str]:
    """Run the event's ``task``: ``look`` (the default), ``register`` or ``remove``.

    Args:
        event: ``left`` holds the numbers of the projects that left the deployment, by the ARN of
            the login secret.

    Returns:
        The outcomes by project name.
    """
    registration = _registration()
    left = {login: tuple(numbers) for login, numbers in event.get("left", {}).items()}
    outcomes = registration.run(Task(event.get("task", "look")), left)
    registration.log.metrics(
        *(
            MetricDocument({names.FAILED_REGISTRATIONS: 1}, {names.PROJECT: project}, [[]])
            for project, outcome in outcomes.items()
            if outcome is Outcome.FAILED
        )
    )
    return {project: outcome.value for project, outcome in outcomes.items()}


@functools.cache
def _registration() -> Registration:
    settings = Settings.from_environment(os.environ)
    return Registration(settings, SecretsManager(), FunctionLog(settings.deployment))
