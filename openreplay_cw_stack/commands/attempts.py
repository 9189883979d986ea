"""Attempts of a call that AWS throttles."""

from __future__ import annotations

from collections.abc import Callable, Iterator


def attempts(
    most: int, sleep: Callable[[float], None], *, first_pause: float, max_pause: float
) -> Iterator[int]:
    """Count attempts from 1, and wait before each attempt except the first.

    Args:
        most: the number of attempts.
        sleep: waits for a number of seconds.
        first_pause: seconds before the second attempt; each further pause is twice as long.
        max_pause: the longest pause in seconds.
    """
    pause = first_pause
    for attempt in range(1, most + 1):
        yield attempt
        if attempt < most:
            sleep(pause)
            pause = min(2 * pause, max_pause)
