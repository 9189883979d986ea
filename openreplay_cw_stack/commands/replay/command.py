"""The command: replays each message of the dead-letter queue, and prints the outcome."""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from openreplay_cw_stack.commands.arguments import add_deployments_arguments, add_json_argument
from openreplay_cw_stack.commands.deployed.account import Account
from openreplay_cw_stack.commands.deployed.deployment import (
    Deployment,
    find_deployments,
    require_validator,
    variable,
)
from openreplay_cw_stack.commands.deployed.stack import read_stack
from openreplay_cw_stack.commands.replay.dead_letters import DeadLetters
from openreplay_cw_stack.commands.replay.errors import NotReplayed
from openreplay_cw_stack.commands.replay.replayer import Invocations, Replayer
from openreplay_cw_stack.commands.terminal import clean, count, say

HELP = "invoke the validator again with the messages of the dead-letter queue"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_deployments_arguments(parser)
    parser.add_argument(
        "--dry-run", action="store_true", help="count the messages, but change nothing"
    )
    add_json_argument(parser)
    parser.epilog = (
        "The command deletes each message after it has invoked the validator with all its "
        "payloads. It leaves payloads that this version cannot read, and prints the reason. You "
        "can repeat the command: no line is stored twice. It prints no line. Exit status: 0 if no "
        "message is left, 1 if messages are left, 2 if the command could not run. Permissions: "
        "cloudformation:DescribeStacks and ListStackResources on the stack, "
        "lambda:GetFunctionConfiguration on its functions, sqs:ReceiveMessage, DeleteMessage and "
        "ChangeMessageVisibility on the dead-letter queue, lambda:InvokeFunction on the validator; "
        "with a Kinesis stream kinesis:GetShardIterator and GetRecords on it."
    )


def run(arguments: argparse.Namespace) -> int:
    """Replay the messages, print the outcome and return the exit status.

    Raises:
        CommandFailed: the stack, the deployment or the queue does not exist, or AWS refuses a
            call.
    """
    account = Account(now=time.time())
    stack = read_stack(account, arguments.stack)
    anything_left = False
    for deployment in find_deployments(account, stack, arguments.deployment):
        outcome = _replay(account, deployment, dry_run=arguments.dry_run)
        if arguments.json:
            found = {"deployment": deployment.name, "dry_run": arguments.dry_run}
            say(json.dumps({**found, **dataclasses.asdict(outcome)}))
        else:
            for line in outcome.lines(dry_run=arguments.dry_run):
                say(f"{clean(deployment.name)}: {line}")
        anything_left |= bool(outcome.left)
    return 1 if anything_left else 0


@dataclass
class Outcome:
    """The outcome of a replay.

    Attributes:
        replayed: the number of messages that the validator was invoked with.
        payloads: the number of payloads in them.
        left: the number of messages that stay in the queue, by reason.
    """

    replayed: int = 0
    payloads: int = 0
    left: Counter[str] = field(default_factory=Counter)

    def lines(self, *, dry_run: bool) -> Iterator[str]:
        """Describe the outcome."""
        if not self.replayed and not self.left:
            yield "the dead-letter queue is empty"
        if self.replayed:
            messages, payloads = count(self.replayed, "message"), count(self.payloads, "payload")
            if dry_run:
                yield f"{messages} with {payloads}: the validator would be invoked again"
            else:
                yield f"{messages} with {payloads}: the validator was invoked again"
        for reason, number in sorted(self.left.items()):
            yield f"{count(number, 'message')} left: {clean(reason)}"


def _replay(account: Account, deployment: Deployment, *, dry_run: bool) -> Outcome:
    validator = require_validator(deployment)
    letters = DeadLetters(account.client("sqs"), variable(validator, "DEAD_LETTER_QUEUE_URL"))
    invocations = Invocations(account.client("lambda"), validator.name)
    replayer = Replayer(account, invocations, dry_run)
    outcome = Outcome()
    kept: list[dict[str, Any]] = []
    try:
        for message, is_new in letters.messages():
            try:
                if is_new:
                    # Otherwise a message that fails again at once causes an endless loop.
                    raise NotReplayed("arrived during the run; run the command again")
                payloads = replayer.replay(message["Body"])
                if not dry_run:
                    letters.delete(message)
            except NotReplayed as left:
                outcome.left[str(left)] += 1
                kept.append(message)
            else:
                outcome.replayed += 1
                outcome.payloads += payloads
                if dry_run:
                    kept.append(message)
    finally:
        for message in kept:
            letters.show(message)
    return outcome
