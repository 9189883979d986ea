"""Revokes the API key of the bridge."""

from __future__ import annotations

from openreplay_cw_stack.commands.aws import aws_must
from openreplay_cw_stack.commands.deployed.account import Account
from openreplay_cw_stack.commands.deployed.deployment import Deployment, Function, variable
from openreplay_cw_stack.commands.errors import CommandFailed
from openreplay_cw_stack.commands.program import PROGRAM
from openreplay_cw_stack.commands.revoke.report import Revoked
from openreplay_cw_stack.commands.revoke.versions import CURRENT, SecretVersions
from openreplay_cw_stack.runtime.rotation.api_key import draw_api_key


def revoke_api_key(account: Account, deployment: Deployment) -> Revoked:
    """Replace the API key, and update the registered projects.

    Raises:
        CommandFailed: there is no bridge, or AWS refuses a call.
    """
    bridge = _bridge_of(deployment)
    arn = variable(bridge, "API_KEY_SECRET_ARN")
    secret = SecretVersions(account.client("secretsmanager"), arn)
    secret.replace(draw_api_key(secret.value(CURRENT)))
    seconds = float(variable(bridge, "KEY_REFRESH_SECONDS"))
    done = [f"the bridge refuses the old key within {seconds:.0f} seconds"]
    for function in deployment.registrations:
        with aws_must(f"invoke {function.name}"):
            account.client("lambda").invoke(FunctionName=function.name, InvocationType="Event")
        done.append(
            f"{function.name} registers the new key with its OpenReplay projects, and retries "
            "every hour until all have it"
        )
    by_hand = (
        "Give the new key to each OpenReplay project that is not in openreplay_projects: "
        f"{PROGRAM} register --stack {deployment.stack.name} --openreplay URL --project NUMBER"
    )
    return Revoked("api", done, [by_hand])


def _bridge_of(deployment: Deployment) -> Function:
    if deployment.bridge is None:
        raise CommandFailed(f"{deployment.name} has no bridge, so it has no API key")
    return deployment.bridge
