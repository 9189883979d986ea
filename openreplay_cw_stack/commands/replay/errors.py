"""The error of a message that stays in the dead-letter queue."""

from __future__ import annotations


class NotReplayed(Exception):
    """A message was not replayed completely. The text gives the reason and quotes no line."""
