from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from openreplay_cw_stack.commands.check.lines import Sample
from openreplay_cw_stack.commands.check.linked_lines import check_linked_lines
from openreplay_cw_stack.commands.check.validator import Health
from openreplay_cw_stack.commands.report.findings import Finding
from openreplay_cw_stack.tagging import Verdict
from tests.commands.check.support import context
from tests.commands.support import account, metric_data, statuses


def checked(
    *, linkable: int = 0, settled: int = 0, counted: int = 0, health: Health | None = None
) -> list[Finding]:
    sample = Sample(
        "/app/checkout",
        expected=Counter({Verdict.LINKABLE: linkable}),
        settled=Counter({Verdict.LINKABLE: settled}),
    )
    of = account(cloudwatch={"get_metric_data": metric_data({"LinkedLines": counted})})
    return list(check_linked_lines(context(of), [sample], health or Health()))


@pytest.mark.parametrize(
    ("given", "status", "said"),
    [
        ({}, "ok", "/app/checkout: 0 stored"),
        ({"linkable": 3, "settled": 3, "counted": 3}, "ok", "3 stored"),
        ({"linkable": 3, "settled": 3}, "fail", "0 stored of 3 linkable lines"),
        ({"linkable": 1}, "warn", "0 stored of 1 linkable line, all of the last five minutes"),
        ({"linkable": 1, "health": Health(errors=1)}, "fail", "0 stored of 1 linkable line"),
    ],
)
def test_what_was_stored(given: dict[str, Any], status: str, said: str) -> None:
    (finding,) = checked(**given)
    assert (finding.name, finding.status.value) == ("linked lines", status)
    assert said in finding.detail


def test_the_likely_causes_are_named() -> None:
    (finding,) = checked(linkable=1, health=Health(errors=2, dead_letters=1, waiting=3))
    assert finding.remedy.startswith(
        "The likely cause: 2 invocations of the validator failed, 1 message in the dead-letter "
        "queue, 3 messages in the retry queue. "
    )


def test_without_a_tracked_log_group() -> None:
    findings = check_linked_lines(context(account(), tracked=()), [], Health())
    assert statuses(findings) == [("linked lines", "skip")]
