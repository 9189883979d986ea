"""``forget``: deletes the lines of sessions from the session table.

The command first writes a tombstone, which hides lines that are not stored yet: a payload stays in
the dead-letter queue for 14 days, a record in the stream for at most 7 days, a message in the retry
queue for one day, and their lines are kept for ``line_retention``. The tombstone is kept for
``line_retention`` plus 28 days.
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
    add_yes_argument,
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
from openreplay_cw_stack.runtime.aws_calls import THROTTLED, error_code

HELP = "delete the lines of sessions from the session table"

ON_THEIR_WAY_SECONDS = 2 * QUEUE_RETENTION_SECONDS
"""The longest time until a line reaches the table, with slack: see above."""
MAX_PASSES = 100
"""The maximum reads of a session. More lines of a running session may arrive in between."""

_MAX_ATTEMPTS = 12

Request = Mapping[str, Any]


class NotForgotten(Exception):
    """Some items of a session were not deleted. The message gives the reason."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_deployment_arguments(parser)
    parser.add_argument(
        "sessions", nargs="+", type=session_id, metavar="ID", help="a session's decimal id"
    )
    add_yes_argument(parser)
    add_json_argument(parser)
    parser.epilog = (
        "You can repeat the command. For line_retention plus 28 days, a tombstone hides lines that "
        "arrive later, including those of a session that is still running. Exit status: 0 if every "
        "session is deleted, 1 if items are left, 2 if the command could not run. "
        "Permissions: cloudformation:DescribeStacks and ListStackResources on the stack, "
        "lambda:GetFunctionConfiguration on its functions, dynamodb:Query and BatchWriteItem on "
        "the session table (and kms:Decrypt if it has a customer managed key)."
    )


def run(arguments: argparse.Namespace) -> int:
    """Delete the sessions and return the exit status.

    Raises:
        CommandFailed: the deployment does not exist, AWS refuses a call, or the user does not
            confirm.
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
            # As text: many JSON parsers lack 64-bit integers.
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
        client: a client of DynamoDB.
        arn: the ARN of the session table.
        kept_seconds: how long a tombstone is kept.
        clock: returns the seconds since 1970.
        sleep: waits for a number of seconds.
    """

    client: Any
    arn: str
    kept_seconds: int
    clock: Callable[[], float]
    sleep: Callable[[float], None]

    def forget(self, session: int) -> int:
        """Write the tombstone, delete every other item, and return the number of deleted items.

        Raises:
            NotForgotten: DynamoDB throttled for too long, or items kept arriving.
            CommandFailed: AWS refuses a call.
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
        """Yield the keys of a session's items except its tombstone, page by page."""
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
        raise NotForgotten(f"DynamoDB throttled {count(len(requests), 'write')} for too long")

    def _call(self, requests: Sequence[Request]) -> Sequence[Request]:
        """Call BatchWriteItem, and return the requests that DynamoDB throttled."""
        try:
            answer = self.client.batch_write_item(RequestItems={self.arn: list(requests)})
        except Exception as error:
            if error_code(error) not in THROTTLED:
                raise
            return requests
        unprocessed = answer.get("UnprocessedItems") or {}
        return [request for table in unprocessed.values() for request in table]


def _not_reached(days: int) -> str:
    return (
        "This command does not delete:\n"
        "- the original lines in the tracked log groups, which `check` lists\n"
        "- lines in the retry queue, the dead-letter queue and a Kinesis stream, which a tombstone "
        f"hides for {days} days\n"
        "- lines that OpenReplay already received: also delete the session there"
    )
