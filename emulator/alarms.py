"""Alarms of CloudWatch that follow their metrics, with metric math.

MiniStack 1.5.33 looks at an alarm when PutMetricData is called, and only at data from then: an
alarm on a metric of AWS itself, or one whose data has aged, keeps its state. It mixes the points of
all dimension sets of a metric, takes all evaluation periods as one, and ignores DatapointsToAlarm,
TreatMissingData and Unit. It has neither metric math nor AWS::CloudWatch::CompositeAlarm in
CloudFormation. GetMetricData computes no expressions, and a request for a metric without dimensions
gets the points of all dimension sets, as does one of GetMetricStatistics. An alarm may publish to
any topic.

AWS: CloudWatch User Guide, "Using Amazon CloudWatch alarms", and the pages named in `alarm_state`
and `metric_math`; API Reference, "PutMetricAlarm": an alarm has a metric or Metrics, of which one
returns data, with at most ten metrics and ten expressions; a metric is identified by all of its
dimensions; a metric published with another unit is not seen by an alarm that names one. CloudWatch
evaluates by itself. SNS Developer Guide, "Example cases for Amazon SNS access control": CloudWatch
publishes as `cloudwatch.amazonaws.com`; a topic's own policy replaces the default one, which lets
the account's services publish.

Here every alarm is evaluated once a second, and before DescribeAlarms answers. Periods end now, so
that a point counts at once; AWS waits for periods to be over, and points of its own metrics arrive
minutes late. A state set by SetAlarmState lasts until the next evaluation, as on AWS. Actions go to
SNS topics only, whose policies are evaluated while `iam_evaluation` is on. Not implemented: anomaly
detection, Metrics Insights queries, metrics of other accounts, EvaluateLowSampleCountPercentile; a
notification of an alarm with metric math does not list its Metrics.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from ministack.core import responses
from ministack.services import cloudwatch, sns
from ministack.services.cloudformation import provisioners

from emulator import alarm_state, metric_math, patching

SECONDS_BETWEEN_EVALUATIONS = 1.0
MAXIMUM_METRICS = 10

_LOG = logging.getLogger("emulator.alarms")
_TYPE = "AWS::CloudWatch::Alarm"
_COMPOSITE_TYPE = "AWS::CloudWatch::CompositeAlarm"
_OF_ONE_METRIC = (
    "Dimensions",
    "ExtendedStatistic",
    "MetricName",
    "Namespace",
    "Period",
    "Statistic",
    "Unit",
)

_evaluating = threading.RLock()
_started = threading.Event()


class _Dimensions(dict[str, str]):
    """Dimensions of a request. MiniStack takes what is false for "any"; none is a set as well."""

    def __bool__(self) -> bool:
        return True


class InvalidAlarm(ValueError):
    """CloudWatch, or this emulator, refuses an alarm."""


def install() -> None:
    """Replace MiniStack's evaluation."""
    patching.require(
        cloudwatch,
        [
            "_alarms",
            "_calc_stats",
            "_delete_alarms",
            "_dims_from_list",
            "_dims_key",
            "_dispatch_alarm_actions",
            "_error",
            "_evaluate_parent_alarms",
            "_metrics",
            "_put_composite_alarm",
            "_record_history",
            "_stat_value",
        ],
    )
    patching.require(responses, ["request_scope"])
    patching.replace(cloudwatch, "_evaluate_alarm", evaluate)
    patching.replace(cloudwatch, "_evaluate_all_alarms", evaluate_all)
    patching.require(sns, ["topic_policy_allows"])
    patching.wrap(cloudwatch, "_dispatch_alarm_actions", _act)
    patching.wrap(cloudwatch, "_put_metric_alarm", _put)
    patching.wrap(cloudwatch, "_describe_alarms", _describe)
    patching.wrap(cloudwatch, "_get_metric_data", _get_metric_data)
    patching.wrap(cloudwatch, "_dims_from_list", _dimensions_of)
    patching.wrap(provisioners, "_cw_metric_alarm_record", _record_of_resource)
    patching.require(provisioners, ["_RESOURCE_HANDLERS", "_physical_name"])
    provisioners._RESOURCE_HANDLERS[_COMPOSITE_TYPE] = {
        "create": _create_composite,
        "update": _update_composite,
        "delete": _delete_composite,
    }


# --- Evaluation --------------------------------------------------------------------------------


def evaluate_all() -> None:
    """Evaluate every alarm of the account and region at hand."""
    for alarm in list(cloudwatch._alarms.values()):
        try:
            evaluate(alarm)
        except Exception:
            _LOG.exception("%s could not be evaluated", alarm.get("AlarmName"))


def evaluate(alarm: dict[str, Any]) -> None:
    """Give an alarm the state that follows from its data, and act if that is another one."""
    _start_evaluating()
    if not alarm.get("Metrics") and not alarm.get("MetricName"):
        return
    compare = alarm_state.COMPARISONS.get(alarm.get("ComparisonOperator") or "")
    if compare is None:
        return
    with _evaluating:
        _evaluate(alarm, compare)


def _evaluate(alarm: dict[str, Any], compare: Callable[[float, float], bool]) -> None:
    periods = int(alarm.get("EvaluationPeriods") or 1)
    points = _points(alarm, periods + alarm_state.EXTRA_PERIODS)
    threshold = float(alarm.get("Threshold") or 0)
    old = alarm["StateValue"]
    new = alarm_state.state_of(
        [None if point is None else compare(point, threshold) for point in points],
        evaluation_periods=periods,
        datapoints_to_alarm=int(alarm.get("DatapointsToAlarm") or periods),
        treat_missing_data=alarm.get("TreatMissingData") or "missing",
        current=old,
    )
    if new == old:
        return
    reason = _reason(alarm, new, [point for point in points[:periods] if point is not None])
    alarm["StateValue"], alarm["StateReason"] = new, reason
    alarm["StateUpdatedTimestamp"] = alarm["StateTransitionedTimestamp"] = int(time.time())
    cloudwatch._record_history(alarm["AlarmName"], old, new, reason)
    cloudwatch._dispatch_alarm_actions(alarm, old, new, reason)
    cloudwatch._evaluate_parent_alarms(alarm)


def _points(alarm: dict[str, Any], count: int) -> list[float | None]:
    """Return the values of the last periods, newest first; `None` for one without data."""
    queries = alarm.get("Metrics") or [_query_of(alarm)]
    period = _period(queries)
    start = int(time.time()) + 1 - count * period
    timestamps = [start + number * period for number in range(count)]
    try:
        results = _compute(queries, timestamps, period)
    except metric_math.UnsupportedExpression as error:
        _LOG.error("%s: %s", alarm["AlarmName"], error)
        results = {}
    series = results.get(_returned(queries), {})
    return [series.get(at) for at in reversed(timestamps)]


def _query_of(alarm: dict[str, Any]) -> dict[str, Any]:
    metric = {name: alarm.get(name) for name in ("Namespace", "MetricName", "Dimensions")}
    return {
        "Id": "metric",
        "MetricStat": {
            "Metric": metric,
            "Period": alarm.get("Period") or 60,
            "Stat": alarm.get("ExtendedStatistic") or alarm.get("Statistic") or "Average",
            "Unit": alarm.get("Unit"),
        },
    }


def _period(queries: list[dict[str, Any]]) -> int:
    periods = [(query.get("MetricStat") or {}).get("Period") for query in queries]
    periods += [query.get("Period") for query in queries]
    return max((int(period) for period in periods if period), default=60)


def _returned(queries: list[dict[str, Any]]) -> str:
    returned = [query["Id"] for query in queries if _returns_data(query)]
    return str(returned[0]) if returned else ""


def _returns_data(query: dict[str, Any]) -> bool:
    return str(query.get("ReturnData", True)).lower() == "true"


def _compute(
    queries: list[dict[str, Any]], timestamps: list[int], period: int
) -> dict[str, metric_math.Series]:
    """Return the series of all queries: metrics first, then expressions once they can be.

    Raises:
        metric_math.UnsupportedExpression: One cannot be computed.
    """
    metrics = [query["Id"] for query in queries if query.get("MetricStat")]
    results = {
        query["Id"]: _read(query["MetricStat"], timestamps, period)
        for query in queries
        if query.get("MetricStat")
    }
    waiting = [query for query in queries if query.get("Expression")]
    while waiting:
        pending = {query["Id"] for query in waiting}
        ready = [
            query
            for query in waiting
            if not pending.intersection(metric_math.names_in(query["Expression"]))
        ]
        if not ready:
            raise metric_math.UnsupportedExpression(
                f"The expressions refer to each other: {', '.join(sorted(pending))}."
            )
        for query in ready:
            inputs = metric_math.Inputs(results, metrics, timestamps, period)
            results[query["Id"]] = metric_math.evaluate(query["Expression"], inputs)
        waiting = [query for query in waiting if query not in ready]
    return results


def _read(stat: dict[str, Any], timestamps: list[int], period: int) -> metric_math.Series:
    metric = stat.get("Metric") or {}
    dimensions = cloudwatch._dims_key(cloudwatch._dims_from_list(metric.get("Dimensions") or []))
    key = (metric.get("Namespace"), metric.get("MetricName"), dimensions)
    unit = stat.get("Unit")
    buckets: dict[int, list[dict[str, Any]]] = {}
    for point in list(cloudwatch._metrics.get(key) or []):
        number = (point["Timestamp"] - timestamps[0]) // period
        if 0 <= number < len(timestamps) and unit in (None, "", point.get("Unit")):
            buckets.setdefault(timestamps[int(number)], []).append(point)
    name = stat.get("Stat") or "Average"
    values = {
        at: cloudwatch._stat_value(cloudwatch._calc_stats(points), name, points)
        for at, points in buckets.items()
    }
    return {at: float(value) for at, value in values.items() if value is not None}


def _reason(alarm: dict[str, Any], state: str, points: list[float]) -> str:
    if state == "INSUFFICIENT_DATA":
        return "Insufficient Data: no data points were received."
    if not points:
        return (
            f"Threshold Crossed: no datapoints were received, and missing data is treated as "
            f"{alarm.get('TreatMissingData')}."
        )
    verb = "crossed" if state == "ALARM" else "did not all cross"
    values = ", ".join(map(str, points))
    return (
        f"Threshold Crossed: {len(points)} datapoints [{values}] {verb} the threshold "
        f"({float(alarm.get('Threshold') or 0)}, {alarm.get('ComparisonOperator')})."
    )


def _act(original: Any, alarm: dict[str, Any], old: str, new: str, reason: str) -> None:
    """Leave out the topics that do not let CloudWatch publish."""
    permitted = {
        kind: [action for action in alarm.get(kind) or [] if _may_act(alarm, action)]
        for kind in ("AlarmActions", "OKActions", "InsufficientDataActions")
    }
    original({**alarm, **permitted}, old, new, reason)


def _may_act(alarm: dict[str, Any], action: str) -> bool:
    if ":sns:" not in action:
        return True
    account = str(alarm["AlarmArn"]).split(":")[4]
    allowed = bool(
        sns.topic_policy_allows(action, "cloudwatch.amazonaws.com", alarm["AlarmArn"], account)
    )
    if not allowed:
        _LOG.error("%s may not publish to %s", alarm["AlarmArn"], action)
    return allowed


def _start_evaluating() -> None:
    """Start the thread that evaluates all alarms from time to time, once there is one."""
    if not _started.is_set():
        _started.set()
        threading.Thread(target=_evaluate_for_ever, name="alarms", daemon=True).start()


def _evaluate_for_ever() -> None:
    while True:
        time.sleep(SECONDS_BETWEEN_EVALUATIONS)
        for account, region in sorted(_scopes()):
            try:
                with responses.request_scope(account, region):
                    evaluate_all()
            except Exception:
                _LOG.exception("alarms of %s in %s could not be evaluated", account, region)


def _scopes() -> set[tuple[str, str]]:
    return {(account, region) for account, region, _ in list(cloudwatch._alarms._data)}


# --- API ---------------------------------------------------------------------------------------


def _describe(original: Any, *arguments: Any) -> Any:
    evaluate_all()
    return original(*arguments)


def _put(
    original: Any, params: Any, data: dict[str, Any], is_cbor: bool, is_json: bool = False
) -> Any:
    queries = (data or {}).get("Metrics")
    if not queries:
        return original(params, data, is_cbor, is_json)
    try:
        if data.get("MetricName") or data.get("Namespace") or data.get("Statistic"):
            raise InvalidAlarm("MetricName, Namespace and Statistic do not go with Metrics.")
        _check(queries)
    except InvalidAlarm as error:
        return cloudwatch._error(
            "ValidationError", str(error), 400, use_json=is_json, use_cbor=is_cbor
        )
    with _evaluating:
        response = original(params, data, is_cbor, is_json)
        alarm = cloudwatch._alarms.get(data.get("AlarmName"))
        if response[0] < 400 and alarm is not None:
            _set_metrics(alarm, queries)
            evaluate(alarm)
    return response


def _set_metrics(alarm: dict[str, Any], queries: list[dict[str, Any]]) -> None:
    for name in _OF_ONE_METRIC:
        alarm.pop(name, None)
    alarm["Metrics"] = queries


def _check(queries: list[dict[str, Any]]) -> None:
    """Check the Metrics of an alarm, its expressions by computing them without data.

    Raises:
        InvalidAlarm: They are refused.
    """
    identifiers = [query.get("Id") or "" for query in queries]
    if len(set(identifiers)) < len(identifiers) or not all(
        one[:1].islower() for one in identifiers
    ):
        raise InvalidAlarm("Every Id must be unique and begin with a lower-case letter.")
    for kind, name in (("MetricStat", "metrics"), ("Expression", "expressions")):
        if sum(1 for query in queries if query.get(kind)) > MAXIMUM_METRICS:
            raise InvalidAlarm(f"An alarm can have at most {MAXIMUM_METRICS} {name}.")
    for query in queries:
        if bool(query.get("Expression")) == bool(query.get("MetricStat")):
            raise InvalidAlarm(f"{query['Id']} must have either an Expression or a MetricStat.")
        if query.get("AccountId"):
            raise InvalidAlarm("Metrics of other accounts are not implemented by this emulator.")
    if sum(map(_returns_data, queries)) != 1:
        raise InvalidAlarm("Exactly one element of Metrics must have ReturnData set to true.")
    periods = {int(query["MetricStat"]["Period"]) for query in queries if query.get("MetricStat")}
    if len(periods) > 1:
        raise InvalidAlarm("All metrics of an alarm must have the same Period.")
    try:
        _compute(queries, [0], 60)
    except metric_math.UnsupportedExpression as error:
        raise InvalidAlarm(str(error)) from None


def _dimensions_of(original: Any, dimensions: list[dict[str, str]]) -> _Dimensions:
    return _Dimensions(original(dimensions))


def _get_metric_data(
    original: Any, params: Any, data: dict[str, Any], is_cbor: bool, is_json: bool = False
) -> Any:
    """Answer requests with expressions, which MiniStack does not compute."""
    queries = (data or {}).get("MetricDataQueries") or []
    if not any(query.get("Expression") for query in queries):
        return original(params, data, is_cbor, is_json)
    period = _period(queries)
    start = int(cloudwatch._parse_ts(data.get("StartTime")) // period) * period
    end = int(cloudwatch._parse_ts(data.get("EndTime")))
    timestamps = list(range(start, max(end, start + 1), period))
    try:
        results = _compute(queries, timestamps, period)
    except metric_math.UnsupportedExpression as error:
        return cloudwatch._error(
            "ValidationError", str(error), 400, use_json=is_json, use_cbor=is_cbor
        )
    answer = {"MetricDataResults": list(_results(queries, results))}
    if is_cbor:
        found = [cloudwatch._cbor_metric_data_result(one) for one in answer["MetricDataResults"]]
        return cloudwatch._cbor_ok({"MetricDataResults": found})
    return cloudwatch._json_ok(answer)


def _results(
    queries: list[dict[str, Any]], results: dict[str, metric_math.Series]
) -> Iterator[dict[str, Any]]:
    for query in queries:
        if _returns_data(query):
            series = results[query["Id"]]
            newest_first = sorted(series, reverse=True)
            yield {
                "Id": query["Id"],
                "Label": query.get("Label") or query["Id"],
                "StatusCode": "Complete",
                "Timestamps": [cloudwatch._ts_iso(at) for at in newest_first],
                "Values": [series[at] for at in newest_first],
            }


# --- CloudFormation ----------------------------------------------------------------------------


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
    _set_metrics(record, queries)
    return record


def _typed(query: dict[str, Any]) -> dict[str, Any]:
    """Return a query with numbers and booleans where a template may have strings."""
    typed = {**query, "ReturnData": _returns_data(query)}
    if query.get("Period"):
        typed["Period"] = int(query["Period"])
    if query.get("MetricStat"):
        typed["MetricStat"] = {**query["MetricStat"], "Period": int(query["MetricStat"]["Period"])}
    return typed


def _create_composite(
    logical_id: str, properties: dict[str, Any], stack_name: str
) -> tuple[str, dict[str, str]]:
    name = properties.get("AlarmName") or provisioners._physical_name(
        stack_name, logical_id, max_len=255
    )
    return _put_composite(name, properties)


def _update_composite(
    physical_id: str, old: dict[str, Any], new: dict[str, Any], stack_name: str
) -> tuple[str, dict[str, str]]:
    if new.get("AlarmName") in (None, physical_id):
        return _put_composite(physical_id, new)
    created = _put_composite(new["AlarmName"], new)
    _delete_composite(physical_id, old)
    return created


def _put_composite(name: str, properties: dict[str, Any]) -> tuple[str, dict[str, str]]:
    enabled = str(properties.get("ActionsEnabled", True)).lower() == "true"
    request = {**properties, "AlarmName": name, "ActionsEnabled": enabled}
    status, _, body = cloudwatch._put_composite_alarm({}, request, False, True)
    if status >= 400:
        raise ValueError(str(json.loads(body).get("message")))
    return name, {"Arn": cloudwatch._composite_alarms[name]["AlarmArn"]}


def _delete_composite(physical_id: str, properties: dict[str, Any]) -> None:
    status, _, body = cloudwatch._delete_alarms({}, {"AlarmNames": [physical_id]}, False, True)
    if status >= 400:
        raise ValueError(str(json.loads(body).get("message")))
