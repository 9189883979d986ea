from __future__ import annotations

from typing import Any

from openreplay_cw_stack.commands.backfill.reading import Reader
from tests.commands.backfill.support import (
    GROUP,
    Logs,
)


def test_four_calls_a_second() -> None:
    now, slept = [1000.0], []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    class Slow(Logs):
        def filter_log_events(self, **arguments: Any) -> dict[str, Any]:
            now[0] += {2: 0.1, 3: 5.0}.get(len(self.asked), 0.0)
            return super().filter_log_events(**arguments)

    logs = Slow([[]] * 6)
    list(Reader(logs, GROUP, 0, 9, lambda: now[0], sleep).pages())
    assert [round(one, 2) for one in slept] == [0.25, 0.25, 0.15, 0.0, 0.25]
