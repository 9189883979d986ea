"""Check whether lines wait in the deployment's retry queue."""

from __future__ import annotations

from collections.abc import Callable

from openreplay_cw_stack.runtime.aws_calls import CallFailed

KEPT_SECONDS = 30.0
"""How long a result is cached, so that the queue is checked at most twice a minute."""


class WaitingLines:
    """Caches whether the retry queue has messages; False if the check fails."""

    def __init__(self, look: Callable[[], bool], clock: Callable[[], float]) -> None:
        """Check the queue with ``look``.

        Args:
            look: returns whether the queue has messages; can raise :class:`CallFailed`.
            clock: returns seconds of a monotonic clock.
        """
        self._look = look
        self._clock = clock
        self._looked_at = float("-inf")
        self._found = False

    def __call__(self) -> bool:
        """Return whether lines wait."""
        if self._clock() - self._looked_at >= KEPT_SECONDS:
            self._looked_at = self._clock()
            try:
                self._found = self._look()
            except CallFailed:
                self._found = False
        return self._found
