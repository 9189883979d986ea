"""``replay``: invokes the validator again with the messages of the dead-letter queue."""

from __future__ import annotations

from openreplay_cw_stack.commands.replay.command import HELP, add_arguments, run

__all__ = ["HELP", "add_arguments", "run"]
