"""Alarms that a stack can have, without a state of their own, and metrics that can be read back.

MiniStack 1.5.33 refuses an alarm with metric math in CloudFormation. It evaluates alarms whenever
PutMetricData is called, over the points of all dimension sets of a metric, and answers a request
for a metric without dimensions with the points of all of them.

AWS takes a metric, or Metrics with expressions (CloudWatch API Reference, "PutMetricAlarm"), and
identifies a metric by all of its dimensions ("GetMetricStatistics").

Alarms are not evaluated here: each is in INSUFFICIENT_DATA until SetAlarmState says otherwise.
Expressions are stored and not computed.
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
    """Dimensions of a request. MiniStack takes what is false for "any"; none is a set as well."""

    def __bool__(self) -> bool:
        return True


def install() -> None:
    """Replace MiniStack's parts."""
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
