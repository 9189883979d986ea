"""Checks the tagged lines in CloudWatch: judges them as the validator does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from openreplay_cw_stack.commands.check.context import Context
from openreplay_cw_stack.commands.check.metric_sums import our_metric, sums
from openreplay_cw_stack.commands.log_events import sample_events
from openreplay_cw_stack.commands.program import PROGRAM
from openreplay_cw_stack.commands.report.findings import (
    Finding,
    Step,
    fail,
    guarded,
    ok,
    skip,
    warn,
)
from openreplay_cw_stack.commands.terminal import count
from openreplay_cw_stack.contract import metrics as names
from openreplay_cw_stack.runtime.validator.aws import SecretsManagerReader
from openreplay_cw_stack.runtime.validator.token_secret import SecretUnreadable
from openreplay_cw_stack.tagging import Judgement, Verdict, judge
from openreplay_cw_stack.tagging.advice import ADVICE

MAX_LINES = 1000
"""The most lines of a log group that the check judges."""
ON_THEIR_WAY_SECONDS = 300
"""A newer line may not have been delivered and counted yet."""

_NO_FAULT = (Verdict.LINKABLE, Verdict.UNTAGGED)


@dataclass(frozen=True)
class Sample:
    """The lines of one log group that the check judged.

    Attributes:
        log_group: the log group's name.
        verdicts: the number of lines by verdict.
        expected: of these, the lines that arrived after the subscription filter was created.
        settled: of these, the lines that must have been counted by now.
        cut: whether the log group has more lines than were read.
        unfiltered: whether FilterLogEvents refused the filter pattern.
        newest: the newest linkable line that arrived after the filter was created: when CloudWatch
            Logs received it, in milliseconds since 1970, and its session.
    """

    log_group: str
    verdicts: Counter[Verdict] = field(default_factory=Counter)
    expected: Counter[Verdict] = field(default_factory=Counter)
    settled: Counter[Verdict] = field(default_factory=Counter)
    cut: bool = False
    unfiltered: bool = False
    newest: tuple[int, int] | None = None

    @property
    def tagged(self) -> int:
        """The number of tagged lines. The filter also selects a few lines that only name a tag."""
        return sum(self.verdicts.values()) - self.verdicts[Verdict.UNTAGGED]

    @property
    def faults(self) -> Counter[Verdict]:
        """The number of tagged lines that cannot be linked, by verdict."""
        return Counter(
            {one: number for one, number in self.verdicts.items() if one not in _NO_FAULT}
        )


@dataclass(frozen=True)
class Judging:
    """The settings for judging lines.

    Attributes:
        secrets: OpenReplay's TOKEN_SECRET, and the previous one while it is accepted; empty:
            signatures are not checked.
        accept_unsigned_ids: whether session ids without a signature are linkable.
        said: the settings in words.
    """

    secrets: Sequence[bytes] = field(repr=False)
    accept_unsigned_ids: bool
    said: str

    def judge(self, line: str) -> Judgement:
        """Judge a line with each secret until a signature matches."""
        first, *others = self.secrets or (None,)
        accept = self.accept_unsigned_ids
        judgement = judge(line, token_secret=first, accept_unsigned_ids=accept)
        for secret in others:
            if judgement.verdict is Verdict.BAD_SIGNATURE:
                judgement = judge(line, token_secret=secret, accept_unsigned_ids=accept)
        return judgement


def check_lines(context: Context, subscribed_ms: Mapping[str, int]) -> Step[Sequence[Sample]]:
    """Judge lines of each log group, and compare them with the counts of the validator.

    Args:
        context: the deployment to check.
        subscribed_ms: when the stack's filter was created, by the name of the log group.

    Returns a sample of each log group that can be read.
    """
    if context.validator is None or not context.tracked:
        yield skip("lines", "no tracked log group is known")
        return []
    judging = _judging(context)
    samples: list[Sample] = []
    for group in context.tracked:
        step = _lines(context, group.name, subscribed_ms.get(group.name, 0), judging)
        sample: Sample | None = yield from guarded("lines", step, None)
        if sample is not None:
            samples.append(sample)
    if any(sample.unfiltered for sample in samples):
        yield warn(
            "lines",
            "FilterLogEvents refuses the filter pattern here, so every line was read",
            f"`check`, `{PROGRAM} judge` and `backfill` find the same lines, but take longer. This "
            "does not affect delivery: `preflight` shows whether CloudWatch Logs accepts the "
            "pattern. Report the region.",
        )
    if samples and not any(sample.tagged for sample in samples):
        yield warn(
            "lines",
            f"no tracked log group has a tagged line from {context.account.span}",
            "Check that the browser sends the header (docs/tagging.md#in-the-browser), and that "
            "the program tags its log lines (docs/tagging.md#by-language). "
            f"`{PROGRAM} judge` judges a line. --minutes looks further back.",
        )
    yield from guarded("lines counted", _compare(context, samples))
    return samples


def _judging(context: Context) -> Judging:
    environment = context.validator.environment if context.validator else {}
    arn = environment.get("TOKEN_SECRET_ARN")
    accept = environment.get("ACCEPT_UNSIGNED_IDS") == "true"
    if not arn:
        return Judging((), accept, "signatures not checked")
    try:
        secrets = SecretsManagerReader(arn, context.client("secretsmanager"))()
    except SecretUnreadable as unreadable:
        said = f"signatures not checked, since the token secret cannot be read: {unreadable}"
        return Judging((), accept, said)
    return Judging(secrets, accept, "signatures checked")


def _lines(context: Context, log_group: str, since_ms: int, judging: Judging) -> Step[Sample]:
    """Judge lines of one log group, and return the sample."""
    events, cut, unfiltered = sample_events(
        context.client("logs"), log_group, context.account.start_ms, MAX_LINES
    )
    settled_ms = 1000 * (context.account.now - ON_THEIR_WAY_SECONDS)
    judgements = [(judging.judge(event["message"]), _received_ms(event)) for event in events]
    judged = [(judgement.verdict, at_ms) for judgement, at_ms in judgements]
    newest = [
        (at_ms, judgement.session_id)
        for judgement, at_ms in judgements
        if judgement.session_id is not None and at_ms >= since_ms
    ]
    sample = Sample(
        log_group,
        verdicts=Counter(verdict for verdict, _ in judged),
        expected=Counter(verdict for verdict, at_ms in judged if at_ms >= since_ms),
        settled=Counter(verdict for verdict, at_ms in judged if since_ms <= at_ms < settled_ms),
        cut=cut,
        unfiltered=unfiltered,
        newest=max(newest, default=None),
    )
    yield _verdicts(sample, judging)
    return sample


def _received_ms(event: Mapping[str, Any]) -> int:
    """Return when CloudWatch Logs received a line, which can be long after the line's own time."""
    return int(event.get("ingestionTime", event["timestamp"]))


def _verdicts(sample: Sample, judging: Judging) -> Finding:
    untagged = sample.verdicts[Verdict.UNTAGGED]
    named = f"; {count(untagged, 'line only names', 'lines only name')} a tag" if untagged else ""
    if not sample.tagged:
        so_far = " in the part that was read" if sample.cut else ""
        return ok("lines", f"{sample.log_group}: no tagged line{so_far}{named}")
    parts = ", ".join(
        f"{sample.verdicts[one]} {one}"
        for one in reversed(Verdict)
        if one in sample.verdicts and one is not Verdict.UNTAGGED
    )
    first = f"the first {sample.tagged} lines" if sample.cut else count(sample.tagged, "line")
    early = sum(sample.verdicts.values()) - sum(sample.expected.values())
    before = f"; {early} from before the filter, which are not delivered" if early else ""
    seen = f"{sample.log_group}: {first} with a tag: {parts} ({judging.said}){named}{before}"
    faults = sample.faults
    if not faults:
        return ok("lines", seen)
    remedy = "\n".join(f"{one} ({number}): {ADVICE[one]}" for one, number in faults.most_common())
    if sum(faults.values()) >= sample.verdicts[Verdict.LINKABLE]:
        return fail("lines", seen, remedy)
    return warn("lines", seen, remedy)


def _compare(context: Context, samples: Sequence[Sample]) -> Step[None]:
    """Compare the counts of the validator with the lines in CloudWatch."""
    name = "lines counted"
    metrics = [
        our_metric(context.deployment.name, names.LINES, Verdict=str(one)) for one in Verdict
    ]
    counted = dict(zip(Verdict, sums(context.account, metrics), strict=True))
    total = sum(counted.values())
    there = sum(sum(sample.expected.values()) for sample in samples)
    settled = sum(sum(sample.settled.values()) for sample in samples)
    parts = ", ".join(f"{counted[one]} {one}" for one in reversed(Verdict) if counted[one])
    seen = f"the validator has judged {count(total, 'line')}{': ' if parts else ''}{parts}"
    if total >= settled and (total or not there):
        yield ok(name, seen)
    elif not settled:
        yield warn(
            name,
            f"{seen}, but the log groups have {there}",
            "They are recent and may not be delivered yet: check again in five minutes.",
        )
    elif not total:
        yield fail(
            name,
            f"{seen}, but the log groups have {settled} that are older than five minutes",
            "No line is delivered: see the tracked log groups and the delivery above.",
        )
    else:
        yield warn(
            name,
            f"{seen}, but the log groups have {settled} that are older than five minutes",
            "Some were not delivered, or are late: see the tracked log groups and the delivery "
            "above.",
        )
