"""Why a message stays in the dead-letter queue."""

from __future__ import annotations


class NotReplayed(Exception):
    """A message, or a part of it, stays. The message says why, and quotes nothing."""
