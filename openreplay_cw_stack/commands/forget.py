"""``forget``: deletes the lines of sessions from the session table.

A tombstone is written first. It hides the lines that are still on their way: a payload in the
dead-letter queue lives 14 days there, a record in the stream at most 7, a message in the retry
queue one day, and what they bring lives for ``line_retention``. The tombstone is kept for
``line_retention`` and 28 days.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from openreplay_cw_stack.commands.arguments import (
    add_deployment_arguments,
    add_json_argument,
    session_id,
)
from openreplay_cw_stack.commands.attempts import attempts
from openreplay_cw_stack.commands.aws import aws_must
from openreplay_cw_stack.commands.deployed.account import Account
from openreplay_cw_stack.commands.deployed.deployment import (
    find_deployment,
    require_validator,
    variable,
)
from openreplay_cw_stack.commands.deployed.stack import read_stack
from openreplay_cw_stack.commands.terminal import confirm, count, say
from openreplay_cw_stack.contract.limits import ITEMS_PER_BATCH_WRITE, QUEUE_RETENTION_SECONDS
from openreplay_cw_stack.contract.session_table import (
    PARTITION_KEY,
    SORT_KEY,
    TOMBSTONE,
    tombstone,
)
from openreplay_cw_stack.runtime.aws_calls import error_code

HELP = "delete the lines of sessions from the session table"

ON_THEIR_WAY_SECONDS = 2 * QUEUE_RETENTION_SECONDS
"""The longest time that a line is on its way to the table, with slack: see above."""
MAX_PASSES = 100
"""The most reads of a session: lines of a running session may arrive meanwhile."""

_MAX_ATTEMPTS = 12
_THROTTLED = (
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ThrottlingException",
)

Request = Mapping[str, Any]


class NotForgotten(Exception):
    """Some items of a session are still there. The message says why."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    add_deployment_arguments(parser)
    parser.add_argument(
        "sessions", nargs="+", type=session_id, metavar="ID", help="a session's decimal id"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    add_json_argument(parser)
    parser.epilog = (
        "The command may be repeated. A tombstone hides lines that arrive later, also those of a "
        "session that still runs, for line_retention and 28 days. Ends with 0 where every session "
        "is deleted, with 1 where items are left, with 2 where the command could not run. "
        "Permissions: cloudformation:DescribeStacks and ListStackResources on the stack, "
        "lambda:GetFunctionConfiguration on its functions, dynamodb:Query and BatchWriteItem on "
        "the session table (and kms:Decrypt where it has a key of its own)."
    )


def run(arguments: argparse.Namespace) -> int:
    """Delete the sessions and return the exit status.

    Raises:
        CommandFailed: the deployment is not there, AWS refuses, or it is not confirmed.
    """
    account = Account(now=time.time())
    stack = read_stack(account, arguments.stack)
    validator = require_validator(find_deployment(account, stack, arguments.deployment))
    arn = variable(validator, "SESSION_TABLE_ARN")
    kept_seconds = int(variable(validator, "LINE_RETENTION_SECONDS")) + ON_THEIR_WAY_SECONDS
    sessions = list(dict.fromkeys(arguments.sessions))
    if not arguments.yes:
        confirm(f"Delete the lines of {count(len(sessions), 'session')} from {arn}?")
    client = account.regional_client("dynamodb", arn)
    table = Eraser(client, arn, kept_seconds, time.time, time.sleep)
    complete = True
    for session in sessions:
        try:
            deleted = table.forget(session)
        except NotForgotten as left:
            complete = False
            result: dict[str, object] = {"deleted": None, "left": str(left)}
            said = f"{left}; run the command again"
        else:
            result = {"deleted": deleted, "left": None}
            said = f"{count(deleted, 'item')} deleted, none left"
        if arguments.json:
            # As a text: most readers of JSON have no integers of 64 bits.
            say(json.dumps({"session": str(session), **result}))
        else:
            say(f"{session}: {said}")
    if not arguments.json:
        say(_not_reached(kept_seconds // 86_400))
    return 0 if complete else 1


@dataclass(frozen=True)
class Eraser:
    """Deletes sessions from one table.

    Attributes:
        client: of DynamoDB.
        arn: the session table.
        kept_seconds: how long a tombstone is kept.
        clock: seconds since 1970.
        sleep: waits for so many seconds.
    """

    client: Any
    arn: str
    kept_seconds: int
    clock: Callable[[], float]
    sleep: Callable[[float], None]

    def forget(self, session: int) -> int:
        """Write the tombstone, delete every other item, and return how many there were.

        Raises:
            NotForgotten: DynamoDB throttled for too long, or items kept arriving.
            CommandFailed: AWS refuses.
        """
        item = tombstone(
            session, forgotten_ms=int(self.clock() * 1000), kept_seconds=self.kept_seconds
        )
        self._write([{"PutRequest": {"Item": item}}])
        deleted = 0
        for _ in range(MAX_PASSES):
            found = 0
            for keys in self._pages(session):
                found += len(keys)
                for first in range(0, len(keys), ITEMS_PER_BATCH_WRITE):
                    batch = keys[first : first + ITEMS_PER_BATCH_WRITE]
                    self._write([{"DeleteRequest": {"Key": key}} for key in batch])
            if not found:
                return deleted
            deleted += found
        raise NotForgotten(f"{count(deleted, 'item')} deleted, and items are still arriving")

    def _pages(self, session: int) -> Iterator[list[Mapping[str, Any]]]:
        """The keys of a session's items without its tombstone, page by page, as they are now."""
        start: dict[str, Any] = {}
        while True:
            with aws_must("read the session table"):
                page = self.client.query(
                    TableName=self.arn,
                    ConsistentRead=True,
                    KeyConditionExpression="#session = :session",
                    ProjectionExpression="#session, #item",
                    ExpressionAttributeNames={"#session": PARTITION_KEY, "#item": SORT_KEY},
                    ExpressionAttributeValues={":session": {"S": str(session)}},
                    **start,
                )
            yield [one for one in page["Items"] if one[SORT_KEY]["S"] != TOMBSTONE]
            if not page.get("LastEvaluatedKey"):
                return
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    def _write(self, requests: Sequence[Request]) -> None:
        """Write until DynamoDB has processed everything."""
        for _ in attempts(_MAX_ATTEMPTS, self.sleep, first_pause=0.1, max_pause=10.0):
            with aws_must("write to the session table"):
                requests = self._call(requests)
            if not requests:
                return
        raise NotForgotten(f"DynamoDB throttles, {count(len(requests), 'write')} not done")

    def _call(self, requests: Sequence[Request]) -> Sequence[Request]:
        """One BatchWriteItem; the requests that DynamoDB throttled."""
        try:
            answer = self.client.batch_write_item(RequestItems={self.arn: list(requests)})
        except Exception as error:
            if error_code(error) not in _THROTTLED:
                raise
            return requests
        unprocessed = answer.get("UnprocessedItems") or {}
        return [request for table in unprocessed.values() for request in table]


def _not_reached(days: int) -> str:
    return (
        "Not reached by this command:\n"
        "- the tracked log groups have the original lines: `check` lists the groups\n"
        "- payloads in the retry queue, the dead-letter queue and a Kinesis stream: a tombstone "
        f"hides their lines for {days} days\n"
        "- OpenReplay keeps the answers that it got: delete the session there as well"
    )
