"""``session``: what the bridge answers for a session now, and why it holds an answer back.

The command runs the bridge's own code with the operator's credentials.
"""

from __future__ import annotations

from openreplay_cw_stack.commands.session.command import HELP, add_arguments, run

__all__ = ["HELP", "add_arguments", "run"]
