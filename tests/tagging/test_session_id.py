from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from openreplay_cw_stack.tagging.session_id import EPOCH_MS, session_start_ms
from tests.tagging.tokens import unsigned_64


def test_worked_examples_of_both_layouts() -> None:
    # OpenReplay v1.15 and later
    assert session_start_ms(2516582400000315960) == 1_700_000_000_000
    assert session_start_ms(4118230807867370496) == 1_795_465_684_406
    # up to v1.14
    assert abs(session_start_ms(16086839093308416) - 1_795_465_684_406) < 256
    assert session_start_ms(7825692707225415) == 1_669_410_594_287


@given(st.integers(EPOCH_MS + 10**10, 2_500_000_000_000), st.integers(0, 2**24 - 1))
def test_an_id_of_today_gives_its_start_back(start_ms: int, rest: int) -> None:
    assert session_start_ms((start_ms - EPOCH_MS << 24) | rest) == start_ms


@given(unsigned_64)
def test_every_id_has_a_start(session_id: int) -> None:
    assert session_start_ms(session_id) >= EPOCH_MS
