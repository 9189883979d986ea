"""The second Lambda entry point of the registration: follows deployments for CloudFormation.

It is never in a VPC, so that CloudFormation gets its answer even where OpenReplay, or all of AWS,
cannot be reached from one. A registration that fails does not stop the deployment.

All projects of an OpenReplay are one custom resource. An update names the projects before and
after it, so a project that left is removed, also by the rollback of an update that added it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from openreplay_cw_stack.runtime.aws_calls import CallFailed
from openreplay_cw_stack.runtime.custom_resource import DeploymentEvent, answer_deployment
from openreplay_cw_stack.runtime.function_log import FunctionLog
from openreplay_cw_stack.runtime.registration.aws import run_registration
from openreplay_cw_stack.runtime.registration.settings import Projects, projects_from_text
from openreplay_cw_stack.runtime.registration.unattended import Task

_Run = Callable[[str, Mapping[str, object]], None]


def handler(event: dict[str, object], context: object) -> None:
    """Register or remove the bridge, as a stack is deployed or deleted."""
    answer_deployment(event, context, follow)


def follow(event: DeploymentEvent, run: _Run = run_registration) -> str:
    """Run the registration of an OpenReplay and return the custom resource's physical id."""
    openreplay = str(event.properties["OpenReplay"])
    task = Task.REMOVE if event.is_delete else Task.REGISTER
    try:
        run(
            str(event.properties["FunctionName"]),
            {"task": task.value, "left": projects_left(event)},
        )
    except CallFailed as failed:
        FunctionLog().error(f"{openreplay}: the registration did not end: {failed}")
    return openreplay


def projects_left(event: DeploymentEvent) -> Projects:
    """Return the projects that are no longer of the deployment after an event."""
    now = projects_from_text(event.properties["Projects"])
    if event.is_delete:
        return now
    kept = {number for numbers in now.values() for number in numbers}
    before = projects_from_text(event.old_properties.get("Projects", "{}"))
    left = {
        login: tuple(number for number in numbers if number not in kept)
        for login, numbers in before.items()
    }
    return {login: numbers for login, numbers in left.items() if numbers}
