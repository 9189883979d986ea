"""``register``: writes the bridge of a deployed stack into OpenReplay's integration form."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from openreplay_cw_stack.commands.errors import CommandFailed
from openreplay_cw_stack.commands.openreplay_login import (
    JWT_VARIABLE,
    add_openreplay_arguments,
    logged_in,
)
from openreplay_cw_stack.commands.stack_values import StackValues, read_secret, read_stack
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
    parser.add_argument("--stack", required=True, help="the name of the deployed stack")
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
    """Register; the exit status.

    Raises:
        CommandFailed: it did not work; the message says why.
    """
    try:
        server = checked_url(arguments.openreplay, insecure=arguments.insecure)
        prepare = _remove if arguments.remove else _bridge
        act = prepare(arguments, read_stack(arguments.stack))
        act(logged_in(server, arguments.email))
    except (RegistrationFailed, ValueError) as error:
        raise CommandFailed(str(error)) from None
    return 0


_Act = Callable[[LoggedIn], None]


def _bridge(arguments: argparse.Namespace, stack: StackValues) -> _Act:
    """Ask the bridge first: OpenReplay never says whether it can."""
    url = stack.output("BridgeUrl", "a bridge")
    key = read_secret(stack.output("BridgeSecretArn", "a bridge"))
    form = BridgeForm(url, key["api_key_id"], key["api_key"])
    try:
        ask_bridge(checked_url(url, insecure=arguments.insecure), form)
    except AddressRefused:
        _say(
            "The bridge does not answer this address: OpenReplay's must be in allowed_source_ranges"
        )
    else:
        _say(f"The bridge answers, and accepts its key: {url}")

    def act(openreplay: LoggedIn) -> None:
        register_bridge(openreplay, arguments.project, form)
        _say(
            f"Project {arguments.project} of {openreplay.server.hostname} asks the bridge from now "
            "on. Open a replay and press Traces."
        )

    return act


def _remove(arguments: argparse.Namespace, stack: StackValues) -> _Act:
    def act(openreplay: LoggedIn) -> None:
        unregister_bridge(openreplay, arguments.project)
        _say(
            f"Project {arguments.project} of {openreplay.server.hostname} no longer asks the "
            f"bridge of {stack.name}."
        )

    return act


def _say(text: str) -> None:
    print(text)  # noqa: T201
