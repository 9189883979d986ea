"""``register``: tells OpenReplay of a deployed stack, so that nobody fills in its form."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from urllib.parse import SplitResult

from openreplay_cw_stack.commands.errors import CommandFailed
from openreplay_cw_stack.commands.openreplay_login import (
    JWT_VARIABLE,
    add_openreplay_arguments,
    logged_in,
)
from openreplay_cw_stack.commands.stack_values import StackValues, read_secret, read_stack
from openreplay_cw_stack.runtime.registration.bridge_question import (
    AddressRefused,
    BridgeForm,
    ask_bridge,
)
from openreplay_cw_stack.runtime.registration.http_calls import RegistrationFailed
from openreplay_cw_stack.runtime.registration.openreplay_api import LoggedIn
from openreplay_cw_stack.runtime.registration.registering import (
    CloudWatchForm,
    register_bridge,
    register_service_account,
    unregister_bridge,
)
from openreplay_cw_stack.tagging.openreplay_project import checked_url

HELP = "tell OpenReplay of a deployed stack: fills in its integration form"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.add_argument("--stack", required=True, help="the name of the deployed stack")
    add_openreplay_arguments(parser, required=True)
    parser.add_argument("--remove", action="store_true", help="have the project ask no more")
    parser.add_argument(
        "--cloudwatch",
        action="store_true",
        help="the CloudWatch integration of OpenReplay up to v1.20, with the service account's key",
    )
    parser.add_argument("--force", action="store_true", help="with --cloudwatch: all the same")
    parser.epilog = (
        f"Asks for email and password, or takes the environment variable {JWT_VARIABLE}; stores "
        "neither. A login ends that member's other ones: use a member of its own."
    )


def run(arguments: argparse.Namespace) -> int:
    """Register; the exit status.

    Raises:
        CommandFailed: it did not work; the message says why.
    """
    try:
        server = checked_url(arguments.openreplay, insecure=arguments.insecure)
        prepare = _remove if arguments.remove else _bridge
        if arguments.cloudwatch:
            prepare = _service_account
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
        _say("The bridge answers other addresses than this one: whether it works is not known here")
    else:
        _say(f"The bridge answers, and accepts its key: {url}")

    def act(openreplay: LoggedIn) -> None:
        register_bridge(openreplay, arguments.project, form)
        _say(
            f"Project {arguments.project} of {openreplay.server.hostname} asks the bridge from now "
            "on. Open a replay and press Traces."
        )

    return act


def _service_account(arguments: argparse.Namespace, stack: StackValues) -> _Act:
    key = read_secret(stack.output("SecretArn", "a service account"))
    form = CloudWatchForm(
        key["access_key_id"],
        key["secret_access_key"],
        stack.region,
        stack.output("LinkedLogGroupName", "a linked log group"),
    )

    def act(openreplay: LoggedIn) -> None:
        register_service_account(openreplay, arguments.project, form, force=arguments.force)
        _say(f"Project {arguments.project} of {openreplay.server.hostname} has the key now.")

    if not arguments.force:
        # Refused before anybody is asked for a password.
        act(LoggedIn(SplitResult("https", "", "", "", ""), ""))
    return act


def _remove(arguments: argparse.Namespace, stack: StackValues) -> _Act:
    def act(openreplay: LoggedIn) -> None:
        unregister_bridge(openreplay, arguments.project)
        _say(
            f"Project {arguments.project} of {openreplay.server.hostname} asks the bridge of "
            f"{stack.name} no more."
        )

    return act


def _say(text: str) -> None:
    print(text)  # noqa: T201
