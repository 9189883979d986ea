"""Checks rotation, and the key of each automatically registered project."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from openreplay_cw_stack.commands.check.context import Context
from openreplay_cw_stack.commands.report.findings import Finding, Step, fail, guarded, ok, warn
from openreplay_cw_stack.commands.terminal import count
from openreplay_cw_stack.contract.openreplay_project import notified_projects


def check_rotation(context: Context) -> Step[None]:
    """Check each secret that is rotated or registered."""
    if context.rotation is None and "registration" not in context.deployment.functions:
        return
    for name, arn in _secrets(context):
        yield from guarded(name, _secret(context, name, arn))


def _secrets(context: Context) -> Iterator[tuple[str, str]]:
    if context.bridge is not None:
        yield "bridge key", context.bridge.environment["API_KEY_SECRET_ARN"]
    secret = context.deployment.service_account_secret
    if secret is not None:
        yield "service account key", secret.physical_id


def _secret(context: Context, of: str, arn: str) -> Step[None]:
    described = context.client("secretsmanager").describe_secret(SecretId=arn)
    if context.rotation is not None:
        yield _rotation(context, f"rotation, {of}", described)
    current = _version(described, "AWSCURRENT")
    tags = {one["Key"]: one["Value"] for one in described.get("Tags", [])}
    for project, version in notified_projects(tags).items():
        if version == current:
            yield ok(f"registered, {of}", f"{project} has the current key")
        else:
            yield fail(
                f"registered, {of}",
                f"{project} does not have the current key",
                "The registration is retried every hour. Its log group has the error.",
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
        f"last rotated {count(context.account.days_since(rotated), 'day')} ago"
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
