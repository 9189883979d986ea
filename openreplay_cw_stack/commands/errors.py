"""Why a command cannot run."""

from __future__ import annotations


class CommandFailed(Exception):
    """The command could not run; the message names what is wrong and what to do."""
