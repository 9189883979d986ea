"""The lines with a tag: what CloudWatch has of them, judged here as the validator judges them."""

from __future__ import annotations

import collections
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from openreplay_cw_stack.commands.check.context import Context
from openreplay_cw_stack.commands.check.findings import Finding, fail, guarded, ok, skip, warn
from openreplay_cw_stack.commands.check.metric_sums import our_metric, sums
from openreplay_cw_stack.commands.deployed.account import error_code
from openreplay_cw_stack.commands.log_events import sample_events
from openreplay_cw_stack.commands.terminal import count
from openreplay_cw_stack.contract import metrics as names
from openreplay_cw_stack.tagging import Verdict, judge
from openreplay_cw_stack.tagging.advice import ADVICE

MOST_LINES = 1000
"""So many lines of a log group are judged at most."""
ON_THEIR_WAY_SECONDS = 300
"""A line that is younger may not have been delivered and counted yet."""

_NO_FAULT = (Verdict.LINKABLE, Verdict.UNTAGGED)


@dataclass
class Sample:
    """The lines of one log group that were looked at.

    Attributes:
        log_group: its name.
        verdicts: how many lines have each.
        expected: of these, the ones that came after the subscription filter.
        settled: of these, the ones that must have been counted by now.
        cut: there are more lines than were looked at.
    """

    log_group: str
    verdicts: collections.Counter[Verdict] = field(default_factory=collections.Counter)
    expected: collections.Counter[Verdict] = field(default_factory=collections.Counter)
    settled: collections.Counter[Verdict] = field(default_factory=collections.Counter)
    cut: bool = False

    @property
    def faults(self) -> collections.Counter[Verdict]:
        """The lines with a tag that cannot be linked, by verdict."""
        return collections.Counter(
            {one: number for one, number in self.verdicts.items() if one not in _NO_FAULT}
        )


@dataclass(frozen=True)
class Judging:
    """How lines are judged.

    Attributes:
        secret: OpenReplay's TOKEN_SECRET; None: signatures are not checked.
        accept_unsigned_ids: as the validator does.
        said: in words.
    """

    secret: bytes | None
    accept_unsigned_ids: bool
    said: str


def check_lines(context: Context, samples: list[Sample]) -> Iterator[Finding]:
    """Fills ``samples``, says of each log group what its lines are worth, and compares."""
    if context.validator is None or not context.tracked:
        yield skip("lines", "no tracked log group is known")
        return
    judging = _judging(context)
    for group in context.tracked:
        yield from guarded("lines", _lines(context, group.name, judging, samples))
    if samples and not any(sample.verdicts for sample in samples):
        yield warn(
            "lines",
            f"no tracked log group has a line with a tag of {context.account.span}",
            "Does the browser send the header, and does the program tag what it logs? The README "
            "says how; `python -m openreplay_cw_stack judge` tries a line. --minutes looks back "
            "further.",
        )
    yield from guarded("lines counted", _compare(context, samples))


def _judging(context: Context) -> Judging:
    environment = context.validator.environment if context.validator else {}
    arn = environment.get("TOKEN_SECRET_ARN")
    accept = environment.get("ACCEPT_UNSIGNED_IDS") == "true"
    if not arn:
        return Judging(None, True, "signatures not checked")
    try:
        value = context.client("secretsmanager").get_secret_value(SecretId=arn)
    except Exception as error:
        if not error_code(error):
            raise
        said = f"signatures not checked: the token secret gave {error_code(error)}"
        return Judging(None, accept, said)
    text = value.get("SecretString")
    secret = text.encode() if isinstance(text, str) else bytes(value.get("SecretBinary", b""))
    # As the validator reads it.
    secret = secret.rstrip(b"\r\n")
    if not secret:
        return Judging(None, accept, "signatures not checked: the token secret is empty")
    return Judging(secret, accept, "signatures checked")


def _lines(
    context: Context, log_group: str, judging: Judging, samples: list[Sample]
) -> Iterator[Finding]:
    events, cut = sample_events(
        context.client("logs"), log_group, context.account.start_ms, MOST_LINES, tagged=True
    )
    sample = _sample(context, log_group, events, judging)
    sample.cut = cut
    samples.append(sample)
    yield _verdicts(sample, judging)


def _sample(
    context: Context, log_group: str, events: Sequence[dict[str, Any]], judging: Judging
) -> Sample:
    sample = Sample(log_group)
    settled_ms = 1000 * (context.account.now - ON_THEIR_WAY_SECONDS)
    for event in events:
        verdict = judge(
            event["message"],
            token_secret=judging.secret,
            accept_unsigned_ids=judging.accept_unsigned_ids,
        ).verdict
        sample.verdicts[verdict] += 1
        # When CloudWatch Logs received it: what is old by its own clock may have come just now.
        received_ms = event.get("ingestionTime", event["timestamp"])
        if received_ms >= context.subscribed_ms.get(log_group, 0):
            sample.expected[verdict] += 1
            sample.settled[verdict] += received_ms < settled_ms
    return sample


def _verdicts(sample: Sample, judging: Judging) -> Finding:
    total = sum(sample.verdicts.values())
    if not total:
        so_far = " in what could be read of it" if sample.cut else ""
        return ok("lines", f"{sample.log_group}: no line with a tag{so_far}")
    parts = ", ".join(
        f"{sample.verdicts[one]} {one}" for one in reversed(Verdict) if one in sample.verdicts
    )
    first = f"the first {total} lines" if sample.cut else count(total, "line")
    early = total - sum(sample.expected.values())
    before = f"; {early} from before the filter, which stay where they are" if early else ""
    seen = f"{sample.log_group}: {first} with a tag: {parts} ({judging.said}){before}"
    faults = sample.faults
    if not faults:
        return ok("lines", seen)
    worst, number = faults.most_common(1)[0]
    remedy = f"{worst} ({number}): {ADVICE[worst]}"
    if sum(faults.values()) >= sample.verdicts[Verdict.LINKABLE]:
        return fail("lines", seen, remedy)
    return warn("lines", seen, remedy)


def _compare(context: Context, samples: Sequence[Sample]) -> Iterator[Finding]:
    """What the validator has counted, against what CloudWatch has."""
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
            f"{seen}, and the log groups have {there}",
            "They are young and may be on their way: look again in five minutes.",
        )
    elif not total:
        yield fail(
            name,
            f"{seen}, and the log groups have {settled} of more than five minutes ago",
            "Nothing is delivered: see the tracked log groups and the delivery above.",
        )
    else:
        yield warn(
            name,
            f"{seen}, and the log groups have {settled} of more than five minutes ago",
            "Some were not delivered, or are late: see the tracked log groups and the delivery "
            "above.",
        )
