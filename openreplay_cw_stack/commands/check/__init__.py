"""``check``: checks each step of a deployed stack, from log groups to OpenReplay."""

from __future__ import annotations

from openreplay_cw_stack.commands.check.command import HELP, add_arguments, run

__all__ = ["HELP", "add_arguments", "run"]
