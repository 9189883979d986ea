"""``backfill``: sends the lines from before tracking through the validator."""

from __future__ import annotations

from openreplay_cw_stack.commands.backfill.command import HELP, add_arguments, run

__all__ = ["HELP", "add_arguments", "run"]
