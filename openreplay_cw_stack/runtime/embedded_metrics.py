"""Documents of CloudWatch's embedded metric format.

AWS documentation, "Specification: Embedded metric format": CloudWatch takes metrics out of JSON
lines that a function prints. Zeroes are not published; a custom metric costs money.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from openreplay_cw_stack.tagging import metrics as names
from openreplay_cw_stack.tagging.values import Value

_NO_DIMENSIONS: Mapping[str, str] = MappingProxyType({})


class MetricDocument(Value):
    """Metrics that share their dimensions.

    Attributes:
        values: by metric name; zeroes are left out.
        dimensions: by name, besides the deployment.
        further_sets: sets of dimension names that the metrics are published with as well.
        further_dimensions: the values of the dimensions that only further sets name.
        unit: of every value.
    """

    values: Mapping[str, float]
    dimensions: Mapping[str, str] = _NO_DIMENSIONS
    further_sets: Sequence[Sequence[str]] = ()
    further_dimensions: Mapping[str, str] = _NO_DIMENSIONS
    unit: str = "Count"

    def encode(self, deployment: str, now_ms: int) -> str | None:
        """The line to print; None where every value is zero."""
        values = {name: value for name, value in self.values.items() if value}
        if not values:
            return None
        directive = _directive(
            tuple(values), tuple(map(tuple, [self.dimensions, *self.further_sets])), self.unit
        )
        fields = {
            names.DEPLOYMENT: deployment,
            **self.dimensions,
            **(self.further_dimensions if self.further_sets else {}),
            **values,
        }
        head = f'{{"_aws":{{"Timestamp":{now_ms},"CloudWatchMetrics":[{directive}]}}'
        return f"{head},{_encoded(fields)[1:]}"


_encoded = json.JSONEncoder(separators=(",", ":")).encode


@functools.lru_cache(maxsize=256)
def _directive(metrics: tuple[str, ...], sets: tuple[tuple[str, ...], ...], unit: str) -> str:
    """The same in nearly every invocation."""
    return _encoded(
        {
            "Namespace": names.NAMESPACE,
            "Dimensions": [[names.DEPLOYMENT, *one] for one in sets],
            "Metrics": [{"Name": name, "Unit": unit} for name in metrics],
        }
    )
