"""Whether lines wait in the deployment's retry queue, looked up now and then."""

from __future__ import annotations

from collections.abc import Callable

from openreplay_cw_stack.runtime.aws_calls import CallFailed

KEPT_SECONDS = 30.0
"""How long an answer is kept: the queue is looked at twice a minute at most."""


class WaitingLines:
    """Whether the retry queue has messages, as last seen. A look-up that fails says no."""

    def __init__(self, look: Callable[[], bool], clock: Callable[[], float]) -> None:
        """Look with ``look``.

        Args:
            look: whether the queue has messages; raises :class:`CallFailed`.
            clock: seconds of a clock that never goes back.
        """
        self._look = look
        self._clock = clock
        self._looked_at = float("-inf")
        self._found = False

    def __call__(self) -> bool:
        """Whether lines wait."""
        if self._clock() - self._looked_at >= KEPT_SECONDS:
            self._looked_at = self._clock()
            try:
                self._found = self._look()
            except CallFailed:
                self._found = False
        return self._found
