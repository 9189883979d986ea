"""The command line: a module or a package for each command.

If a command needs a package that is not installed, its error names the package.
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
    """Run a command and return its exit status.

    0: success. 1: a problem was found, and the output describes it. 2: the command could not run.
    """
    for stream in (sys.stdout, sys.stderr):
        # A terminal or pipe that is not UTF-8 shows "?" for characters that it cannot encode.
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
        # The reader, such as `head`, closed the pipe. Otherwise Python reports it again at exit.
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
