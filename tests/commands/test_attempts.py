from __future__ import annotations

import pytest

from openreplay_cw_stack.commands.attempts import attempts


@pytest.mark.parametrize(
    ("most", "pauses"), [(1, []), (2, [0.1]), (6, [0.1, 0.2, 0.4, 0.5, 0.5]), (0, [])]
)
def test_pauses_grow_between_attempts(most: int, pauses: list[float]) -> None:
    slept: list[float] = []
    counted = list(attempts(most, slept.append, first_pause=0.1, max_pause=0.5))
    assert counted == list(range(1, most + 1))
    assert slept == pauses


def test_no_pause_after_a_success() -> None:
    slept: list[float] = []
    for attempt in attempts(9, slept.append, first_pause=1.0, max_pause=9.0):
        if attempt == 2:
            break
    assert slept == [1.0]
