"""Sums CloudWatch metrics over the time span."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from openreplay_cw_stack.commands.deployed.account import Account
from openreplay_cw_stack.contract import metrics as names

_MAX_QUERIES = 500
"""The most queries of one call: API reference, "GetMetricData"."""


@dataclass(frozen=True)
class Metric:
    """A metric, with all its dimensions.

    Attributes:
        namespace: the namespace, such as ``AWS/Lambda``.
        name: the metric's name, such as ``Errors``.
        dimensions: the names and values of all dimensions.
    """

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]


def our_metric(deployment: str, name: str, **dimensions: str) -> Metric:
    """Return a metric of :mod:`openreplay_cw_stack.contract.metrics`."""
    all_dimensions = {names.DEPLOYMENT: deployment, **dimensions}
    return Metric(names.NAMESPACE, name, tuple(all_dimensions.items()))


def sums(account: Account, metrics: Sequence[Metric]) -> list[int]:
    """Return the sum of each metric; 0 for a metric without data.

    The metrics are requested by name: ListMetrics returns a new one only after up to 15 minutes.
    """
    totals = [0.0] * len(metrics)
    for first in range(0, len(metrics), _MAX_QUERIES):
        for index, values in _values(account, metrics[first : first + _MAX_QUERIES]):
            totals[first + index] += sum(values)
    return [round(total) for total in totals]


def _values(account: Account, metrics: Sequence[Metric]) -> list[tuple[int, list[float]]]:
    queries = [_query(index, metric) for index, metric in enumerate(metrics)]
    pages = (
        account.client("cloudwatch")
        .get_paginator("get_metric_data")
        .paginate(
            MetricDataQueries=queries,
            StartTime=account.start,
            # This includes the current minute.
            EndTime=account.now + 60,
        )
    )
    return [
        (int(result["Id"].removeprefix("m")), result["Values"])
        for page in pages
        for result in page["MetricDataResults"]
    ]


def _query(index: int, metric: Metric) -> dict[str, Any]:
    dimensions = [{"Name": name, "Value": value} for name, value in metric.dimensions]
    return {
        "Id": f"m{index}",
        "MetricStat": {
            "Metric": {
                "Namespace": metric.namespace,
                "MetricName": metric.name,
                "Dimensions": dimensions,
            },
            "Period": 60,
            "Stat": "Sum",
        },
    }
