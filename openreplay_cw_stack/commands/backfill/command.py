"""The command: reads lines, sends them, and prints its progress."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from openreplay_cw_stack.commands.arguments import add_deployment_arguments, add_json_argument
from openreplay_cw_stack.commands.aws import aws_must, must_read_log_group
from openreplay_cw_stack.commands.backfill.reading import Event, Reader
from openreplay_cw_stack.commands.backfill.sending import (
    Sender,
    SendingFailed,
    Source,
    first_time_ms,
    make_payloads,
)
from openreplay_cw_stack.commands.backfill.times import parse_time
from openreplay_cw_stack.commands.deployed.account import Account
from openreplay_cw_stack.commands.deployed.deployment import (
    Deployment,
    find_deployment,
    require_validator,
)
from openreplay_cw_stack.commands.deployed.stack import read_stack
from openreplay_cw_stack.commands.deployed.tracked_log_groups import (
    find_tracked,
    subscription_filters,
)
from openreplay_cw_stack.commands.errors import CommandFailed
from openreplay_cw_stack.commands.program import PROGRAM
from openreplay_cw_stack.commands.terminal import Output, clean, count, say
from openreplay_cw_stack.runtime.bridge.hits import timestamp
from openreplay_cw_stack.runtime.validator.subscription import Payload
from openreplay_cw_stack.tagging import judge

HELP = "send lines to the validator that a log group received before it was tracked"

ROUND_BYTES = 8 * 1_048_576
"""How many bytes of messages the command reads before it sends them."""

_MAX_INVOCATION_SECONDS = 900


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_deployment_arguments(parser)
    parser.add_argument("--log-group", required=True, metavar="NAME", help="the log group")
    parser.add_argument(
        "--since",
        required=True,
        metavar="TIME",
        help="the first time to read: 24h or 7d ago, or 2026-11-28T10:00:00Z",
    )
    parser.add_argument(
        "--until",
        metavar="TIME",
        help="read only lines that CloudWatch Logs received before this time (default: the "
        "creation of the stack's subscription filter on the log group; without a filter, now)",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="read and count the lines, but send nothing"
    )
    add_json_argument(parser)
    parser.epilog = (
        "The log group must be in the account and region of the stack. You can repeat the command: "
        "a line that is stored twice is shown once. For lines that the subscription also "
        "delivered, this requires that FilterLogEvents and the subscription give an event the same "
        "id, which AWS does not document; with the default of --until there are no such lines. "
        "Exit status: 0 if all lines were sent, 1 if sending stopped, 2 if the command could not "
        "run. Permissions: cloudformation:DescribeStacks, ListStackResources "
        "and GetTemplate on the stack, lambda:GetFunctionConfiguration on its functions, "
        "logs:DescribeSubscriptionFilters and FilterLogEvents on the log group, "
        "lambda:InvokeFunction on the validator."
    )


def run(arguments: argparse.Namespace) -> int:
    """Send the lines and return the exit status.

    Raises:
        CommandFailed: the deployment or the log group does not exist, a time is wrong, or AWS
            refuses a call.
    """
    progress = Output(sys.stderr)
    account = Account(now=time.time())
    since_ms = _time(arguments.since, account)
    until_ms = _time(arguments.until, account) if arguments.until else None
    stack = read_stack(account, arguments.stack)
    deployment = find_deployment(account, stack, arguments.deployment)
    validator = require_validator(deployment)
    group = arguments.log_group
    if until_ms is None:
        until_ms = _subscribed_ms(account, deployment, group)
    if since_ms >= until_ms:
        raise CommandFailed(f"--since must be before {timestamp(until_ms)}, where reading ends")
    reader = Reader(
        account.client("logs"), group, since_ms, until_ms, time.monotonic, sleep=time.sleep
    )
    source = Source(validator.arn.split(":")[4], group)
    backfill = Backfill(reader, source)
    if arguments.dry_run:
        backfill.count(progress)
    else:
        sender = Sender(_invoking_client(account), validator.name, time.sleep)
        backfill.send(sender, progress)
    if arguments.json:
        say(json.dumps(backfill.document(arguments)))
    else:
        for line in backfill.lines(arguments):
            say(line)
    return 1 if backfill.failure else 0


@dataclass
class Backfill:
    """One run.

    Attributes:
        reader: reads the log group.
        source: the account and log group of the lines.
        read: the number of tagged lines that were read.
        sent: the number of lines that the validator accepted.
        payloads: the number of payloads that it accepted, or would receive.
        verdicts: the number of lines by verdict, in a dry run.
        failure: why sending stopped.
        resume_ms: the time of the first line that was not accepted.
    """

    reader: Reader
    source: Source
    read: int = 0
    sent: int = 0
    payloads: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    failure: str | None = None
    resume_ms: int | None = None

    def count(self, progress: Output) -> None:
        """Count the lines, but send nothing. Signatures are not checked."""
        with _progress(progress, self.reader) as show:
            for events in self._rounds(show):
                self.payloads += sum(1 for _ in make_payloads(self.source, events))
                self.verdicts.update(str(judge(event["message"]).verdict) for event in events)

    def send(self, sender: Sender, progress: Output) -> None:
        """Send all lines, until the validator does not accept a payload."""
        reached_ms = self.reader.since_ms
        try:
            with _progress(progress, self.reader) as show:
                for events in self._rounds(show):
                    payloads = list(make_payloads(self.source, events))
                    if not self._took(payloads, sender.send(payloads)):
                        return
                    reached_ms = max((event["timestamp"] for event in events), default=reached_ms)
        except (CommandFailed, KeyboardInterrupt) as failed:
            if not self.sent:
                raise
            # The lines of this round are not sent yet.
            self.failure, self.resume_ms = str(failed) or "interrupted", reached_ms

    def _took(self, payloads: list[Payload], failures: list[SendingFailed | None]) -> bool:
        """Record the results of payloads, and return whether all were accepted."""
        for payload, failure in zip(payloads, failures, strict=True):
            if failure is None:
                self.sent += len(payload.events)
                self.payloads += 1
            else:
                self.failure = self.failure or str(failure)
                first_ms = first_time_ms(payload)
                self.resume_ms = min(first_ms, self.resume_ms or first_ms)
        return self.failure is None

    def _rounds(self, show: Callable[[int, int], None]) -> Iterator[list[Event]]:
        """Yield the lines, some megabytes at a time."""
        events: list[Event] = []
        size = 0
        for page in self.reader.pages():
            events += page
            self.read += len(page)
            size += sum(len(event["message"]) for event in page)
            show(self.read, page[-1]["timestamp"] if page else self.reader.since_ms)
            if size >= ROUND_BYTES:
                yield events
                events, size = [], 0
        if events:
            yield events

    def document(self, arguments: argparse.Namespace) -> dict[str, Any]:
        """Describe the outcome for a program. ``sent`` of a dry run is 0."""
        return {
            "log_group": self.source.log_group,
            "since": timestamp(self.reader.since_ms),
            "until": timestamp(self.reader.until_ms),
            "dry_run": arguments.dry_run,
            "read": self.read,
            "sent": self.sent,
            "payloads": self.payloads,
            "verdicts": self.verdicts,
            "failure": self.failure,
            "resume": None if self.resume_ms is None else timestamp(self.resume_ms),
        }

    def lines(self, arguments: argparse.Namespace) -> Iterator[str]:
        """Describe the outcome."""
        if self.reader.judged_here:
            yield "CloudWatch Logs refused the filter pattern, so all lines were read and judged."
        span = f"{timestamp(self.reader.since_ms)} to {timestamp(self.reader.until_ms)}"
        yield f"{clean(self.source.log_group)}: {count(self.read, 'tagged line')} read, {span}"
        payloads = count(self.payloads, "payload")
        if arguments.dry_run:
            parts = ", ".join(f"{number} {one}" for one, number in self.verdicts.most_common())
            yield f"{payloads} would be sent{': ' if parts else ''}{parts}"
        else:
            yield f"{count(self.sent, 'line')} sent to the validator in {payloads}"
        if self.failure and self.resume_ms is not None:
            yield f"Stopped: {clean(self.failure)}. Fix the cause, then continue:"
            again = ["--stack", arguments.stack, "--log-group", self.source.log_group]
            if arguments.deployment:
                again += ["--deployment", arguments.deployment]
            again += ["--since", timestamp(self.resume_ms)]
            again += ["--until", timestamp(self.reader.until_ms)]
            yield f"{PROGRAM} backfill {clean(shlex.join(again))}"


@contextmanager
def _progress(output: Output, reader: Reader) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar over the time range; nothing in a pipe."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TimeRemainingColumn(),
        console=output.console,
        transient=True,
        disable=not output.is_terminal,
    )
    task = bar.add_task("0 lines read", total=reader.until_ms - reader.since_ms)

    def show(lines: int, reached_ms: int) -> None:
        done = min(reached_ms, reader.until_ms) - reader.since_ms
        bar.update(task, description=f"{count(lines, 'line')} read", completed=done)

    with bar:
        yield show


def _time(text: str, account: Account) -> int:
    try:
        return parse_time(text, account.now)
    except argparse.ArgumentTypeError as error:
        raise CommandFailed(str(error)) from None


def _subscribed_ms(account: Account, deployment: Deployment, log_group: str) -> int:
    """Return when the stack's subscription filter was created; now if there is none."""
    with aws_must("read the stack's template"):
        tracked = find_tracked(account, deployment)
    names = {one.filter_name for one in tracked.groups if one.name == log_group}
    with must_read_log_group(account.client("logs"), log_group):
        found = subscription_filters(account, log_group)
    made = [one["creationTime"] for one in found if one["filterName"] in names]
    return min(made, default=int(1000 * account.now))


def _invoking_client(account: Account) -> Any:
    """Return a Lambda client for long invocations without retries."""
    from botocore.config import Config

    config = Config(read_timeout=_MAX_INVOCATION_SECONDS, retries={"total_max_attempts": 1})
    return account.make_client("lambda", config=config)
