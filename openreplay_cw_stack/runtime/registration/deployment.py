"""The registration's second Lambda entry point: a custom resource of CloudFormation.

This function never runs in a VPC, so CloudFormation gets its response even if a VPC cannot reach
OpenReplay or AWS. A failed registration does not stop the deployment.

All projects of an OpenReplay instance are one custom resource. An update event lists the projects
before and after it, so the function removes the bridge from projects that left the deployment. This
includes the rollback of an update that added a project.
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
    """Register or remove the bridge when a stack is deployed or deleted."""
    answer_deployment(event, context, follow)


def follow(event: DeploymentEvent, run: _Run = run_registration) -> str:
    """Run the registration of an OpenReplay instance; return the resource's physical id."""
    openreplay = str(event.properties["OpenReplay"])
    task = Task.REMOVE if event.is_delete else Task.REGISTER
    try:
        run(
            str(event.properties["FunctionName"]),
            {"task": task.value, "left": projects_left(event)},
        )
    except CallFailed as failed:
        FunctionLog().error(f"{openreplay}: the registration did not finish: {failed}")
    return openreplay


def projects_left(event: DeploymentEvent) -> Projects:
    """Return the projects that an event removes from the deployment."""
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
