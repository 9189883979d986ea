"""The command line. A file or a folder each; none needs more than it says where it is missing."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any

from openreplay_cw_stack.commands import check, cost, judge, register, replay
from openreplay_cw_stack.commands.errors import CommandFailed

COMMANDS: dict[str, Any] = {
    "check": check,
    "cost": cost,
    "judge": judge,
    "register": register,
    "replay": replay,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that the arguments name; the exit status.

    0: as it should be. 1: not, and what is printed says why. 2: the command could not be run.
    """
    parser = argparse.ArgumentParser(prog="python -m openreplay_cw_stack")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        help_ = command.HELP
        subparser = subparsers.add_parser(name, help=help_, description=help_)
        command.add_arguments(subparser)
    parsed = parser.parse_args(arguments)
    try:
        status: int = COMMANDS[parsed.command].run(parsed)
        sys.stdout.flush()
    except CommandFailed as failure:
        print(failure, file=sys.stderr)  # noqa: T201
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Somebody has read enough, as `head` does. Python would say so once more at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return status
