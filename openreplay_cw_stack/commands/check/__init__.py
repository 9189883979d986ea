"""``check``: walks the whole path of a deployed stack, and says of each step what is wrong."""

from __future__ import annotations

from openreplay_cw_stack.commands.check.command import HELP, add_arguments, run

__all__ = ["HELP", "add_arguments", "run"]
