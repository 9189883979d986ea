"""OpenReplay's token secret, read from Secrets Manager while the function runs.

The function reads it by its ARN and keeps it only in memory. An environment variable or a template
would show it to everyone who can view the function.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

KEPT_SECONDS = 300.0
"""How long a secret is used before it is read again."""

RETRY_SECONDS = 60.0
"""How long after a failure the next attempt starts."""


class SecretUnreadable(Exception):
    """The token secret cannot be read. The message is only a code."""


Secrets = tuple[bytes, ...]
"""The current token secret and, for a day after its replacement, the previous one."""


class SecretReader(Protocol):
    """Reads a secret."""

    def __call__(self) -> Secrets:
        """Return the accepted values. Raises :class:`SecretUnreadable`."""


class TokenSecret:
    """The token secret as last read.

    If a later read fails, the secret stays in use. If no read has succeeded, the secret is None.
    Signatures are then unchecked, which is counted and triggers an alarm.
    """

    def __init__(self, read: SecretReader, clock: Callable[[], float]) -> None:
        self._read = read
        self._clock = clock
        self._value: Secrets | None = None
        self._next_read = float("-inf")
        self.failure: str | None = None

    def get(self) -> Secrets | None:
        """Return the secret, or None if it was never read. ``failure`` then holds the reason."""
        if self._clock() >= self._next_read:
            self._refresh()
        return self._value

    def _refresh(self) -> None:
        try:
            self._value = self._read()
        except SecretUnreadable as unreadable:
            self.failure = str(unreadable)
            self._next_read = self._clock() + RETRY_SECONDS
        else:
            self.failure = None
            self._next_read = self._clock() + KEPT_SECONDS
