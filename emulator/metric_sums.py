"""The sum of a metric in an emulator, for tests, the demo and the benchmarks."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

_HOUR = 3600


def metric_sum(
    cloudwatch: Any, namespace: str, name: str, dimensions: Mapping[str, str | None]
) -> int:
    """Return the sum of a metric in the last two hours.

    Args:
        cloudwatch: A client of the emulator's CloudWatch.
        namespace: The metric's namespace.
        name: The metric's name.
        dimensions: All of the metric's dimensions. The value None matches every value.
    """
    given = [{"Name": key, "Value": value} for key, value in dimensions.items() if value]
    listed = cloudwatch.list_metrics(Namespace=namespace, MetricName=name, Dimensions=given)
    now = time.time()
    total = 0.0
    for metric in listed["Metrics"]:
        if {one["Name"] for one in metric["Dimensions"]} != dimensions.keys():
            continue
        points = cloudwatch.get_metric_statistics(
            Namespace=namespace,
            MetricName=name,
            Dimensions=metric["Dimensions"],
            StartTime=now - 2 * _HOUR,
            EndTime=now + _HOUR,
            Period=_HOUR,
            Statistics=["Sum"],
        )["Datapoints"]
        total += sum(point["Sum"] for point in points)
    return int(total)
