"""``revoke``: replaces a leaked key immediately."""

from __future__ import annotations

from openreplay_cw_stack.commands.revoke.command import HELP, add_arguments, run

__all__ = ["HELP", "add_arguments", "run"]
