"""Checks the validator: errors, dropped log events, and messages in its queues."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from openreplay_cw_stack.commands.check.context import Context
from openreplay_cw_stack.commands.check.metric_sums import Metric, our_metric, sums
from openreplay_cw_stack.commands.deployed.deployment import Function
from openreplay_cw_stack.commands.program import PROGRAM
from openreplay_cw_stack.commands.report.findings import Finding, Step, fail, guarded_call, ok, warn
from openreplay_cw_stack.commands.terminal import count
from openreplay_cw_stack.contract import metrics as names
from openreplay_cw_stack.runtime.aws_calls import messages_in


@dataclass(frozen=True)
class Health:
    """The counts of the validator in the time span.

    Attributes:
        errors: invocations that failed.
        throttles: invocations that Lambda throttled.
        dropped: entries of payloads that are not log events.
        dead_letters: messages in the dead-letter queue now.
        waiting: messages in the retry queue now.
        unusable: payloads that could not be read.
        refused: items that DynamoDB refused as invalid.
        throttled_writes: writes of items that DynamoDB throttled.
        unchecked: lines that were judged without a signature check.
    """

    errors: int = 0
    throttles: int = 0
    dropped: int = 0
    dead_letters: int = 0
    waiting: int = 0
    unusable: int = 0
    refused: int = 0
    throttled_writes: int = 0
    unchecked: int = 0

    def causes(self) -> list[str]:
        """Return possible causes for missing lines, the most likely first."""
        found = {
            count(self.errors, "invocation") + " of the validator failed": self.errors,
            count(self.dead_letters, "message") + " in the dead-letter queue": self.dead_letters,
            count(self.waiting, "message") + " in the retry queue": self.waiting,
            count(self.unusable, "unusable payload"): self.unusable,
            count(self.refused, "item") + " refused by DynamoDB": self.refused,
            count(self.dropped, "unreadable entry", "unreadable entries"): self.dropped,
            count(self.throttles, "invocation") + " throttled": self.throttles,
        }
        return [what for what, number in found.items() if number]


def check_validator(context: Context) -> Step[Health]:
    """Check the validator's metrics and queues, and return their counts."""
    validator = context.validator
    if validator is None:
        return Health()
    health = _measured(context, validator)
    queues = yield from guarded_call("validator", lambda: _queues(context, validator), None)
    if queues is not None:
        health = replace(health, dead_letters=queues[0], waiting=queues[1])
    faults = list(_faults(context, validator, health))
    yield from faults
    if queues is not None and not faults:
        nothing = "no error, nothing dropped, both queues empty"
        yield ok("validator", f"{nothing} in {context.account.span}")
    return health


def _measured(context: Context, validator: Function) -> Health:
    """Return the sums of the metrics."""
    own = (("FunctionName", validator.name),)
    deployment = context.deployment.name
    metrics = {
        "errors": Metric("AWS/Lambda", "Errors", own),
        "throttles": Metric("AWS/Lambda", "Throttles", own),
        "dropped": our_metric(deployment, names.DROPPED_LINES),
        "unusable": our_metric(deployment, names.UNUSABLE_PAYLOADS),
        "refused": our_metric(deployment, names.REFUSED_ITEMS),
        "throttled_writes": our_metric(deployment, names.THROTTLED_WRITES),
        "unchecked": our_metric(deployment, names.UNCHECKED_SIGNATURES),
    }
    totals = sums(context.account, list(metrics.values()))
    return Health(**dict(zip(metrics, totals, strict=True)))


def _queues(context: Context, validator: Function) -> tuple[int, int] | None:
    """Return the number of messages in the dead-letter queue and in the retry queue."""
    return (
        _messages(context, validator.environment.get("DEAD_LETTER_QUEUE_URL")),
        _messages(context, validator.environment.get("RETRY_QUEUE_URL")),
    )


def _messages(context: Context, queue: str | None) -> int:
    return 0 if queue is None else messages_in(context.client("sqs"), queue=queue)


def _faults(context: Context, validator: Function, health: Health) -> Iterator[Finding]:
    name, span = "validator", context.account.span
    own = validator.environment.get("OWN_LOG_GROUP", f"/aws/lambda/{validator.name}")
    look = f"The function's log group {own} has the error code"
    if health.dead_letters:
        yield fail(
            name,
            f"{count(health.dead_letters, 'message')} in the dead-letter queue",
            f"{look}. Fix the cause, then invoke the validator with them again:\n"
            f"{PROGRAM} replay --stack {context.deployment.stack.name}",
        )
    if health.errors:
        yield fail(
            name,
            f"{count(health.errors, 'invocation')} failed in {span}",
            f"{look}. If the log group is empty, the role may lack the permission to write there.",
        )
    if health.unusable:
        yield fail(
            name,
            f"{count(health.unusable, 'payload')} could not be read in {span}",
            f"{look}. The dead-letter queue has each payload with its reason, which `replay` "
            "prints.",
        )
    if health.refused:
        yield fail(
            name,
            f"DynamoDB refused {count(health.refused, 'item')} as invalid in {span}",
            f"{look}. The lines are in the dead-letter queue.",
        )
    if health.dropped:
        yield fail(
            name,
            f"{count(health.dropped, 'entry', 'entries')} of payloads dropped in {span}",
            "They are not log events: find out whether another program invokes the validator.",
        )
    if health.waiting:
        yield warn(
            name,
            f"{count(health.waiting, 'message')} in the retry queue now",
            f"The validator could not store their lines, and retries them for a day. {look}.",
        )
    if health.throttled_writes:
        yield warn(
            name,
            f"DynamoDB throttled {count(health.throttled_writes, 'write')} in {span}",
            "A session can use 1,000 write units a second: many clients may share one session "
            "token. A write limit on the table also throttles.",
        )
    if health.throttles:
        yield warn(
            name,
            f"{count(health.throttles, 'invocation')} throttled in {span}",
            "Lambda retries them for six hours. Raise reserved_concurrency.",
        )
    if health.unchecked:
        yield warn(
            name,
            f"{count(health.unchecked, 'line')} linked without a signature check in {span}",
            f"The validator cannot read the token secret. {look}.",
        )
