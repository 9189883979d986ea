from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.alarm_state import TREATMENTS, state_of

A, K, I = "ALARM", "OK", "INSUFFICIENT_DATA"  # noqa: E741
RETAINED = "retained"


def state(points: str, treatment: str, *, periods: int = 3, alarm: int = 3) -> str:
    """The points are written as in AWS's tables: X breaches, 0 does not, - is missing."""
    breaches = [{"X": True, "0": False, "-": None}[point] for point in reversed(points)]
    return state_of(
        breaches,
        evaluation_periods=periods,
        datapoints_to_alarm=alarm,
        treat_missing_data=treatment,
        current=RETAINED,
    )


# The columns are missing, ignore, breaching, notBreaching.
@pytest.mark.parametrize(
    ("points", "states"),
    [
        ("0-X-X", (K, K, K, K)),
        ("0----", (K, K, K, K)),
        ("-----", (I, RETAINED, A, K)),
        ("0XX-X", (A, A, A, A)),
        ("--X--", (A, RETAINED, A, K)),
    ],
)
def test_the_table_for_three_out_of_three(points: str, states: tuple[str, ...]) -> None:
    assert tuple(state(points, treatment) for treatment in TREATMENTS) == states


@pytest.mark.parametrize(
    ("points", "states"),
    [
        ("0-X-X", (A, A, A, A)),
        ("00X0X", (A, A, A, A)),
        ("0-X--", (K, K, A, K)),
        ("----0", (K, K, A, K)),
        ("---X-", (A, RETAINED, A, K)),
    ],
)
def test_the_table_for_two_out_of_three(points: str, states: tuple[str, ...]) -> None:
    assert tuple(state(points, treatment, alarm=2) for treatment in TREATMENTS) == states


def test_no_premature_alarm() -> None:
    assert state("----X", "missing") == RETAINED
    assert state("----X", "breaching") == A


def test_points_older_than_the_evaluation_periods_count_only_where_newer_ones_miss() -> None:
    assert state("XX000", "missing", alarm=1) == K
    assert state("X00--", "missing", alarm=1) == A


@given(
    st.lists(st.sampled_from("X0"), min_size=1, max_size=8),
    st.sampled_from(TREATMENTS),
    st.data(),
)
def test_without_gaps_only_the_newest_periods_count(
    points: list[str], treatment: str, data: st.DataObject
) -> None:
    periods = data.draw(st.integers(1, len(points)))
    alarm = data.draw(st.integers(1, periods))
    newest = points[-periods:]
    expected = A if newest.count("X") >= alarm else K
    assert state("".join(points), treatment, periods=periods, alarm=alarm) == expected
