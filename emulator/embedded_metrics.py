"""Metrics that functions print in the embedded metric format.

MiniStack 1.5.33 stores such lines and extracts nothing.

AWS: CloudWatch User Guide, "Specification: Embedded metric format". A line that is a JSON object
with `_aws.CloudWatchMetrics` becomes metrics; Lambda may prepend metadata to it. Every metric is
published once for every dimension set. An invalid document is ignored and counted in
`EMFValidationErrors` of the namespace AWS/Logs ("CloudWatch metrics for CloudWatch Logs"). The
specification does not say whether a document with one fault loses everything; here it does, so that
a fault is seen. Metrics of more than two weeks ago or two hours ahead are ignored, as by
PutMetricData. Lines that reach CloudWatch Logs by PutLogEvents are not looked at.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

from emulator import patching

MAXIMUM_DIMENSIONS = 30
MAXIMUM_METRICS = 100
MAXIMUM_VALUES = 100
MAXIMUM_NAME = 1024
MAXIMUM_DIMENSION_NAME = 250
MAXIMUM_DIMENSION_VALUE = 1024
MAXIMUM_AGE = 14 * 24 * 60 * 60
MAXIMUM_LEAD = 2 * 60 * 60

_LOG = logging.getLogger("emulator.embedded_metrics")
_SIZES = ("Bytes", "Kilobytes", "Megabytes", "Gigabytes", "Terabytes")
_BIT_SIZES = ("Bits", "Kilobits", "Megabits", "Gigabits", "Terabits")
_UNITS = frozenset(
    (
        *("Seconds", "Microseconds", "Milliseconds", "Percent", "Count", "Count/Second", "None"),
        *_SIZES,
        *_BIT_SIZES,
        *(f"{size}/Second" for size in (*_SIZES, *_BIT_SIZES)),
    )
)


class InvalidDocument(ValueError):
    """A line announces embedded metrics and does not follow the specification."""


@dataclass(frozen=True)
class Metric:
    """Values of one metric under one set of dimensions."""

    namespace: str
    name: str
    dimensions: dict[str, str]
    unit: str
    values: tuple[float, ...]
    timestamp: float


def install() -> None:
    """Extract the metrics of every line that MiniStack stores for a function."""
    from ministack.services import cloudwatch, lambda_svc

    patching.require(cloudwatch, ["_store_datum", "record_metric"])

    def emit(original: Any, function: dict[str, Any], *arguments: Any, **keywords: Any) -> None:
        original(function, *arguments, **keywords)
        log_text = arguments[1] if len(arguments) > 1 else keywords.get("log_text", "")
        try:
            _record(cloudwatch, function.get("config") or function, str(log_text or ""))
        except Exception:
            _LOG.exception("embedded metrics could not be recorded")

    patching.wrap(lambda_svc, "_emit_lambda_logs", emit)


def parse_line(line: str) -> list[Metric]:
    """Return the metrics embedded in a line, none if it is no such document.

    Raises:
        InvalidDocument: It is one, and invalid.
    """
    text = line[line.find("\t{") + 1 :] if "\t{" in line else line
    if not text.lstrip().startswith("{") or '"_aws"' not in text:
        return []
    try:
        root = json.loads(text, parse_constant=_refuse_constant)
    except ValueError:
        return []
    metadata = root.get("_aws")
    if not isinstance(metadata, dict) or "CloudWatchMetrics" not in metadata:
        return []
    timestamp: Any = metadata.get("Timestamp")
    directives = metadata["CloudWatchMetrics"]
    _check(_is_number(timestamp), "_aws.Timestamp is not a number of milliseconds")
    _check(isinstance(directives, list), "_aws.CloudWatchMetrics is not an array")
    return [
        metric
        for directive in directives
        for metric in _metrics(directive, root, float(timestamp) / 1000)
    ]


def _metrics(directive: Any, root: dict[str, Any], timestamp: float) -> Iterator[Metric]:
    _check(isinstance(directive, dict), "a metric directive is not an object")
    namespace = _name(directive.get("Namespace"), "Namespace")
    dimension_sets, definitions = directive.get("Dimensions"), directive.get("Metrics")
    _check(isinstance(dimension_sets, list) and bool(dimension_sets), "Dimensions is not an array")
    _check(isinstance(definitions, list), "Metrics is not an array")
    _check(len(definitions) <= MAXIMUM_METRICS, f"more than {MAXIMUM_METRICS} metrics")
    resolved = [_dimensions(keys, root) for keys in dimension_sets]
    for definition in definitions:
        _check(isinstance(definition, dict), "a metric definition is not an object")
        name = _name(definition.get("Name"), "Name")
        unit = definition.get("Unit", "None")
        _check(unit in _UNITS, f"{unit!r} is no unit")
        _check(definition.get("StorageResolution", 60) in (1, 60), "StorageResolution is not 1, 60")
        values = _values(root.get(name), name)
        for dimensions in resolved:
            yield Metric(namespace, name, dimensions, unit, values, timestamp)


def _dimensions(keys: Any, root: dict[str, Any]) -> dict[str, str]:
    _check(isinstance(keys, list), "a dimension set is not an array")
    _check(len(keys) <= MAXIMUM_DIMENSIONS, f"more than {MAXIMUM_DIMENSIONS} dimensions in a set")
    dimensions = {}
    for key in keys:
        name = _name(key, "a dimension", MAXIMUM_DIMENSION_NAME)
        value = root.get(name)
        _check(
            isinstance(value, str) and 1 <= len(value) <= MAXIMUM_DIMENSION_VALUE,
            f"the value of dimension {name!r} is not a string of 1 to {MAXIMUM_DIMENSION_VALUE}",
        )
        dimensions[name] = str(value)
    return dimensions


def _values(target: Any, name: str) -> tuple[float, ...]:
    values = target if isinstance(target, list) else [target]
    _check(len(values) <= MAXIMUM_VALUES, f"more than {MAXIMUM_VALUES} values of {name!r}")
    _check(all(map(_is_number, values)), f"{name!r} is neither a number nor an array of numbers")
    return tuple(map(float, values))


def _name(value: Any, what: str, maximum: int = MAXIMUM_NAME) -> str:
    _check(
        isinstance(value, str) and 1 <= len(value) <= maximum,
        f"{what} is not a string of 1 to {maximum} characters",
    )
    return str(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _check(holds: bool, otherwise: str) -> None:
    if not holds:
        raise InvalidDocument(otherwise)


def _record(cloudwatch: Any, config: dict[str, Any], log_text: str) -> None:
    metrics = []
    for line in log_text.splitlines():
        try:
            metrics += parse_line(line)
        except InvalidDocument as error:
            _LOG.warning("%s printed an invalid document: %s", config.get("FunctionName"), error)
            _count_invalid(cloudwatch, config)
    now = time.time()
    for metric in metrics:
        if not now - MAXIMUM_AGE <= metric.timestamp <= now + MAXIMUM_LEAD:
            _LOG.warning("the time of %s is out of range", metric)
            continue
        cloudwatch._store_datum(
            metric.namespace,
            metric.name,
            metric.dimensions,
            metric.timestamp,
            metric.unit,
            *(None, list(metric.values), None, None),
        )


def _count_invalid(cloudwatch: Any, config: dict[str, Any]) -> None:
    group = (config.get("LoggingConfig") or {}).get("LogGroup")
    name = group or f"/aws/lambda/{config.get('FunctionName')}"
    cloudwatch.record_metric("AWS/Logs", "EMFValidationErrors", 1, "None", {"LogGroupName": name})
