"""Checks rotation, and whether each project of the deployment has the bridge's key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from openreplay_cw_stack.commands.check.context import Context
from openreplay_cw_stack.commands.deployed.deployment import Function, variable
from openreplay_cw_stack.commands.report.findings import Finding, Step, fail, guarded, ok, warn
from openreplay_cw_stack.commands.terminal import days_ago
from openreplay_cw_stack.contract.openreplay_project import notified_projects, project_name
from openreplay_cw_stack.runtime.registration.settings import projects_from_text

_REGISTERED = "registered, bridge key"


def check_rotation(context: Context) -> Step[None]:
    """Check each secret that is rotated, and the registrations of the bridge's key."""
    bridge, secret = context.bridge, context.deployment.service_account_secret
    registrations = context.deployment.registrations
    if bridge is not None and (context.rotation is not None or registrations):
        arn = bridge.environment["API_KEY_SECRET_ARN"]
        yield from guarded("bridge key", _secret(context, "bridge key", arn, registrations))
    if secret is not None and context.rotation is not None:
        name = "service account key"
        yield from guarded(name, _secret(context, name, secret.physical_id))


def _secret(
    context: Context, of: str, arn: str, registrations: Sequence[Function] = ()
) -> Step[None]:
    described = context.client("secretsmanager").describe_secret(SecretId=arn)
    if context.rotation is not None:
        yield _rotation(context, f"rotation, {of}", described)
    for function in registrations:
        yield from guarded(_REGISTERED, _registrations(function, described))


def _registrations(function: Function, described: dict[str, Any]) -> Step[None]:
    """Check that each project which the deployment names has the current key."""
    current = _version(described, "AWSCURRENT")
    tags = {one["Key"]: one["Value"] for one in described.get("Tags", [])}
    registered = notified_projects(tags)
    url = variable(function, "OPENREPLAY_URL")
    for numbers in projects_from_text(variable(function, "PROJECTS")).values():
        for project in (project_name(url, number) for number in numbers):
            version = registered.get(project)
            if version is not None and version == current:
                yield ok(_REGISTERED, f"{project} has the current key")
                continue
            state = "is not registered" if version is None else "does not have the current key"
            yield fail(
                _REGISTERED,
                f"{project} {state}",
                f"The log group {function.log_group} has the error. The registration is retried "
                f"every hour; to retry it now:\n"
                f"aws lambda invoke --function-name {function.name} /dev/stdout",
            )


def _rotation(context: Context, name: str, described: dict[str, Any]) -> Finding:
    if not described.get("RotationEnabled"):
        return fail(
            name,
            "is disabled in Secrets Manager, although the stack enables it",
            "It was cancelled by hand: enable it there with the stack's rotation function.",
        )
    rotated = described.get("LastRotatedDate")
    seen = (
        f"last rotated {days_ago(context.account.days_since(rotated))}"
        if rotated
        else "not rotated yet"
    )
    pending = _version(described, "AWSPENDING")
    if pending is not None and pending != _version(described, "AWSCURRENT"):
        return warn(
            name,
            f"{seen}; a rotation is not complete",
            "Secrets Manager retries it. The log group of the rotation function has the error.",
        )
    return ok(name, seen)


def _version(described: dict[str, Any], stage: str) -> str | None:
    versions = described.get("VersionIdsToStages", {})
    return next((one for one, stages in versions.items() if stage in stages), None)
