"""The linked lines: whether what can be linked has arrived in the linked log group."""

from __future__ import annotations

import collections
from collections.abc import Iterator, Sequence

from openreplay_cw_stack.commands.check.account import error_code
from openreplay_cw_stack.commands.check.context import Context
from openreplay_cw_stack.commands.check.findings import Finding, count, fail, ok, skip, warn
from openreplay_cw_stack.commands.check.lines import MOST_LINES, Sample
from openreplay_cw_stack.commands.check.metric_sums import our_metric, sums
from openreplay_cw_stack.commands.check.validator import Health
from openreplay_cw_stack.commands.log_events import sample_events
from openreplay_cw_stack.runtime.linked_line import LinkedLine, NotALinkedLine
from openreplay_cw_stack.tagging import Verdict
from openreplay_cw_stack.tagging import metrics as names

_NAME = "linked lines"


def check_linked_lines(
    context: Context, samples: Sequence[Sample], health: Health
) -> Iterator[Finding]:
    """Of each tracked log group, how many linked lines have arrived."""
    linked = context.deployment.linked_log_group
    if linked is None or not context.tracked:
        yield skip(_NAME, "no tracked log group is known")
        return
    by_group = {sample.log_group: sample for sample in samples}
    metrics = [
        our_metric(context.deployment.name, names.LINKED_LINES, LogGroup=group.name)
        for group in context.tracked
    ]
    counted = sums(context.account, metrics)
    seen, readable = _read(context, linked)
    yield from readable
    for group, number in zip(context.tracked, counted, strict=True):
        arrived = max(number, seen[group.name])
        yield _arrived(by_group.get(group.name, Sample(group.name)), arrived, health)


def _read(context: Context, linked: str) -> tuple[collections.Counter[str], list[Finding]]:
    """Lines in the linked log group by their tracked group, and what is wrong with it."""
    seen: collections.Counter[str] = collections.Counter()
    foreign = 0
    try:
        events, _ = sample_events(
            context.client("logs"), linked, context.account.start_ms, MOST_LINES, tagged=False
        )
    except Exception as error:
        if error_code(error) != "ResourceNotFoundException":
            raise
        remedy = "Somebody removed it: create it again, or deploy with another."
        return seen, [fail(_NAME, f"the linked log group {linked} does not exist", remedy)]
    for event in events:
        try:
            seen[LinkedLine.decode(event["message"]).group] += 1
        except NotALinkedLine:
            foreign += 1
    if not foreign:
        return seen, []
    remedy = "Something else writes to the linked log group: the bridge passes over what it wrote."
    return seen, [warn(_NAME, f"{count(foreign, 'event')} in it are no linked lines", remedy)]


def _arrived(sample: Sample, arrived: int, health: Health) -> Finding:
    linkable = sample.expected[Verdict.LINKABLE]
    seen = f"{sample.log_group}: {arrived} arrived"
    if arrived or not linkable:
        return ok(_NAME, seen)
    causes = health.causes()
    if not causes and not sample.settled[Verdict.LINKABLE]:
        said = f"{seen} of {count(linkable, 'linkable line')}, all of the last five minutes"
        return warn(_NAME, said, "They may be on their way: look again in five minutes.")
    cause = f"The likely cause: {', '.join(causes)}. " if causes else ""
    return fail(
        _NAME,
        f"{seen} of {count(linkable, 'linkable line')}",
        f"{cause}What to do stands with the first step above that is not OK.",
    )
