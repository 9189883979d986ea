"""Documents of CloudWatch's embedded metric format.

AWS documentation, "Specification: Embedded metric format": CloudWatch takes metrics out of JSON
lines that a function prints. Zeroes are not published; a custom metric costs money.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from openreplay_cw_stack.contract import metrics as names


@dataclass(frozen=True)
class MetricDocument:
    """Metrics that share their dimensions.

    Attributes:
        values: by metric name; zeroes are left out.
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
        """The line to print; None where every value is zero."""
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
