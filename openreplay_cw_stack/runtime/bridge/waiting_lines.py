"""Tells whether lines wait in the deployment's retry queue."""

from __future__ import annotations

from collections.abc import Callable

from openreplay_cw_stack.runtime.aws_calls import CallFailed

KEPT_SECONDS = 30.0
"""How long an answer is used: the queue is asked at most twice a minute."""


class WaitingLines:
    """Tells whether the retry queue had messages at the last look-up; no, if that failed."""

    def __init__(self, look: Callable[[], bool], clock: Callable[[], float]) -> None:
        """Look up the queue with ``look``.

        Args:
            look: returns whether the queue has messages; raises :class:`CallFailed`.
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
