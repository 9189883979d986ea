"""The validator's own health: errors, what it dropped or parked, and what was given up on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from openreplay_cw_stack.commands.check.context import Context
from openreplay_cw_stack.commands.check.deployment import Function
from openreplay_cw_stack.commands.check.findings import Finding, count, fail, ok, warn
from openreplay_cw_stack.commands.check.metric_sums import Metric, our_metric, sums
from openreplay_cw_stack.tagging import metrics as names

DROP_REASONS = ("too_new", "too_old", "expired", "unreadable")
"""The values of the dimension ``Reason`` of dropped lines."""


@dataclass
class Health:
    """What the validator met in the time that is looked at.

    Attributes:
        errors: invocations that failed.
        throttles: invocations that Lambda put off.
        dropped: lines that were lost.
        dead_letters: messages that wait in the dead-letter queue now.
        parked: messages of parked lines that wait to be redelivered now.
    """

    errors: int = 0
    throttles: int = 0
    dropped: int = 0
    dead_letters: int = 0
    parked: int = 0

    def causes(self) -> list[str]:
        """Why lines may not arrive, the likeliest first."""
        found = {
            count(self.errors, "invocation") + " of the validator failed": self.errors,
            count(self.dead_letters, "message") + " in the dead-letter queue": self.dead_letters,
            count(self.parked, "message") + " of parked lines": self.parked,
            count(self.dropped, "line") + " dropped": self.dropped,
            count(self.throttles, "invocation") + " throttled": self.throttles,
        }
        return [what for what, number in found.items() if number]


def check_validator(context: Context, health: Health) -> Iterator[Finding]:
    """Fills ``health``, and says what is not as it should be."""
    validator = context.validator
    if validator is None:
        return
    own = (("FunctionName", validator.name),)
    name = context.deployment.name
    dropped = [our_metric(name, names.DROPPED_LINES, Reason=one) for one in DROP_REASONS]
    errors, throttles, unchecked, *drops = sums(
        context.account,
        [
            Metric("AWS/Lambda", "Errors", own),
            Metric("AWS/Lambda", "Throttles", own),
            our_metric(name, names.UNCHECKED_SIGNATURES),
            *dropped,
        ],
    )
    health.errors, health.throttles, health.dropped = errors, throttles, sum(drops)
    health.dead_letters = _dead_letters(context, validator)
    parked = validator.environment.get("PARKED_LINES_QUEUE")
    health.parked = _messages(context, parked) if parked else 0
    reasons = {one: number for one, number in zip(DROP_REASONS, drops, strict=True) if number}
    faults = list(_faults(context, validator, health, unchecked, reasons))
    yield from faults
    if not faults:
        nothing = "no error, nothing dropped or parked, no dead letter"
        yield ok("validator", f"{nothing} in {context.account.span}")


def _dead_letters(context: Context, validator: Function) -> int:
    queue = context.deployment.stack.find("AWS::SQS::Queue", f"{validator.path}DeadLetterQueue")
    return _messages(context, queue.physical_id) if queue else 0


def _messages(context: Context, queue: str) -> int:
    """How many are in a queue, those that are hidden for a while included."""
    kinds = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    answer = context.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=kinds)
    return sum(int(answer["Attributes"].get(kind, 0)) for kind in kinds)


def _redelivery_log_group(context: Context) -> str:
    redelivery = context.deployment.functions.get("redelivery")
    path = f"{redelivery.path}LogGroup" if redelivery else ""
    found = context.deployment.stack.find("AWS::Logs::LogGroup", path)
    return f" {found.physical_id}" if found else ""


def _faults(
    context: Context,
    validator: Function,
    health: Health,
    unchecked: int,
    reasons: dict[str, int],
) -> Iterator[Finding]:
    name, span = "validator", context.account.span
    own = validator.environment.get("OWN_LOG_GROUP", f"/aws/lambda/{validator.name}")
    look = f"The error's code is in the function's log group {own}"
    if health.dead_letters:
        yield fail(
            name,
            f"{count(health.dead_letters, 'message')} in the dead-letter queue: given up on",
            f"{look}. Once the cause is gone, put them back on their way:\n"
            f"python -m openreplay_cw_stack replay --stack {context.deployment.stack.name}",
        )
    if health.errors:
        yield fail(
            name,
            f"{count(health.errors, 'invocation')} failed in {span}",
            f"{look}; nothing there means that its role may not write it either.",
        )
    if health.dropped:
        said = ", ".join(f"{number} {reason}" for reason, number in reasons.items())
        yield fail(
            name,
            f"{count(health.dropped, 'line')} dropped in {span}: {said}",
            "PutLogEvents refuses lines that are too old or too new: look at the clock of the "
            "program, and at the retention of the linked log group. unreadable: no log event.",
        )
    if health.parked:
        yield warn(
            name,
            f"{count(health.parked, 'message')} of parked lines: CloudWatch Logs did not take them",
            "They are tried again for a day. The error's code is in the redelivery's log group"
            f"{_redelivery_log_group(context)}.",
        )
    if health.throttles:
        yield warn(
            name,
            f"{count(health.throttles, 'invocation')} throttled in {span}",
            "They are tried again for six hours. Raise reserved_concurrency.",
        )
    if unchecked:
        yield warn(
            name,
            f"{count(unchecked, 'line')} linked without a check of the signature in {span}",
            f"The token secret cannot be read. {look}.",
        )
