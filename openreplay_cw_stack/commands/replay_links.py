"""Links to replays, for known projects."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping

from openreplay_cw_stack.commands.deployed.account import Account
from openreplay_cw_stack.commands.deployed.deployment import Deployment
from openreplay_cw_stack.commands.errors import CommandFailed
from openreplay_cw_stack.tagging.replay_url import (
    REPLAY_URL_VARIABLE,
    SESSION_PLACEHOLDER,
    checked_replay_url,
)

TAG = "openreplay-cw-stack:replay-url"
"""A tag of the bridge's secret: the template without its placeholder, which tags do not allow.

``register`` sets it for a deployment without the option ``replay_url``.
"""


def template_for(account: Account, deployment: Deployment) -> str | None:
    """Return the template of a deployment's replay links; None if the project is unknown.

    The sources are the option ``replay_url``, the project that ``register`` was last used for, and
    the environment variable ``OPENREPLAY_REPLAY_URL``.

    Raises:
        CommandFailed: the environment variable is not a template.
    """
    validator = deployment.validator
    option = validator.environment.get("REPLAY_URL") if validator is not None else None
    return option or _registered(account, deployment) or template_from_environment(os.environ)


def template_from_environment(environment: Mapping[str, str]) -> str | None:
    """Return the template in the environment variable; None if it is not set.

    Raises:
        CommandFailed: the environment variable is not a template.
    """
    text = environment.get(REPLAY_URL_VARIABLE)
    if not text:
        return None
    try:
        return checked_replay_url(text)
    except ValueError as error:
        raise CommandFailed(f"{REPLAY_URL_VARIABLE}: {error}") from None


def remember_project(account: Account, deployment: Deployment, template: str) -> None:
    """Store the template of a registered project, if AWS allows it."""
    tag = {"Key": TAG, "Value": template.removesuffix(SESSION_PLACEHOLDER)}
    # Links are optional: without the permission there are none.
    with contextlib.suppress(Exception):
        account.client("secretsmanager").tag_resource(SecretId=_secret(deployment), Tags=[tag])


def _secret(deployment: Deployment) -> str:
    """Return the ARN of the bridge's secret; empty without a bridge."""
    bridge = deployment.bridge
    return bridge.environment.get("API_KEY_SECRET_ARN", "") if bridge is not None else ""


def _registered(account: Account, deployment: Deployment) -> str | None:
    arn = _secret(deployment)
    if not arn:
        return None
    try:
        found = account.client("secretsmanager").describe_secret(SecretId=arn)
        tags = {one["Key"]: one["Value"] for one in found.get("Tags", [])}
        return checked_replay_url(tags[TAG] + SESSION_PLACEHOLDER)
    except Exception:
        return None
