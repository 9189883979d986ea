"""OpenReplay's token secret, read from Secrets Manager while the function runs.

It is read by its ARN and kept in memory only: an environment variable or a template would show it
to everyone who may look at the function.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

KEPT_SECONDS = 300.0
"""How long a secret that was read is kept before it is read again."""

RETRY_SECONDS = 60.0
"""How long after a failure the next attempt is made."""


class SecretUnreadable(Exception):
    """Secrets Manager did not give the secret. The message is the error's code alone."""


class SecretReader(Protocol):
    """Reads a secret's current value."""

    def __call__(self) -> bytes:
        """The value. Raises :class:`SecretUnreadable`."""


class TokenSecret:
    """The token secret as last read.

    A secret that cannot be read any more stays in use as it was; one that never could is None, and
    signatures then go unchecked, which is counted and alarmed.
    """

    def __init__(self, read: SecretReader, clock: Callable[[], float]) -> None:
        self._read = read
        self._clock = clock
        self._value: bytes | None = None
        self._next_read = float("-inf")
        self.failure: str | None = None

    def get(self) -> bytes | None:
        """The secret, or None where it could not be read yet. ``failure`` then says why."""
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
