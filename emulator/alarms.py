"""Alarms that a stack can have, without a state of their own, and metrics that can be read back.

MiniStack 1.5.33 refuses an alarm with metric math in CloudFormation. It evaluates alarms whenever
PutMetricData is called, over the points of all dimension sets of a metric. A request of
GetMetricData or GetMetricStatistics for a metric without dimensions gets the points of all
dimension sets.

AWS: API Reference, "PutMetricAlarm": an alarm has a metric, or Metrics, of which one returns data,
with at most ten metrics and ten expressions. "GetMetricStatistics": a metric is identified by all
of its dimensions.

Alarms are not evaluated here: each is in INSUFFICIENT_DATA until SetAlarmState says otherwise.
Expressions are stored and not computed, in GetMetricData neither.
"""

from __future__ import annotations

from typing import Any

from ministack.services import cloudwatch
from ministack.services.cloudformation import provisioners

from emulator import patching

MAXIMUM_METRICS = 10

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
    if properties.get("MetricName") or properties.get("Namespace"):
        raise ValueError("MetricName and Namespace do not go with Metrics.")
    queries = [_typed(query) for query in queries]
    _check(queries)
    plain = {key: value for key, value in properties.items() if key != "Metrics"}
    record = original(name, {**plain, "MetricName": "none", "Namespace": "none"})
    for member in _OF_ONE_METRIC:
        record.pop(member, None)
    return {**record, "Metrics": queries}


def _typed(query: dict[str, Any]) -> dict[str, Any]:
    """Return a query with numbers and booleans where a template may have strings."""
    typed = {**query, "ReturnData": str(query.get("ReturnData", True)).lower() == "true"}
    if query.get("Period"):
        typed["Period"] = int(query["Period"])
    if query.get("MetricStat"):
        typed["MetricStat"] = {**query["MetricStat"], "Period": int(query["MetricStat"]["Period"])}
    return typed


def _check(queries: list[dict[str, Any]]) -> None:
    for kind, name in (("MetricStat", "metrics"), ("Expression", "expressions")):
        if sum(1 for query in queries if query.get(kind)) > MAXIMUM_METRICS:
            raise ValueError(f"An alarm can have at most {MAXIMUM_METRICS} {name}.")
    if sum(query["ReturnData"] for query in queries) != 1:
        raise ValueError("Exactly one element of Metrics must have ReturnData set to true.")
