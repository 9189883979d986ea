"""What one invocation counted, as documents of CloudWatch's embedded metric format.

AWS documentation, "Specification: Embedded metric format": CloudWatch takes metrics out of JSON
lines that a function prints. Zeroes are not published; a custom metric costs money. Nothing of a
line's content is in a document.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from openreplay_cw_stack.tagging import Verdict
from openreplay_cw_stack.tagging import metrics as names

REJECTING_VERDICTS = frozenset(Verdict) - {Verdict.LINKABLE, Verdict.UNTAGGED}
"""The verdicts of lines that have a tag, and that OpenReplay will not link for it."""


@dataclass
class Counts:
    """What one invocation counted.

    Attributes:
        log_group: the tracked log group, or None where it is not known.
        verdicts: lines by verdict.
        dropped: lost lines by reason.
        totals: other metrics by name.
        linked: lines that the linked log group took.
    """

    log_group: str | None = None
    verdicts: Counter[Verdict] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    totals: Counter[str] = field(default_factory=Counter)
    linked: int = 0


def metric_documents(
    counts: Counts, *, deployment: str, detailed: bool, now_ms: int
) -> Iterator[str]:
    """The counts as lines to print; none where nothing was counted.

    Args:
        counts: what was counted.
        deployment: the value of the dimension of that name.
        detailed: also publish lines by log group and verdict.
        now_ms: milliseconds since 1970.
    """
    rejected = sum(counts.verdicts[verdict] for verdict in REJECTING_VERDICTS)
    log_group = {names.LOG_GROUP: counts.log_group or ""}
    cross = [[names.VERDICT, names.LOG_GROUP]] if detailed else []
    parts = [
        _Part(counts.totals),
        _Part({names.LINKED_LINES: counts.linked, names.REJECTED_LINES: rejected}, log_group),
        *(
            _Part({names.LINES: lines}, {names.VERDICT: str(verdict)}, cross, log_group)
            for verdict, lines in counts.verdicts.items()
        ),
        *(
            _Part({names.DROPPED_LINES: lines}, {names.REASON: reason}, [[]])
            for reason, lines in counts.dropped.items()
        ),
    ]
    for part in parts:
        if any(part.values.values()):
            yield part.document(deployment, now_ms)


@dataclass(frozen=True)
class _Part:
    """Metrics that share their dimensions; ``further_sets`` are published besides the main set."""

    values: Mapping[str, int]
    dimensions: Mapping[str, str] = field(default_factory=dict)
    further_sets: Sequence[Sequence[str]] = ()
    further_dimensions: Mapping[str, str] = field(default_factory=dict)

    def document(self, deployment: str, now_ms: int) -> str:
        values = {name: value for name, value in self.values.items() if value}
        sets = [list(self.dimensions), *self.further_sets]
        directive = {
            "Namespace": names.NAMESPACE,
            "Dimensions": [[names.DEPLOYMENT, *one] for one in sets],
            "Metrics": [{"Name": name, "Unit": "Count"} for name in values],
        }
        document = {
            "_aws": {"Timestamp": now_ms, "CloudWatchMetrics": [directive]},
            names.DEPLOYMENT: deployment,
            **self.dimensions,
            **(self.further_dimensions if self.further_sets else {}),
            **values,
        }
        return json.dumps(document, separators=(",", ":"))
