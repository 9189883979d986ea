"""A Lambda function's own log: messages and metrics, one line of standard output for each.

AWS Lambda makes one log event of each line. CloudWatch takes metrics out of lines in the embedded
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
        values: by metric name. Zeroes are left out: a custom metric costs money.
        dimensions: by name, besides the deployment.
        further_sets: sets of dimension names that the metrics are published with as well.
        further_dimensions: the values of the dimensions that only further sets name.
        unit: of every value.
    """

    values: Mapping[str, float]
    dimensions: Mapping[str, str] = field(default_factory=dict)
    further_sets: Sequence[Sequence[str]] = ()
    further_dimensions: Mapping[str, str] = field(default_factory=dict)
    unit: str = "Count"

    def encode(self, deployment: str, now_ms: int) -> str | None:
        """Return the line to print, or None where every value is zero."""
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
        deployment: the value of the metric dimension ``Deployment``. A function without metrics
            needs none.
        clock_ms: returns the time in milliseconds since 1970.
        emit: prints one line.
    """

    deployment: str = ""
    clock_ms: Callable[[], int] = _now_ms
    emit: Callable[[str], None] = print_line

    def log(self, message: str) -> None:
        """Write a message of the level INFO."""
        self._write("INFO", message)

    def warn(self, message: str) -> None:
        """Write a message of the level WARN."""
        self._write("WARN", message)

    def error(self, message: str) -> None:
        """Write a message of the level ERROR."""
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
