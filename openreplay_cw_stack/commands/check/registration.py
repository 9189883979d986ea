"""Checks whether OpenReplay has stored the bridge's URL and its key."""

from __future__ import annotations

from openreplay_cw_stack.commands.check.bridge import Endpoint
from openreplay_cw_stack.commands.check.context import Context
from openreplay_cw_stack.commands.deployed.secrets import read_secret
from openreplay_cw_stack.commands.program import PROGRAM
from openreplay_cw_stack.commands.report.findings import Step, fail, ok, skip, warn
from openreplay_cw_stack.openreplay.integrations import Integrations, integration_host
from openreplay_cw_stack.openreplay.login import OpenReplayClient
from openreplay_cw_stack.runtime.aws_calls import error_code

_NAME = "registration"


def check_registration(
    context: Context, endpoint: Endpoint | None, openreplay: OpenReplayClient, project: int
) -> Step[None]:
    """Compare a project's Elasticsearch integration with the bridge. The findings show no key."""
    if endpoint is None:
        yield skip(_NAME, "there is no bridge to compare with")
        return
    form = endpoint.form
    where = f"project {project} of {openreplay.server.hostname}"
    again = (
        f"{PROGRAM} register --stack {context.deployment.stack.name} "
        f"--openreplay {openreplay.server.geturl()} --project {project}"
    )
    stored = Integrations(openreplay).stored(project)
    if not stored:
        yield fail(_NAME, f"{where} has no Elasticsearch integration", f"Register it:\n{again}")
        return
    remedy = f"Register the bridge again:\n{again}"
    url = str(stored.get("url", "")).strip()
    if url.rstrip("/") != form.url.rstrip("/"):
        yield fail(
            _NAME,
            f"{where} has another URL, at {integration_host(stored)}",
            f"If that integration is not needed, replace it:\n{again} --force",
        )
        return
    key = (stored.get("api_key_id"), stored.get("api_key"))
    if key == (form.api_key_id, form.api_key):
        yield ok(_NAME, f"{where} has the bridge's URL and its key")
    elif all(key) and key == _previous(context):
        yield warn(
            _NAME,
            f"{where} has the bridge's URL and its previous key",
            f"The bridge accepts that key until the next change of the key. {remedy}",
        )
    else:
        yield fail(_NAME, f"{where} has the bridge's URL and a key that the bridge refuses", remedy)


def _previous(context: Context) -> tuple[str | None, str | None] | None:
    """Return the previous key, if Secrets Manager still has it."""
    arn = context.bridge.environment["API_KEY_SECRET_ARN"] if context.bridge else ""
    try:
        values = read_secret(context.account, arn, "AWSPREVIOUS").texts
    except Exception as error:
        if error_code(error) != "ResourceNotFoundException":
            raise
        return None
    return values.get("api_key_id"), values.get("api_key")
