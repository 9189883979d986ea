"""The lines that the demo writes."""

from __future__ import annotations

import re

import pytest

from demo.lines import demo_lines, times_in_lines
from tests.tagging.tokens import NOW_MS

LATER_MS = 1_798_761_600_007
"""2027-01-01T00:00:00.007Z"""


def test_every_time_in_a_line_is_the_present() -> None:
    found = {
        match[0]
        for line in demo_lines(LATER_MS)
        for match in re.finditer(r"20\d\d[-/]\d\d[-/]\d\d[T ][\d:]{8}(\.\d{3}Z?)?", line.message)
    }
    assert found == {"2027-01-01T00:00:00.007Z", "2027-01-01 00:00:00.007", "2027/01/01 00:00:00"}


@pytest.mark.parametrize("now_ms", [NOW_MS, LATER_MS])
def test_times_have_one_width_so_that_pictures_wrap_alike(now_ms: int) -> None:
    assert [len(one) for one in times_in_lines(now_ms).values()] == [24, 23, 19]
