"""Arguments that several commands have."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from openreplay_cw_stack.tagging import parse_session_id


def add_stack_argument(parser: argparse.ArgumentParser) -> None:
    """Add the argument that names a stack."""
    parser.add_argument("--stack", required=True, help="the name of the deployed stack")


def add_deployment_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that name one deployment in a stack."""
    add_stack_argument(parser)
    parser.add_argument("--deployment", help="the deployment, if the stack has several")


def add_deployments_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that name a stack and, optionally, one of its deployments."""
    add_stack_argument(parser)
    parser.add_argument("--deployment", help="only this deployment, if the stack has several")


def add_json_argument(parser: argparse.ArgumentParser) -> None:
    """Add the argument for machine-readable output."""
    parser.add_argument("--json", action="store_true", help="print one JSON object per line")


def add_yes_argument(parser: argparse.ArgumentParser) -> None:
    """Add the argument that replaces the confirmation at the terminal."""
    parser.add_argument("--yes", action="store_true", help="do not ask for confirmation")


def session_id(text: str) -> int:
    """Parse a decimal session id. The error never quotes the text, which can be a session token."""
    try:
        return parse_session_id(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            "give a session id, a decimal number of 64 bits; a session token is not accepted"
        ) from None


def whole_minutes(most: int | None = None) -> Callable[[str], int]:
    """Return an argument type: a number of minutes from 1 to ``most``; default: no upper limit."""

    def parse(text: str) -> int:
        number = int(text)
        if number < 1 or (most is not None and number > most):
            limits = "1 or more" if most is None else f"1 to {most}"
            raise argparse.ArgumentTypeError(f"must be {limits}, not {text}")
        return number

    # argparse uses this name in its error for a text that is not a number.
    parse.__name__ = "minutes"
    return parse
