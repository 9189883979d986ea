"""The arguments that name a project of OpenReplay and a member, and the login."""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from urllib.parse import SplitResult

from openreplay_cw_stack.commands.errors import CommandFailed
from openreplay_cw_stack.commands.terminal import ask
from openreplay_cw_stack.openreplay.login import LoggedIn, log_in

JWT_VARIABLE = "OPENREPLAY_JWT"
"""Environment variable: the credential of a member who has logged in already."""


def add_openreplay_arguments(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """Describe the arguments that name a project of OpenReplay and a member."""
    parser.add_argument(
        "--openreplay", required=required, metavar="URL", help="such as https://openreplay.example"
    )
    parser.add_argument(
        "--project", required=required, type=int, metavar="NUMBER", help="the project's number"
    )
    parser.add_argument("--email", help="the member's; asked for where it is needed")
    parser.add_argument("--insecure", action="store_true", help="allow http:// addresses")


def logged_in(server: SplitResult, email: str | None) -> LoggedIn:
    """Log in with ``OPENREPLAY_JWT``, or with an email and a password.

    Raises:
        CommandFailed: there is no terminal to ask for them.
        RegistrationFailed: OpenReplay does not let the member in.
    """
    jwt = os.environ.get(JWT_VARIABLE)
    if jwt:
        return LoggedIn(server, jwt)
    if email is None:
        if not sys.stdin.isatty():
            raise CommandFailed(
                f"there is no terminal to ask for a login: set {JWT_VARIABLE}, or name the member "
                "with --email and write the password to standard input"
            )
        email = ask(f"Email of a member of {server.hostname}: ")
    return log_in(server, email, _password())


def _password() -> str:
    if sys.stdin.isatty():
        return getpass.getpass("Password: ")
    return sys.stdin.readline().rstrip("\r\n")
