"""The limiter of OpenReplay's Go services, ``backend/pkg/server/limiter/limiter.go``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

BURST, PER_SECOND = 30, 10


@dataclass
class Limiter:
    """The requests that one member has left.

    Requests come back for whole seconds since the last request, refused or not: none does while
    they follow each other within less than a second.

    Attributes:
        clock: the time in seconds.
    """

    clock: Callable[[], float]
    left: int = BURST
    last: float | None = None

    def allows(self) -> bool:
        now = self.clock()
        seconds = 0 if self.last is None else int(now - self.last)
        self.last = now
        self.left = min(BURST, self.left + PER_SECOND * seconds)
        if self.left <= 0:
            return False
        self.left -= 1
        return True
