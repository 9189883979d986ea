"""The command line: a file or a folder for each command.

A command names the package that it needs and that is not installed.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from typing import Any

from openreplay_cw_stack.commands import (
    backfill,
    check,
    forget,
    judge,
    preflight,
    register,
    replay,
    revoke,
    session,
)
from openreplay_cw_stack.commands.errors import CommandFailed
from openreplay_cw_stack.commands.program import PROGRAM
from openreplay_cw_stack.commands.terminal import clean_lines, say
from openreplay_cw_stack.version import VERSION

COMMANDS: dict[str, Any] = {
    "preflight": preflight,
    "judge": judge,
    "register": register,
    "check": check,
    "session": session,
    "replay": replay,
    "revoke": revoke,
    "backfill": backfill,
    "forget": forget,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that the arguments name and return the exit status.

    0: as it should be. 1: not, and what is printed says why. 2: the command could not run.
    """
    for stream in (sys.stdout, sys.stderr):
        # A terminal or pipe that is not UTF-8 shows what it cannot encode as "?".
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    parser = _parser()
    parsed = parser.parse_args(arguments)
    if parsed.command is None:
        say(parser.format_help().rstrip(), sys.stderr)
        return 2
    try:
        status: int = COMMANDS[parsed.command].run(parsed)
        sys.stdout.flush()
    except CommandFailed as failure:
        say(clean_lines(str(failure)), sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader has read enough, as `head` does. Python would report it again at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=PROGRAM)
    parser.add_argument("--version", action="version", version=f"%(prog)s {VERSION}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, command in COMMANDS.items():
        help_ = command.HELP
        subparser = subparsers.add_parser(name, help=help_, description=help_)
        command.add_arguments(subparser)
    return parser
