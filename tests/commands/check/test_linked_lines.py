from __future__ import annotations

from typing import Any

import pytest

from openreplay_cw_stack.commands.check.findings import Finding
from openreplay_cw_stack.commands.check.lines import Sample
from openreplay_cw_stack.commands.check.linked_lines import check_linked_lines
from openreplay_cw_stack.commands.check.validator import Health
from openreplay_cw_stack.runtime.linked_line import LinkedLine
from openreplay_cw_stack.tagging import Verdict, id_tag
from tests.commands.check.support import account, context, event, metric_data, refusal, statuses

LINE = LinkedLine(
    7,
    1_795_464_000_000,
    "1" * 56,
    "123456789012",
    "/app/checkout",
    "web-1",
    "error",
    f"{id_tag(7)} ERROR",
).encode()


def checked(
    *,
    linkable: int = 0,
    settled: int = 0,
    counted: int = 0,
    messages: Any = (),
    health: Health | None = None,
) -> list[Finding]:
    sample = Sample("/app/checkout")
    sample.expected[Verdict.LINKABLE] = linkable
    sample.settled[Verdict.LINKABLE] = settled
    events = (
        messages
        if isinstance(messages, Exception)
        else {"events": [event(message) for message in messages]}
    )
    of = account(
        logs={"filter_log_events": events},
        cloudwatch={"get_metric_data": metric_data({"LinkedLines": counted})},
    )
    return list(check_linked_lines(context(of), [sample], health or Health()))


@pytest.mark.parametrize(
    ("given", "status", "said"),
    [
        ({}, "ok", "0 arrived"),
        ({"linkable": 3, "settled": 3, "counted": 3}, "ok", "3 arrived"),
        # The metric comes later than the line, and lines may be kept more briefly than metrics.
        ({"linkable": 2, "messages": [LINE, LINE]}, "ok", "2 arrived"),
        ({"linkable": 3, "settled": 3}, "fail", "0 arrived of 3 linkable lines"),
        ({"linkable": 1}, "warn", "0 arrived of 1 linkable line, all of the last five minutes"),
        ({"linkable": 1, "health": Health(errors=1)}, "fail", "0 arrived of 1 linkable line"),
    ],
)
def test_what_has_arrived(given: dict[str, Any], status: str, said: str) -> None:
    (finding,) = checked(**given)
    assert (finding.name, finding.status.value) == ("linked lines", status)
    assert said in finding.detail


def test_the_likely_causes_are_named() -> None:
    (finding,) = checked(linkable=1, health=Health(errors=2, dead_letters=1))
    assert finding.remedy.startswith(
        "The likely cause: 2 invocations of the validator failed, 1 message in the dead-letter "
        "queue. "
    )


def test_something_else_in_the_linked_log_group() -> None:
    first, second = checked(messages=["no linked line", LINE, '{"v":99}'])
    assert (first.status.value, first.detail) == ("warn", "2 events in it are no linked lines")
    assert second.detail == "/app/checkout: 1 arrived"


def test_a_linked_log_group_that_is_gone() -> None:
    gone = refusal("FilterLogEvents", "ResourceNotFoundException")
    findings = checked(messages=gone, linkable=1, settled=1)
    assert statuses(findings) == [("linked lines", "fail"), ("linked lines", "fail")]
    assert "/linked does not exist" in findings[0].detail


def test_without_a_tracked_log_group() -> None:
    findings = check_linked_lines(context(account(), tracked=()), [], Health())
    assert statuses(findings) == [("linked lines", "skip")]
