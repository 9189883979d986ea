"""Turn the counts of one payload into metric documents."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from openreplay_cw_stack.contract import metrics as names
from openreplay_cw_stack.runtime.function_log import MetricDocument
from openreplay_cw_stack.tagging import Verdict

REJECTING_VERDICTS = frozenset(Verdict) - {Verdict.LINKABLE, Verdict.UNTAGGED}
"""The verdicts on lines that have a tag but cannot be linked."""


@dataclass
class Counts:
    """The counts of one payload.

    Attributes:
        log_group: the tracked log group, or None if it is unknown.
        verdicts: the number of lines by verdict.
        dropped: the number of lost lines by reason.
        totals: other metrics by name.
        linked: the number of stored lines.
    """

    log_group: str | None = None
    verdicts: Counter[Verdict] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    totals: Counter[str] = field(default_factory=Counter)
    linked: int = 0


def metric_documents(counts: Counts, *, detailed: bool) -> Iterator[MetricDocument]:
    """Yield the counts as metrics.

    Args:
        counts: the counts.
        detailed: also publish lines by log group and verdict.
    """
    rejected = sum(counts.verdicts[verdict] for verdict in REJECTING_VERDICTS)
    log_group = {names.LOG_GROUP: counts.log_group or ""}
    cross = [[names.VERDICT, names.LOG_GROUP]] if detailed else []
    by_group = {names.LINKED_LINES: counts.linked, names.REJECTED_LINES: rejected}
    yield MetricDocument(counts.totals)
    yield MetricDocument(by_group, log_group)
    for verdict, lines in counts.verdicts.items():
        yield MetricDocument({names.LINES: lines}, {names.VERDICT: str(verdict)}, cross, log_group)
    for reason, lines in counts.dropped.items():
        yield MetricDocument({names.DROPPED_LINES: lines}, {names.REASON: reason}, [[]])
