"""What a command says where it cannot be run."""

from __future__ import annotations


class CommandFailed(Exception):
    """The command could not be run; the message names what is wrong and what to do."""
