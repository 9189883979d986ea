"""The arguments for a project of OpenReplay and a member, and the login."""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from urllib.parse import SplitResult

from openreplay_cw_stack.commands.errors import CommandFailed
from openreplay_cw_stack.commands.terminal import ask
from openreplay_cw_stack.openreplay.login import OpenReplayClient, check_is_api, log_in

JWT_VARIABLE = "OPENREPLAY_JWT"
"""Environment variable: the credential of a member who is already logged in."""


def add_project_argument(parser: argparse.ArgumentParser) -> None:
    """Add the optional arguments for a project of OpenReplay and a member."""
    _add_openreplay_arguments(parser, required=False)
    parser.add_argument(
        "--project", type=_project_number, metavar="NUMBER", help="the project's number"
    )


def add_projects_argument(parser: argparse.ArgumentParser) -> None:
    """Add the arguments for projects of OpenReplay and a member."""
    _add_openreplay_arguments(parser, required=True)
    parser.add_argument(
        "--project",
        required=True,
        type=_project_number,
        nargs="+",
        action="extend",
        metavar="NUMBER",
        help="the projects' numbers",
    )


def _add_openreplay_arguments(parser: argparse.ArgumentParser, *, required: bool) -> None:
    parser.add_argument(
        "--openreplay",
        required=required,
        metavar="URL",
        help="OpenReplay's address, such as https://openreplay.example",
    )
    parser.add_argument("--email", help="the member's email address (default: ask for it)")
    parser.add_argument("--insecure", action="store_true", help="allow http:// addresses")


def logged_in(server: SplitResult, email: str | None) -> OpenReplayClient:
    """Log in with ``OPENREPLAY_JWT``, or with an email and a password.

    Raises:
        CommandFailed: there is no terminal to ask for email and password.
        RegistrationFailed: OpenReplay refuses the login.
    """
    check_is_api(server)
    jwt = os.environ.get(JWT_VARIABLE)
    if jwt:
        return OpenReplayClient(server, jwt)
    if email is None:
        if not sys.stdin.isatty():
            raise CommandFailed(
                f"there is no terminal to ask for a login: set {JWT_VARIABLE}, or give --email and "
                "write the password to standard input"
            )
        email = ask(f"Email of a member of {server.hostname}: ")
    return log_in(server, email, _password())


def _project_number(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"a project's number is 1 or more, not {text}")
    return number


# argparse uses this name in its error for a text that is not a number.
_project_number.__name__ = "project's number"


def _password() -> str:
    if sys.stdin.isatty():
        return getpass.getpass("Password: ")
    return sys.stdin.readline().rstrip("\r\n")
