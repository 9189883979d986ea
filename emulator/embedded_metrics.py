"""Metrics that functions print in the embedded metric format.

MiniStack 1.5.33 stores such lines but extracts no metrics.

AWS extracts metrics, once for each dimension set, from a line that is a JSON object with
`_aws.CloudWatchMetrics`; Lambda may prepend metadata to the line (CloudWatch User Guide,
"Specification: Embedded metric format"). It counts invalid documents as EMFValidationErrors, and
documents of log groups whose metrics an account policy disables as EMFDisabledErrors (CloudWatch
Logs User Guide, "Monitoring with CloudWatch metrics").

The specification does not say whether one error invalidates the whole document. Here it does, so
that tests notice the error. Lines from PutLogEvents are ignored.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

from emulator import account_policies, patching

MAXIMUM_DIMENSIONS = 30
MAXIMUM_METRICS = 100
MAXIMUM_VALUES = 100
MAXIMUM_AGE = 14 * 24 * 60 * 60
MAXIMUM_LEAD = 2 * 60 * 60

_LOG = logging.getLogger("emulator.embedded_metrics")
# The specification has more units, for bytes and bits.
_UNITS = ("Seconds", "Microseconds", "Milliseconds", "Percent", "Count", "Count/Second", "None")


class InvalidDocument(ValueError):
    """A line contains `_aws.CloudWatchMetrics` but violates the specification."""


@dataclass(frozen=True)
class Metric:
    """The values of a metric for one dimension set."""

    namespace: str
    name: str
    dimensions: dict[str, str]
    unit: str
    values: tuple[float, ...]
    timestamp: float


def install() -> None:
    """Extract the metrics from every line that MiniStack stores for a function."""
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
    """Return the metrics embedded in a line, or none if it is not such a document.

    Raises:
        InvalidDocument: The line is an invalid document.
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
    try:
        seconds = float(metadata["Timestamp"]) / 1000
        return [
            metric
            for directive in metadata["CloudWatchMetrics"]
            for metric in _metrics(directive, root, seconds)
        ]
    except (LookupError, TypeError, AttributeError) as error:
        raise InvalidDocument(f"something is missing or of another type: {error!r}") from error


def _metrics(directive: dict[str, Any], root: dict[str, Any], timestamp: float) -> Iterator[Metric]:
    definitions, dimension_sets = directive["Metrics"], directive["Dimensions"]
    _check(bool(dimension_sets), "Dimensions is empty")
    _check(len(definitions) <= MAXIMUM_METRICS, f"more than {MAXIMUM_METRICS} metrics")
    for definition in definitions:
        name, unit = definition["Name"], definition.get("Unit", "None")
        _check(unit in _UNITS, f"{unit!r} is no unit")
        values = root[name] if isinstance(root[name], list) else [root[name]]
        _check(len(values) <= MAXIMUM_VALUES, f"more than {MAXIMUM_VALUES} values of {name!r}")
        _check(all(map(_is_number, values)), f"{name!r} is neither a number nor numbers")
        for keys in dimension_sets:
            dimensions = _dimensions(keys, root)
            yield Metric(directive["Namespace"], name, dimensions, unit, tuple(values), timestamp)


def _dimensions(keys: list[str], root: dict[str, Any]) -> dict[str, str]:
    _check(len(keys) <= MAXIMUM_DIMENSIONS, f"more than {MAXIMUM_DIMENSIONS} dimensions in a set")
    dimensions = {key: root[key] for key in keys}
    for key, value in dimensions.items():
        _check(isinstance(value, str) and 1 <= len(value) <= 1024, f"{key!r} is not a dimension")
    return dimensions


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
            found = parse_line(line)
        except InvalidDocument as error:
            _LOG.warning("%s printed an invalid document: %s", config.get("FunctionName"), error)
            _count(cloudwatch, config, "EMFValidationErrors")
            continue
        if found and account_policies.disables_metrics(_group_of(config)):
            _count(cloudwatch, config, "EMFDisabledErrors")
        else:
            metrics += found
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


def _count(cloudwatch: Any, config: dict[str, Any], metric: str) -> None:
    dimensions = {"LogGroupName": _group_of(config)}
    cloudwatch.record_metric("AWS/Logs", metric, 1, "None", dimensions)


def _group_of(config: dict[str, Any]) -> str:
    group = (config.get("LoggingConfig") or {}).get("LogGroup")
    return str(group or f"/aws/lambda/{config.get('FunctionName')}")
