"""Reads a session with the bridge's own code."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from openreplay_cw_stack.commands.deployed.account import Account
from openreplay_cw_stack.commands.deployed.deployment import Deployment
from openreplay_cw_stack.commands.errors import CommandFailed
from openreplay_cw_stack.contract import metrics as names
from openreplay_cw_stack.contract.session_table import is_tombstone
from openreplay_cw_stack.runtime.aws_calls import CallFailed
from openreplay_cw_stack.runtime.bridge.aws import DynamoDbTable, SqsQueueLength
from openreplay_cw_stack.runtime.bridge.bridge import Bridge
from openreplay_cw_stack.runtime.bridge.credentials import ApiKey, ApiKeys, KeysRead, KeyVersion
from openreplay_cw_stack.runtime.bridge.hits import MAX_HITS, timestamp
from openreplay_cw_stack.runtime.bridge.session_lines import (
    Page,
    Reading,
    SessionTable,
    read_session,
)
from openreplay_cw_stack.runtime.bridge.settings import Settings
from openreplay_cw_stack.tagging import ID_TAG_NAME

_DEADLINE_SECONDS = 60.0
_KEY = ApiKey("session", "session")

Hit = dict[str, Any]


@dataclass(frozen=True)
class SessionView:
    """A session as the bridge sees it now.

    Attributes:
        session: the session id.
        hits: the hits that the bridge returns now.
        held: the hits that it holds back for now.
        state: ``answered``, ``held back``, ``forgotten`` or ``empty``.
        reason: why the bridge returns no hits; empty if it returns some.
        skipped: the number of items that are not shown, by reason.
        waiting: whether lines wait in the retry queue; None if unknown.
    """

    session: int
    hits: list[Hit]
    held: list[Hit]
    state: str
    reason: str
    skipped: Mapping[str, int]
    waiting: bool | None

    def as_json(self, replay_url: str | None) -> str:
        """Return the view as one JSON document, with the link to the replay."""
        # The id as text: many JSON parsers lack 64-bit integers.
        head = {"session": str(self.session), "replay_url": replay_url}
        return json.dumps({**head, **vars(self), "session": str(self.session)}, indent=2)


def view_session(account: Account, deployment: Deployment, session: int) -> SessionView:
    """Read a session as the bridge reads it.

    Raises:
        CommandFailed: there is no bridge, or the session table cannot be read.
    """
    if deployment.bridge is None:
        raise CommandFailed(f"{deployment.name} has no bridge: deploy it with one")
    try:
        settings = Settings.from_environment(deployment.bridge.environment)
    except (KeyError, ValueError) as error:
        raise CommandFailed(
            f"the bridge is deployed in another version ({error}): deploy the stack again"
        ) from None
    arn = settings.session_table_arn
    client = account.regional_client("dynamodb", arn)
    queue = SqsQueueLength(settings.retry_queue_url, account.client("sqs"))
    try:
        waiting = queue()
    except CallFailed:
        waiting = None
    return _view(settings, DynamoDbTable(arn, client), waiting, int(account.now * 1000), session)


def _view(
    settings: Settings, table: SessionTable, waiting: bool | None, now_ms: int, session: int
) -> SessionView:
    # The operator has another address than OpenReplay, and a slower connection than the bridge.
    settings = settings.for_operator(_DEADLINE_SECONDS)
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
    if names.UNSETTLED_SEARCHES in counted:
        held, _ = answer(settings.without_holding_back())
        state, reason = "held back", _why_held(settings, reading)
    elif reading.forgotten:
        state, reason = "forgotten", pages.forgotten()
    elif not hits:
        state, reason = "empty", "the session table has no line of this session to show"
    return SessionView(session, hits, held, state, reason, dict(reading.skipped), waiting)


@dataclass
class _Pages:
    """The session table, read once, so that every response uses the same pages."""

    table: SessionTable
    read: dict[str, Page] = field(default_factory=dict)

    def page(self, session_id: int, *, start: Any = None) -> Page:
        """Return a page of a session's items, ascending; raises ReadFailed."""
        return self._once(f"{start}", lambda: self.table.page(session_id, start=start))

    def newest(self, session_id: int, limit: int) -> Page:
        """Return the last items of a session, descending; raises ReadFailed."""
        return self._once("newest", lambda: self.table.newest(session_id, limit))

    def forgotten(self) -> str:
        """Return when the session was forgotten, in words."""
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
    """Return the hits of the bridge's response to a search, and the metrics that it counted."""
    emitted: list[str] = []
    bridge = Bridge(
        settings=settings,
        keys=ApiKeys(lambda: KeysRead([KeyVersion("session", _KEY)]), time.monotonic),
        table=table,
        waiting=lambda: waiting,
        clock_ms=lambda: now_ms,
        timer=time.monotonic,
        emit=emitted.append,
    )
    answer = bridge.handle(_search_request(session))
    body = answer["body"]
    document = json.loads(base64.b64decode(body) if answer.get("isBase64Encoded") else body)
    if answer["statusCode"] != 200:
        raise CommandFailed(f"the bridge's code answers with status {answer['statusCode']}")
    return document["hits"]["hits"], {name for line in emitted for name in json.loads(line)}


def _search_request(session: int) -> dict[str, Any]:
    """Return OpenReplay's search as the event of an HTTP API."""
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
            "hold_until_over is set, and the session may still be running: session_lifetime is "
            f"{minutes} minutes"
        )
    newest = timestamp(reading.newest_arrival_ms or 0)
    return (
        f"its newest line arrived at {newest}, and the bridge waits until no line arrives for "
        f"{settings.settle_ms // 1000} seconds"
    )
