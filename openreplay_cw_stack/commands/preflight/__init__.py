"""``preflight``: checks before a deployment whether the AWS account allows it."""

from __future__ import annotations

from openreplay_cw_stack.commands.preflight.command import HELP, add_arguments, run

__all__ = ["HELP", "add_arguments", "run"]
