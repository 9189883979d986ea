"""A bridge with everything around it in memory."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from openreplay_cw_stack.contract.linked_line import LinkedLine
from openreplay_cw_stack.contract.session_table import (
    SORT_KEY,
    Attributes,
    pack_items,
    tombstone,
)
from openreplay_cw_stack.runtime.bridge.bridge import Bridge
from openreplay_cw_stack.runtime.bridge.credentials import (
    ApiKey,
    ApiKeys,
    KeysRead,
    KeyVersion,
)
from openreplay_cw_stack.runtime.bridge.session_lines import Page, ReadFailed
from openreplay_cw_stack.runtime.bridge.settings import Settings
from tests.tagging.tokens import session_of

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DAY_SECONDS = 86_400
NOW_MS = 1_795_492_800_000
START_MS = NOW_MS - 5 * HOUR_MS
KEY = ApiKey("openreplay", "a-key-of-48-characters-more-or-less")
SETTINGS = Settings(
    deployment="Shop",
    session_table_arn="arn:aws:dynamodb:eu-central-1:123456789012:table/lines",
    retry_queue_url="https://sqs.eu-central-1.amazonaws.com/123456789012/retry",
    api_key_secret_arn="arn:secret",
)
SESSION = session_of(START_MS)
OTHER_SESSION = session_of(START_MS, 8)


def a_line(number: int = 1, **changes: Any) -> LinkedLine:
    """A linked line, one second after the one before it."""
    values: dict[str, Any] = {
        "session": SESSION,
        "time": START_MS + 1000 * number,
        "id": f"{number:056}",
        "owner": "123456789012",
        "group": "/app/checkout",
        "stream": "web-1",
        "level": "error",
        "message": f"error {number}",
    }
    return LinkedLine(**{**values, **changes})


@dataclass
class MemoryTable:
    """A session table that does what Query does, page by page.

    Attributes:
        page_items: how many items a page has at most.
        page_bytes: how many bytes of lines a page has at most, but for one item.
        failures: codes of errors; each page raises one of them.
        newest_failure: likewise, of the reverse Query.
        pages: how many pages were asked for.
        newest_limits: the limit of each reverse Query.
        before_page: called before a page, and before the reverse Query.
    """

    page_items: int = 10_000
    page_bytes: int = 1_048_576
    failures: list[str] = field(default_factory=list)
    newest_failure: str | None = None
    pages: int = 0
    newest_limits: list[int] = field(default_factory=list)
    before_page: Callable[[], None] = lambda: None
    rows: dict[int, dict[str, Attributes]] = field(default_factory=dict)

    def put(
        self,
        *lines: LinkedLine,
        arrived_ms: int | None = None,
        retention_seconds: int = 30 * DAY_SECONDS,
    ) -> list[str]:
        """Store the lines of each session and log stream as one payload; the keys of the items.

        They arrive two seconds after the last of them, if nothing else is said.
        """
        payloads: dict[tuple[int, str, str, str], list[LinkedLine]] = {}
        for line in lines:
            source = (line.session, line.owner, line.group, line.stream)
            payloads.setdefault(source, []).append(line)
        keys = []
        for payload in payloads.values():
            arrival = arrived_ms
            if arrival is None:
                arrival = max(line.time for line in payload) + 2_000
            for item in pack_items(payload):
                self.put_item(
                    item.session,
                    item.attributes(arrived_ms=arrival, retention_seconds=retention_seconds),
                )
                keys.append(item.key)
        return keys

    def put_item(self, session: int, attributes: Attributes) -> None:
        """Store an item, whatever it holds."""
        self.rows.setdefault(session, {})[attributes[SORT_KEY]["S"]] = attributes

    def damage(self, session: int, key: str, **changes: Any) -> None:
        """Change attributes of an item; None takes one away."""
        attributes = {**self.rows[session][key], **changes}
        self.rows[session][key] = {name: one for name, one in attributes.items() if one is not None}

    def forget(self, session: int = SESSION, *, expired: bool = False) -> None:
        """Write a tombstone, and leave the lines where they are."""
        kept_seconds = 60 if expired else 30 * DAY_SECONDS
        self.put_item(
            session,
            tombstone(session, forgotten_ms=NOW_MS - HOUR_MS, kept_seconds=kept_seconds),
        )

    def page(self, session_id: int, *, start: Any = None) -> Page:
        self.before_page()
        self.pages += 1
        if self.failures:
            raise ReadFailed(self.failures.pop(0))
        rows = sorted(self.rows.get(session_id, {}).items())
        items: list[Attributes] = []
        size = 0
        for key, attributes in rows:
            if start is not None and key <= start:
                continue
            size += len(attributes.get("lines", {}).get("B", b""))
            if items and (size > self.page_bytes or len(items) >= self.page_items):
                return Page(items, items[-1][SORT_KEY]["S"])
            items.append(attributes)
        return Page(items)

    def newest(self, session_id: int, limit: int) -> Page:
        self.before_page()
        self.newest_limits.append(limit)
        if self.newest_failure:
            raise ReadFailed(self.newest_failure)
        rows = sorted(self.rows.get(session_id, {}).items(), reverse=True)
        return Page([attributes for _, attributes in rows[:limit]])


@dataclass
class World:
    """A bridge, its clocks, its log."""

    settings: Settings = SETTINGS
    table: MemoryTable = field(default_factory=MemoryTable)
    waiting: Callable[[], bool] = lambda: False
    keys: Sequence[KeyVersion] = (KeyVersion("version-1", KEY),)
    keys_failure: str | None = None
    key_reads: int = 0
    now_ms: int = NOW_MS
    seconds: float = 1000.0
    printed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.api_keys = ApiKeys(self._read_keys, lambda: self.seconds)

    def _read_keys(self) -> KeysRead:
        self.key_reads += 1
        return KeysRead(() if self.keys_failure else self.keys, self.keys_failure)

    def handle(self, event: object) -> dict[str, Any]:
        bridge = Bridge(
            settings=self.settings,
            keys=self.api_keys,
            table=self.table,
            waiting=self.waiting,
            clock_ms=lambda: self.now_ms,
            timer=lambda: self.seconds,
            emit=self.printed.append,
        )
        return bridge.handle(event)

    def ask(self, session_id: int | str = SESSION, **changes: Any) -> dict[str, Any]:
        """The body of the answer to OpenReplay's question, which must be a 200."""
        answer = self.handle(a_search(session_id, **changes))
        assert answer["statusCode"] == 200, answer
        return body_of(answer)

    def messages(self, session_id: int | str = SESSION, **changes: Any) -> list[str]:
        return [
            hit["_source"]["message"] for hit in self.ask(session_id, **changes)["hits"]["hits"]
        ]

    def metrics(self) -> dict[str, float]:
        """The metrics that were printed, those without further dimensions by their name alone."""
        found: dict[str, float] = {}
        for document in map(json.loads, self.printed):
            for directive in document.get("_aws", {}).get("CloudWatchMetrics", []):
                of = "".join(
                    f" {name}={document[name]}"
                    for name in directive["Dimensions"][0]
                    if name != "Deployment"
                )
                for metric in directive["Metrics"]:
                    found[metric["Name"] + of] = document[metric["Name"]]
        return found


def authorization(key: ApiKey = KEY, scheme: str = "APIKey") -> str:
    return f"{scheme} {base64.b64encode(f'{key.api_key_id}:{key.api_key}'.encode()).decode()}"


def an_event(
    method: str = "POST",
    path: str = "/logs/_search",
    body: str | None = None,
    *,
    headers: dict[str, str] | None = None,
    source: str = "203.0.113.9",
    **changes: Any,
) -> dict[str, Any]:
    """A request as an HTTP API hands it over (payload format 2.0)."""
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "track_total_hits=true",
        "headers": {
            "authorization": authorization(),
            "content-type": "application/json",
            "user-agent": "go-elasticsearch/8.18.0 (linux amd64; Go 1.23)",
            "x-elastic-client-meta": "es=8.18.0,go=1.23,t=8.6.1,hc=1.23",
            "accept-encoding": "gzip",
            **(headers or {}),
        },
        "requestContext": {
            "http": {"method": method, "path": path, "sourceIp": source, "protocol": "HTTP/1.1"}
        },
        **({} if body is None else {"body": body}),
        "isBase64Encoded": False,
        **changes,
    }


def a_search(session_id: int | str = SESSION, **changes: Any) -> dict[str, Any]:
    """OpenReplay's question, byte for byte."""
    size = changes.pop("size", 1000)
    body = (
        f'{{"size":{size},"query":{{"match_phrase":{{"message":'
        f'"openReplaySession.id={session_id}"}}}}}}'
    )
    return an_event(body=body, **changes)


def body_of(answer: dict[str, Any]) -> dict[str, Any]:
    text = answer["body"]
    content = base64.b64decode(text) if answer.get("isBase64Encoded") else text.encode()
    if answer["headers"].get("Content-Encoding") == "gzip":
        content = gzip.decompress(content)
    document: dict[str, Any] = json.loads(content)
    return document
