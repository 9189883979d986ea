"""Measures the CPU time of small functions, and checks bounds."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable


class BoundMissed(Exception):
    """A measurement exceeds its bound. The message names it."""


def cpu_seconds(work: Callable[[], object], *, rounds: int = 5, at_least: float = 0.005) -> float:
    """Return the median CPU time of one call. Short calls are repeated until measurable."""
    calls = 1
    while (taken := _time(work, calls)) < at_least:
        calls *= max(2, int(at_least / max(taken, 1e-6)))
    return statistics.median(_time(work, calls) / calls for _ in range(rounds))


def _time(work: Callable[[], object], calls: int) -> float:
    started = time.process_time()
    for _ in range(calls):
        work()
    return time.process_time() - started


class Bounds:
    """The bounds of a benchmark: held or missed."""

    def __init__(self) -> None:
        self._missed: list[str] = []

    def check(self, name: str, value: float, at_most: float) -> str:
        """Return ``held`` or ``MISSED`` for a value and its bound."""
        if value <= at_most:
            return "held"
        self._missed.append(f"{name}: {value:.3g}, at most {at_most:g}")
        return "MISSED"

    def require(self, name: str, is_so: bool) -> str:
        """Return ``held`` if a condition is true, else ``MISSED``."""
        if not is_so:
            self._missed.append(name)
        return "held" if is_so else "MISSED"

    def conclude(self) -> None:
        """Finish the benchmark.

        Raises:
            BoundMissed: a bound was missed.
        """
        if self._missed:
            raise BoundMissed("; ".join(self._missed))
