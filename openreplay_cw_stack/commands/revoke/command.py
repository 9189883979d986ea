"""The command: asks for confirmation, revokes a key, and prints the actions."""

from __future__ import annotations

import argparse
import dataclasses
import json
import time

from openreplay_cw_stack.commands.arguments import (
    add_deployment_arguments,
    add_json_argument,
    add_yes_argument,
)
from openreplay_cw_stack.commands.deployed.account import Account
from openreplay_cw_stack.commands.deployed.deployment import find_deployment
from openreplay_cw_stack.commands.deployed.stack import read_stack
from openreplay_cw_stack.commands.errors import CommandFailed
from openreplay_cw_stack.commands.revoke.access_key import revoke_access_key
from openreplay_cw_stack.commands.revoke.api_key import revoke_api_key
from openreplay_cw_stack.commands.terminal import clean, confirm, say

HELP = "replace a leaked key, so that the old key stops working immediately"

_KEYS = {
    "api": "the API key of the bridge",
    "access": "the access key of the service account",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_deployment_arguments(parser)
    parser.add_argument(
        "--key", required=True, choices=_KEYS, help="api: the bridge's; access: the IAM user's"
    )
    parser.add_argument(
        "--no-new-key", action="store_true", help="with --key access: create no new key"
    )
    add_yes_argument(parser)
    add_json_argument(parser)
    parser.epilog = (
        "Until OpenReplay has the new key, its requests are refused, and a refused request stops "
        "the integrations service of v1.21.0. You can repeat the command. It prints no key. Exit "
        "status: 0 if the key is revoked, 2 if the command could not run. Permissions: "
        "cloudformation:DescribeStacks and ListStackResources on the stack, "
        "lambda:GetFunctionConfiguration on its functions, secretsmanager:GetSecretValue, "
        "PutSecretValue, DescribeSecret and UpdateSecretVersionStage on the key's secret (and "
        "kms:Decrypt and GenerateDataKey if it has a customer managed key); for the API key "
        "lambda:InvokeFunction on the registration functions, for the access key "
        "iam:DeleteAccessKey and CreateAccessKey on the user."
    )


def run(arguments: argparse.Namespace) -> int:
    """Revoke the key and return the exit status.

    Raises:
        CommandFailed: the key does not exist, AWS refuses a call, or the user does not confirm.
    """
    if arguments.no_new_key and arguments.key != "access":
        raise CommandFailed("--no-new-key requires --key access: the bridge always needs a key")
    account = Account(now=time.time())
    stack = read_stack(account, arguments.stack)
    deployment = find_deployment(account, stack, arguments.deployment)
    if not arguments.yes:
        confirm(f"Revoke {_KEYS[arguments.key]} of {clean(deployment.name)}?")
    if arguments.key == "api":
        revoked = revoke_api_key(account, deployment)
    else:
        revoked = revoke_access_key(account, deployment, replace=not arguments.no_new_key)
    if arguments.json:
        say(json.dumps({"deployment": deployment.name, **dataclasses.asdict(revoked)}))
        return 0
    for line in revoked.done:
        say(f"{clean(deployment.name)}: {clean(line)}")
    for line in revoked.to_do:
        say(clean(line))
    return 0
