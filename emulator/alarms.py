"""Alarms without evaluation, and metrics by their full set of dimensions.

MiniStack 1.5.33 rejects alarms with metric math in CloudFormation. It evaluates alarms on every
PutMetricData, over the data points of all dimension sets of a metric. For a metric without
dimensions, it also returns the data points of all dimension sets.

AWS accepts a single metric, or Metrics with expressions (CloudWatch API Reference,
"PutMetricAlarm"), and identifies a metric by all of its dimensions ("GetMetricStatistics").

This module does not evaluate alarms: each stays in INSUFFICIENT_DATA until SetAlarmState changes
it. Expressions are stored but not computed.
"""

from __future__ import annotations

from typing import Any

from ministack.services import cloudwatch
from ministack.services.cloudformation import provisioners

from emulator import patching

_OF_ONE_METRIC = (
    "Dimensions",
    "ExtendedStatistic",
    "MetricName",
    "Namespace",
    "Period",
    "Statistic",
    "Unit",
)


class _Dimensions(dict[str, str]):
    """Dimensions that are truthy even when empty: MiniStack reads a false value as "any"."""

    def __bool__(self) -> bool:
        return True


def install() -> None:
    """Replace MiniStack's handlers."""
    patching.replace(cloudwatch, "_evaluate_alarm", lambda alarm: None)
    patching.replace(cloudwatch, "_evaluate_all_alarms", lambda: None)
    patching.wrap(cloudwatch, "_dims_from_list", _dimensions_of)
    patching.wrap(provisioners, "_cw_metric_alarm_record", _record_of_resource)


def _dimensions_of(original: Any, dimensions: list[dict[str, str]]) -> _Dimensions:
    return _Dimensions(original(dimensions))


def _record_of_resource(original: Any, name: str, properties: dict[str, Any]) -> dict[str, Any]:
    queries = properties.get("Metrics")
    if not queries:
        record: dict[str, Any] = original(name, properties)
        return record
    plain = {key: value for key, value in properties.items() if key != "Metrics"}
    record = original(name, {**plain, "MetricName": "none", "Namespace": "none"})
    for member in _OF_ONE_METRIC:
        record.pop(member, None)
    return {**record, "Metrics": queries}
