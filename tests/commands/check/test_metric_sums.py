from __future__ import annotations

from typing import Any

from openreplay_cw_stack.commands.check.metric_sums import Metric, our_metric, sums
from tests.commands.support import NOW, account


def test_sums_over_pages_and_batches() -> None:
    asked: list[int] = []

    def answer(*, MetricDataQueries: list[Any], StartTime: float, EndTime: float) -> Any:  # noqa: N803
        assert (StartTime, EndTime) == (NOW - 600, NOW + 60)
        asked.append(len(MetricDataQueries))
        first = [{"Id": query["Id"], "Values": [1.0, 2.0]} for query in MetricDataQueries]
        last = {"Id": MetricDataQueries[-1]["Id"], "Values": [0.6]}
        return [{"MetricDataResults": first}, {"MetricDataResults": [last]}]

    of = account(10, cloudwatch={"get_metric_data": answer})
    metrics = [Metric("N", f"m{number}", ()) for number in range(501)]
    totals = sums(of, metrics)
    assert asked == [500, 1]
    assert totals == [3] * 499 + [4, 4]


def test_no_metric_asks_nobody() -> None:
    assert sums(account(cloudwatch={}), []) == []


def test_the_dimensions_of_our_own() -> None:
    assert our_metric("Shop", "Lines", Verdict="linkable").dimensions == (
        ("Deployment", "Shop"),
        ("Verdict", "linkable"),
    )
