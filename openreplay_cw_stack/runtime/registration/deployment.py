"""The second Lambda entry point of the registration: follows deployments for CloudFormation.

It is never in a VPC, so that CloudFormation has its answer even where OpenReplay, or all of AWS,
cannot be reached from there. Whatever becomes of a registration, the deployment goes on.
"""

from __future__ import annotations

from collections.abc import Callable

from openreplay_cw_stack.runtime.aws_calls import CallFailed
from openreplay_cw_stack.runtime.custom_resource import DeploymentEvent, answer_deployment
from openreplay_cw_stack.runtime.own_log import say
from openreplay_cw_stack.runtime.registration.aws import run_registration


def handler(event: dict[str, object], context: object) -> None:
    """Register or remove a project's bridge, as a stack is deployed or deleted."""
    answer_deployment(event, context, follow)


def follow(event: DeploymentEvent, run: Callable[[str, str], None] = run_registration) -> str:
    """Run the project's registration; the physical id of the custom resource. Never raises."""
    project = str(event.properties["Project"])
    try:
        run(str(event.properties["FunctionName"]), "remove" if event.is_delete else "register")
    except CallFailed as failed:
        say("ERROR", f"{project}: the registration did not end: {failed}")
    return project
