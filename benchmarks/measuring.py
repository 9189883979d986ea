"""CPU time of small functions."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable


def cpu_seconds(work: Callable[[], object], *, rounds: int = 5, at_least: float = 0.005) -> float:
    """The median CPU time of one call; short ones are repeated until they can be measured."""
    calls = 1
    while (taken := _time(work, calls)) < at_least:
        calls *= max(2, int(at_least / max(taken, 1e-6)))
    return statistics.median(_time(work, calls) / calls for _ in range(rounds))


def _time(work: Callable[[], object], calls: int) -> float:
    started = time.process_time()
    for _ in range(calls):
        work()
    return time.process_time() - started
