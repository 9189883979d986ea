"""``register``: writes the bridge of a deployed stack into OpenReplay's integration form."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

from openreplay_cw_stack.commands.arguments import add_stack_argument
from openreplay_cw_stack.commands.aws import aws_must
from openreplay_cw_stack.commands.deployed.account import Account
from openreplay_cw_stack.commands.deployed.secrets import read_secret
from openreplay_cw_stack.commands.deployed.stack import Stack, read_stack
from openreplay_cw_stack.commands.errors import CommandFailed
from openreplay_cw_stack.commands.openreplay_login import (
    JWT_VARIABLE,
    add_openreplay_arguments,
    logged_in,
)
from openreplay_cw_stack.commands.terminal import say
from openreplay_cw_stack.contract.openreplay_project import checked_url
from openreplay_cw_stack.openreplay.bridge_probe import (
    AddressRefused,
    BridgeForm,
    ask_bridge,
)
from openreplay_cw_stack.openreplay.http_calls import RegistrationFailed
from openreplay_cw_stack.openreplay.integrations import (
    register_bridge,
    unregister_bridge,
)
from openreplay_cw_stack.openreplay.login import LoggedIn

HELP = "write the bridge of a deployed stack into OpenReplay's integration form"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    add_stack_argument(parser)
    add_openreplay_arguments(parser, required=True)
    parser.add_argument(
        "--remove", action="store_true", help="stop the project from asking the bridge"
    )
    parser.epilog = (
        f"Asks for email and password, or takes the environment variable {JWT_VARIABLE}; stores "
        "neither. A login ends that member's other ones: use a member of its own. Permissions: "
        "cloudformation:DescribeStacks on the stack, secretsmanager:GetSecretValue on the bridge's "
        "secret (and kms:Decrypt where it has a key of its own)."
    )


def run(arguments: argparse.Namespace) -> int:
    """Register the bridge, or remove it, and return the exit status.

    Raises:
        CommandFailed: it did not work; the message says why.
    """
    try:
        server = checked_url(arguments.openreplay, insecure=arguments.insecure)
        account = Account(now=time.time())
        stack = read_stack(account, arguments.stack, with_resources=False)
        if arguments.remove:
            act = _removing(arguments, stack)
        else:
            act = _registering(arguments, account, stack)
        act(logged_in(server, arguments.email))
    except (RegistrationFailed, ValueError) as error:
        raise CommandFailed(str(error)) from None
    return 0


_Act = Callable[[LoggedIn], None]


def _registering(arguments: argparse.Namespace, account: Account, stack: Stack) -> _Act:
    """Ask the bridge first: OpenReplay never says whether it can."""
    url = stack.output("BridgeUrl", "a bridge")
    with aws_must("read the secret"):
        key = read_secret(account, stack.output("BridgeSecretArn", "a bridge")).texts
    if not key.get("api_key_id") or not key.get("api_key"):
        raise CommandFailed(
            "the bridge's secret lacks api_key_id or api_key: write both into it, as one JSON "
            "object"
        )
    form = BridgeForm(url, key["api_key_id"], key["api_key"])
    try:
        ask_bridge(checked_url(url, insecure=arguments.insecure), form)
    except AddressRefused:
        say(
            "The bridge does not answer this address: OpenReplay's must be in allowed_source_ranges"
        )
    else:
        say(f"The bridge answers, and accepts its key: {url}")

    def act(openreplay: LoggedIn) -> None:
        register_bridge(openreplay, arguments.project, form)
        say(
            f"Project {arguments.project} of {openreplay.server.hostname} asks the bridge from now "
            "on. Open a replay and press Traces."
        )

    return act


def _removing(arguments: argparse.Namespace, stack: Stack) -> _Act:
    def act(openreplay: LoggedIn) -> None:
        unregister_bridge(openreplay, arguments.project)
        say(
            f"Project {arguments.project} of {openreplay.server.hostname} no longer asks the "
            f"bridge of {stack.name}."
        )

    return act
