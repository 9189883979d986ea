"""The load of the benchmark, in small: nothing is lost where payloads come faster than they go."""

from __future__ import annotations

import pytest

from benchmarks import load

pytestmark = pytest.mark.end_to_end

LINES = 20_000


def test_every_line_of_twenty_log_groups_is_linked_once() -> None:
    outcome = load.measure(LINES)
    assert outcome.linked == outcome.linkable == 19_000
    assert (outcome.dropped, outcome.dead_letters, outcome.strangers) == (0, 0, 0)
    assert outcome.counted == {"linkable": 19_000, "misspelled_tag": 1_000}
    assert outcome.duplicates == 0
    assert outcome.memory
