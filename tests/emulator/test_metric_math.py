from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.metric_math import Inputs, Series, UnsupportedExpression, evaluate, names_in

SERIES: dict[str, Series] = {
    "m1": {0: 1.0, 60: -2.5, 180: 4.0},
    "m2": {0: 10.0, 120: 20.0, 180: 0.0},
    "none": {},
}


def result(expression: str) -> Series:
    return evaluate(expression, Inputs(SERIES, list(SERIES), (0, 60, 120, 180), 60))


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("m1", {0: 1, 60: -2.5, 180: 4}),
        ("m1 + m2", {0: 11, 180: 4}),
        ("m2 / m1", {0: 10, 180: 0}),
        ("m1 / m2", {0: 0.1}),
        ("100 * m1 / (m1 + m2)", {0: 100 / 11, 180: 100}),
        ("2 - m1 * 2", {0: 0, 60: 7, 180: -6}),
        ("m1^2", {0: 1, 60: 6.25, 180: 16}),
        ("m1 > 0", {0: 1, 60: 0, 180: 1}),
        ("m1 > 0 AND m2 > 0", {0: 1, 180: 0}),
        ("m1 > 0 || m2 > 0", {0: 1, 180: 1}),
        ("FILL(m1, 0)", {0: 1, 60: -2.5, 120: 0, 180: 4}),
        ("FILL(m2, REPEAT)", {0: 10, 60: 10, 120: 20, 180: 0}),
        ("FILL(none, REPEAT)", {}),
        ("FILL(none, 0)", {0: 0, 60: 0, 120: 0, 180: 0}),
        ("FILL(m1, m2)", {0: 1, 60: -2.5, 120: 20, 180: 4}),
        ("SUM([m1, m2])", {0: 11, 60: -2.5, 120: 20, 180: 4}),
        ("SUM(METRICS())", {0: 11, 60: -2.5, 120: 20, 180: 4}),
        ('MAX(METRICS("m"))', {0: 10, 60: -2.5, 120: 20, 180: 4}),
        ("MIN([m1, m2])", {0: 1, 60: -2.5, 120: 20, 180: 0}),
        ("AVG([m1, m2])", {0: 5.5, 60: -2.5, 120: 20, 180: 2}),
        ("m1 - SUM(m2)", {0: -29, 60: -32.5, 180: -26}),
        ("ABS(m1)", {0: 1, 60: 2.5, 180: 4}),
        ("CEIL(m1)", {0: 1, 60: -2, 180: 4}),
        ("DIFF(m1)", {60: -3.5, 180: 6.5}),
        ("RATE(m1)", {60: -3.5 / 60, 180: 6.5 / 120}),
        ("IF(m1 > 0, m2, 7)", {0: 10, 60: 7, 180: 0}),
        ("IF(m1 > 0, 1)", {0: 1, 180: 1}),
        ("IF(1, m1, m2)", {0: 1, 60: -2.5, 180: 4}),
        ("IF(FILL(m2, 0) > 15, FILL(m1, 0) + 1, 0)", {0: 0, 60: 0, 120: 1, 180: 0}),
        ("SUM(FILL([m1, m2], 0))", {0: 11, 60: -2.5, 120: 20, 180: 4}),
        ("m1 * PERIOD(m1)", {0: 60, 60: -150, 180: 240}),
    ],
)
def test_results(expression: str, expected: Series) -> None:
    assert result(expression) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("", "ends too early"),
        ("m1 +", "ends too early"),
        ("(m1", "missing"),
        ("m1 m2", "unexpected 'm2'"),
        ("m1 $ 2", "unexpected"),
        ("m3 + 1", "m3 is not an id"),
        ("1 + 1", "single time series"),
        ("[m1, m2]", "single time series"),
        ("SUM(m1)", "single time series"),
        ("SUM(m1, m2)", "2 arguments"),
        ("FILL(m1, LINEAR)", "LINEAR is not an id"),
        ('FILL(m1, "x")', "FILL needs"),
        ("SEARCH('{AWS/Logs}', 'Sum')", "SEARCH is not implemented"),
        ("ANOMALY_DETECTION_BAND(m1)", "ANOMALY_DETECTION_BAND is not implemented"),
        ("[m1] + [m2]", "two arrays"),
        ('m1 + "x"', "text"),
        ("(" * 60 + "m1" + ")" * 60, "nested"),
        ("m1" + " + 1" * 1000, "longer"),
    ],
)
def test_refusals(expression: str, reason: str) -> None:
    with pytest.raises(UnsupportedExpression, match=reason):
        result(expression)


def test_ids_begin_with_a_small_letter() -> None:
    assert names_in("IF(m1 > 0 AND e_2, FILL(errors, REPEAT), 'text')") == ["m1", "e_2", "errors"]


@given(st.text(alphabet="m12+-*/^()[],<>=!&| \"'FILSUMREPATDOR.e", max_size=40))
def test_anything_is_computed_or_refused(expression: str) -> None:
    try:
        values = result(expression)
    except UnsupportedExpression:
        return
    assert all(isinstance(value, (int, float)) for value in values.values())
