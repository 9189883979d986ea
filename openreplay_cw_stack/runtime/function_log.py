"""Write a Lambda function's own log: each message and each metric document is one line of stdout.

AWS Lambda turns each line into a log event. CloudWatch extracts metrics from lines in the embedded
metric format (AWS documentation, "Specification: Embedded metric format").

No message contains the content of a line, a session, a token, a key or a login.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from openreplay_cw_stack.contract import metrics as names


@dataclass(frozen=True)
class MetricDocument:
    """Metrics that share their dimensions.

    Attributes:
        values: the values by metric name. Zeroes are omitted, because a custom metric costs money.
        dimensions: the dimensions by name, without the deployment.
        further_sets: more sets of dimension names to publish the metrics with.
        further_dimensions: the values of dimensions that occur only in ``further_sets``.
        unit: the unit of every value.
    """

    values: Mapping[str, float]
    dimensions: Mapping[str, str] = field(default_factory=dict)
    further_sets: Sequence[Sequence[str]] = ()
    further_dimensions: Mapping[str, str] = field(default_factory=dict)
    unit: str = "Count"

    def encode(self, deployment: str, now_ms: int) -> str | None:
        """Return the line to print, or None if every value is zero."""
        values = {name: value for name, value in self.values.items() if value}
        if not values:
            return None
        sets = [self.dimensions, *self.further_sets]
        directive = {
            "Namespace": names.NAMESPACE,
            "Dimensions": [[names.DEPLOYMENT, *one] for one in sets],
            "Metrics": [{"Name": name, "Unit": self.unit} for name in values],
        }
        document = {
            "_aws": {"Timestamp": now_ms, "CloudWatchMetrics": [directive]},
            names.DEPLOYMENT: deployment,
            **self.dimensions,
            **(self.further_dimensions if self.further_sets else {}),
            **values,
        }
        return json.dumps(document, separators=(",", ":"))


def print_line(line: str) -> None:
    """Print a line and flush it."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _now_ms() -> int:
    return int(time.time() * 1000)


@dataclass(frozen=True)
class FunctionLog:
    """Writes messages and metrics to a function's own log.

    Attributes:
        deployment: the value of the metric dimension ``Deployment``; unused without metrics.
        clock_ms: returns the time in milliseconds since 1970.
        emit: prints one line.
    """

    deployment: str = ""
    clock_ms: Callable[[], int] = _now_ms
    emit: Callable[[str], None] = print_line

    def log(self, message: str) -> None:
        """Write a message at level INFO."""
        self._write("INFO", message)

    def warn(self, message: str) -> None:
        """Write a message at level WARN."""
        self._write("WARN", message)

    def error(self, message: str) -> None:
        """Write a message at level ERROR."""
        self._write("ERROR", message)

    def metrics(self, *documents: MetricDocument) -> None:
        """Publish metrics. A document whose values are all zero prints nothing."""
        now_ms = self.clock_ms()
        for document in documents:
            line = document.encode(self.deployment, now_ms)
            if line is not None:
                self.emit(line)

    def _write(self, level: str, message: str) -> None:
        self.emit(json.dumps({"level": level, "message": message}))
