"""``session``: what the bridge answers for a session now, and why it holds an answer back.

The command runs the bridge's own code with the operator's credentials.
"""

from __future__ import annotations

import argparse
import base64
import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from openreplay_cw_stack.commands.deployed.account import Account
from openreplay_cw_stack.commands.deployed.deployment import Deployment, find_deployment
from openreplay_cw_stack.commands.deployed.stack import read_stack
from openreplay_cw_stack.commands.errors import CommandFailed
from openreplay_cw_stack.commands.terminal import Output, clean, count
from openreplay_cw_stack.contract import metrics as names
from openreplay_cw_stack.contract.session_table import is_tombstone
from openreplay_cw_stack.runtime.aws_calls import CallFailed, region_of
from openreplay_cw_stack.runtime.bridge.aws import DynamoDbTable, SqsQueueLength
from openreplay_cw_stack.runtime.bridge.bridge import Bridge
from openreplay_cw_stack.runtime.bridge.credentials import ApiKey, ApiKeys, KeyVersion
from openreplay_cw_stack.runtime.bridge.hits import MAX_HITS, timestamp
from openreplay_cw_stack.runtime.bridge.session_lines import (
    Page,
    Reading,
    SessionTable,
    read_session,
)
from openreplay_cw_stack.runtime.bridge.settings import Settings
from openreplay_cw_stack.tagging import ID_TAG_NAME, parse_session_id

HELP = "print what the bridge answers for a session"

_DEADLINE_SECONDS = 60.0
_KEY = ApiKey("session", "session")
_LEVEL_STYLES = {"error": "red", "warning": "yellow", "info": "", "debug": "dim"}

Hit = dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    add_session_arguments(parser)
    parser.add_argument("session", type=session_id, metavar="ID", help="the session's decimal id")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    parser.epilog = (
        "The id is in the address of the replay and in the output of `judge`; a session token is "
        "not accepted. Ends with 0 where the bridge answers with lines, with 1 where it does not, "
        "with 2 where the command could not run. Permissions: cloudformation:DescribeStacks and "
        "ListStackResources on the stack, lambda:GetFunctionConfiguration on its functions, "
        "dynamodb:Query on the session table (and kms:Decrypt where it has a key of its own), "
        "sqs:GetQueueAttributes on the retry queue."
    )


def add_session_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments that name a deployment."""
    parser.add_argument("--stack", required=True, help="the name of the deployed stack")
    parser.add_argument("--deployment", help="which one, if the stack has several")


def session_id(text: str) -> int:
    """A decimal session id. The error never quotes the text, which may be a session token."""
    try:
        return parse_session_id(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            "a session id is a decimal number of 64 bits; a session token is not accepted"
        ) from None


@dataclass(frozen=True)
class SessionView:
    """A session as the bridge sees it now.

    Attributes:
        session: the session id.
        hits: what the bridge answers now.
        held: what it answers once it no longer holds the answer back.
        state: ``answered``, ``held back``, ``forgotten`` or ``empty``.
        reason: why it is not answered; empty where it is.
        skipped: items that are not shown, by reason.
        waiting: whether lines wait in the retry queue; None where that is not known.
    """

    session: int
    hits: list[Hit]
    held: list[Hit]
    state: str
    reason: str
    skipped: Mapping[str, int]
    waiting: bool | None

    def as_json(self) -> str:
        """The view as one JSON document."""
        # The id as a text: most readers of JSON have no integers of 64 bits.
        return json.dumps({**vars(self), "session": str(self.session)}, indent=2)


def run(arguments: argparse.Namespace) -> int:
    """Print the session; the exit status.

    Raises:
        CommandFailed: the stack, the deployment or its bridge is not there, or AWS refuses.
    """
    output = None if arguments.json else Output(sys.stdout)
    account = Account(now=time.time(), minutes=60)
    stack = read_stack(account, arguments.stack)
    deployment = find_deployment(account, stack, arguments.deployment)
    view = view_session(account, deployment, arguments.session)
    if output is None:
        print(view.as_json())  # noqa: T201
    else:
        _print(output, view)
    return 0 if view.state == "answered" else 1


def view_session(account: Account, deployment: Deployment, session: int) -> SessionView:
    """See a session as the bridge sees it.

    Raises:
        CommandFailed: there is no bridge, or the session table cannot be read.
    """
    if deployment.bridge is None:
        raise CommandFailed(f"{deployment.name} has no bridge: deploy it with one")
    try:
        settings = Settings.from_environment(deployment.bridge.environment)
    except (KeyError, ValueError) as error:
        raise CommandFailed(
            f"the bridge's environment is of another version ({error}): deploy the stack again"
        ) from None
    arn = settings.session_table_arn
    client = account.make_client("dynamodb", region_name=region_of(arn))
    queue = SqsQueueLength(settings.retry_queue_url, account.client("sqs"))
    try:
        waiting = queue()
    except CallFailed:
        waiting = None
    return _view(settings, DynamoDbTable(arn, client), waiting, int(account.now * 1000), session)


def _view(
    settings: Settings, table: SessionTable, waiting: bool | None, now_ms: int, session: int
) -> SessionView:
    # The operator's address is not OpenReplay's, and the operator's connection is slower.
    settings = replace(settings, allowed_source_ranges=(), deadline_seconds=_DEADLINE_SECONDS)
    pages = _Pages(table)
    began = time.monotonic()
    reading = read_session(
        pages,
        session,
        wanted=MAX_HITS,
        now_ms=now_ms,
        time_left=lambda: _DEADLINE_SECONDS - (time.monotonic() - began),
    )
    if reading.timed_out:
        raise CommandFailed(
            f"cannot read the session from the session table: {reading.failure or 'too slow'}"
        )

    def answer(settings: Settings) -> tuple[list[Hit], set[str]]:
        return _answer(settings, pages, bool(waiting), now_ms, session)

    hits, counted = answer(settings)
    held: list[Hit] = []
    state, reason = "answered", ""
    if names.UNSETTLED_ANSWERS in counted:
        held, _ = answer(replace(settings, settle_ms=0, hold_until_over=False))
        state, reason = "held back", _why_held(settings, reading)
    elif reading.forgotten:
        state, reason = "forgotten", pages.forgotten()
    elif not hits:
        state, reason = "empty", "the session table has no line of this session to show"
    return SessionView(session, hits, held, state, reason, dict(reading.skipped), waiting)


@dataclass
class _Pages:
    """The session table, read once: every answer is made of the same pages."""

    table: SessionTable
    read: dict[str, Page] = field(default_factory=dict)

    def page(self, session_id: int, *, start: Any = None) -> Page:
        """A page of a session's items, ascending; raises ReadFailed."""
        return self._once(f"{start}", lambda: self.table.page(session_id, start=start))

    def newest(self, session_id: int, limit: int) -> Page:
        """The last items of a session, descending; raises ReadFailed."""
        return self._once("newest", lambda: self.table.newest(session_id, limit))

    def forgotten(self) -> str:
        """When the session was forgotten, in words."""
        items = [item for page in self.read.values() for item in page.items]
        for item in filter(is_tombstone, items):
            try:
                return f"`forget` deleted it at {timestamp(int(item['forgotten']['N']))}"
            except (KeyError, TypeError, ValueError):
                break
        return "it has a tombstone, which `forget` wrote"

    def _once(self, key: str, read: Callable[[], Page]) -> Page:
        if key not in self.read:
            self.read[key] = read()
        return self.read[key]


def _answer(
    settings: Settings, table: SessionTable, waiting: bool, now_ms: int, session: int
) -> tuple[list[Hit], set[str]]:
    """The hits of the bridge's answer to OpenReplay's question, and the metrics it counted."""
    emitted: list[str] = []
    bridge = Bridge(
        settings=settings,
        keys=ApiKeys(lambda: [KeyVersion("session", _KEY)], time.monotonic),
        table=table,
        waiting=lambda: waiting,
        clock_ms=lambda: now_ms,
        timer=time.monotonic,
        emit=emitted.append,
    )
    answer = bridge.handle(_question(session))
    body = answer["body"]
    document = json.loads(base64.b64decode(body) if answer.get("isBase64Encoded") else body)
    if answer["statusCode"] != 200:
        raise CommandFailed(f"the bridge's code answers with {answer['statusCode']}")
    return document["hits"]["hits"], {name for line in emitted for name in json.loads(line)}


def _question(session: int) -> dict[str, Any]:
    """OpenReplay's question, as an HTTP API hands it to the bridge."""
    key = base64.b64encode(f"{_KEY.api_key_id}:{_KEY.api_key}".encode()).decode()
    query = {"match_phrase": {"message": f"{ID_TAG_NAME}={session}"}}
    return {
        "version": "2.0",
        "rawPath": "/logs/_search",
        "rawQueryString": "",
        "headers": {"authorization": f"APIKey {key}", "content-type": "application/json"},
        "requestContext": {
            "http": {"method": "POST", "path": "/logs/_search", "sourceIp": "127.0.0.1"}
        },
        "body": json.dumps({"size": MAX_HITS, "query": query}),
        "isBase64Encoded": False,
    }


def _why_held(settings: Settings, reading: Reading) -> str:
    if settings.hold_until_over:
        minutes = settings.session_lifetime_ms // 60_000
        return (
            "hold_until_over is set and the session may still run: the bridge takes "
            f"{minutes} minutes for the longest session"
        )
    newest = timestamp(reading.newest_arrival_ms or 0)
    return (
        f"its newest line arrived at {newest}, and the bridge waits until no line has arrived for "
        f"{settings.settle_ms // 1000} seconds"
    )


def _print(output: Output, view: SessionView) -> None:
    from rich.table import Table
    from rich.text import Text

    hits = view.hits or view.held
    if hits:
        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
        table.add_column("TIME", no_wrap=True)
        table.add_column("LEVEL", no_wrap=True)
        table.add_column("LOG GROUP", overflow="fold", max_width=32 if output.is_terminal else None)
        table.add_column("MESSAGE", overflow="fold")
        for hit in hits:
            source = hit["_source"]
            level, group = source["level"], source["log_group"]
            message = source["message"].removeprefix(f"{group}: ")
            table.add_row(
                source["@timestamp"],
                Text(level, style=_LEVEL_STYLES.get(level, "")),
                clean(group),
                "\n".join(map(clean, message.split("\n"))),
            )
        output.show(table)
        output.line()
    output.show(f"Session {view.session}: {_summary(view)}")
    if view.skipped:
        parts = ", ".join(f"{number} {reason}" for reason, number in sorted(view.skipped.items()))
        output.show(f"Items that are not shown: {parts}.")
    if view.waiting is None:
        output.show("Whether lines wait in the retry queue is not known: AWS refuses the look-up.")
    elif view.waiting:
        output.show("Lines wait in the retry queue. If they are of this session, they are missing.")


def _summary(view: SessionView) -> str:
    if view.state == "answered":
        return f"the bridge answers with {count(len(view.hits), 'hit')}."
    shown = f" The {count(len(view.held), 'hit')} above are held back." if view.held else ""
    return f"{view.state}: {view.reason}.{shown}"
