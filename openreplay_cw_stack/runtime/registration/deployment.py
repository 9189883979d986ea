"""The second Lambda entry point of the registration: follows deployments for CloudFormation.

It is never in a VPC, so that CloudFormation gets its answer even where OpenReplay, or all of AWS,
cannot be reached from one. A registration that fails does not stop the deployment.
"""

from __future__ import annotations

from collections.abc import Callable

from openreplay_cw_stack.runtime.aws_calls import CallFailed
from openreplay_cw_stack.runtime.custom_resource import DeploymentEvent, answer_deployment
from openreplay_cw_stack.runtime.function_log import FunctionLog
from openreplay_cw_stack.runtime.registration.aws import run_registration


def handler(event: dict[str, object], context: object) -> None:
    """Register or remove a project's bridge, as a stack is deployed or deleted."""
    answer_deployment(event, context, follow)


def follow(event: DeploymentEvent, run: Callable[[str, str], None] = run_registration) -> str:
    """Run the project's registration and return the custom resource's physical id."""
    project = str(event.properties["Project"])
    try:
        run(str(event.properties["FunctionName"]), "remove" if event.is_delete else "register")
    except CallFailed as failed:
        FunctionLog().error(f"{project}: the registration did not end: {failed}")
    return project
