"""``preflight``: asks AWS before a deployment what would stop it, or let it show nothing."""

from __future__ import annotations

from openreplay_cw_stack.commands.preflight.command import HELP, add_arguments, run

__all__ = ["HELP", "add_arguments", "run"]
