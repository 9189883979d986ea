"""The error of a command that cannot run."""

from __future__ import annotations


class CommandFailed(Exception):
    """The command could not run. The message names the problem and the fix."""
