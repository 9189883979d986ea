"""``cost``: what a deployment costs a month, by item, before it is deployed."""

from __future__ import annotations

from openreplay_cw_stack.commands.cost.command import HELP, add_arguments, run

__all__ = ["HELP", "add_arguments", "run"]
