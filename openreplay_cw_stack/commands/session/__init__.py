"""``session``: prints the lines that the bridge returns for a session, or why it returns none.

The command runs the bridge's own code with the operator's credentials.
"""

from __future__ import annotations

from openreplay_cw_stack.commands.session.command import HELP, add_arguments, run

__all__ = ["HELP", "add_arguments", "run"]
