"""``backfill``: sends lines to the validator that were written before tracking began."""

from __future__ import annotations

from openreplay_cw_stack.commands.backfill.command import HELP, add_arguments, run

__all__ = ["HELP", "add_arguments", "run"]
