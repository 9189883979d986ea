"""Checks whether the linkable lines of each tracked log group were stored."""

from __future__ import annotations

from collections.abc import Sequence

from openreplay_cw_stack.commands.check.context import Context
from openreplay_cw_stack.commands.check.lines import Sample
from openreplay_cw_stack.commands.check.metric_sums import our_metric, sums
from openreplay_cw_stack.commands.check.validator import Health
from openreplay_cw_stack.commands.report.findings import Finding, Step, fail, ok, skip, warn
from openreplay_cw_stack.commands.terminal import count
from openreplay_cw_stack.contract import metrics as names
from openreplay_cw_stack.tagging import Verdict

_NAME = "linked lines"


def check_linked_lines(context: Context, samples: Sequence[Sample], health: Health) -> Step[None]:
    """Check how many lines of each tracked log group the validator stored."""
    if not context.tracked:
        yield skip(_NAME, "no tracked log group is known")
        return
    by_group = {sample.log_group: sample for sample in samples}
    metrics = [
        our_metric(context.deployment.name, names.LINKED_LINES, LogGroup=group.name)
        for group in context.tracked
    ]
    for group, stored in zip(context.tracked, sums(context.account, metrics), strict=True):
        yield _stored(by_group.get(group.name, Sample(group.name)), stored, health)


def _stored(sample: Sample, stored: int, health: Health) -> Finding:
    linkable = sample.expected[Verdict.LINKABLE]
    seen = f"{sample.log_group}: {stored} stored"
    if stored or not linkable:
        return ok(_NAME, seen)
    causes = health.causes()
    if not causes and not sample.settled[Verdict.LINKABLE]:
        said = f"{seen} of {count(linkable, 'linkable line')}, all of the last five minutes"
        return warn(_NAME, said, "They may not be stored yet: check again in five minutes.")
    cause = f"The likely cause: {', '.join(causes)}. " if causes else ""
    return fail(
        _NAME,
        f"{seen} of {count(linkable, 'linkable line')}",
        f"{cause}Fix the first step above that is not OK.",
    )
