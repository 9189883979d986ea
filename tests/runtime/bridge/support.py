"""A bridge with everything around it in memory."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from openreplay_cw_stack.runtime.bridge.bridge import Bridge
from openreplay_cw_stack.runtime.bridge.credentials import (
    ApiKey,
    ApiKeys,
    KeysUnavailable,
    KeyVersion,
)
from openreplay_cw_stack.runtime.bridge.session_lines import Page, ReadFailed
from openreplay_cw_stack.runtime.bridge.settings import Settings
from openreplay_cw_stack.runtime.linked_line import LinkedLine
from openreplay_cw_stack.tagging import id_tag
from openreplay_cw_stack.tagging.session_id import EPOCH_MS

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
NOW_MS = 1_795_492_800_000
START_MS = NOW_MS - 5 * HOUR_MS
KEY = ApiKey("openreplay", "a-key-of-48-characters-more-or-less")
SETTINGS = Settings("Shop", "/openreplay/linked", "arn:secret")


def session_of(start_ms: int, sequence: int = 7) -> int:
    return (start_ms - EPOCH_MS << 24) | sequence


SESSION = session_of(START_MS)
OTHER_SESSION = session_of(START_MS, 8)


def a_line(number: int = 1, **changes: Any) -> LinkedLine:
    session = changes.pop("session", SESSION)
    text = changes.pop("text", f"error {number}")
    values: dict[str, Any] = {
        "time": START_MS + 1000 * number,
        "id": f"{number:056}",
        "owner": "123456789012",
        "group": "/app/checkout",
        "stream": "web-1",
        "level": "error",
    }
    return LinkedLine(session=session, message=f"{id_tag(session)} {text}", **{**values, **changes})


@dataclass
class Group:
    """A linked log group that does what FilterLogEvents does, page by page."""

    events: list[tuple[int, str]] = field(default_factory=list)
    page_size: int = 10_000
    calls: list[dict[str, Any]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    before_page: Callable[[], None] = lambda: None

    def add(self, *lines: LinkedLine, delay_ms: int = 2_000) -> None:
        self.events += [(line.time + delay_ms, line.encode()) for line in lines]

    def page(
        self, *, pattern: str, start_ms: int, end_ms: int, token: str | None, limit: int | None
    ) -> Page:
        self.before_page()
        self.calls.append({"pattern": pattern, "start_ms": start_ms, "end_ms": end_ms})
        if self.failures:
            raise ReadFailed(self.failures.pop(0))
        phrase = pattern.strip('"')
        ordered = sorted(self.events, key=lambda event: event[0])
        position = int(token or 0)
        looked_at = ordered[position : position + self.page_size]
        found = [
            event for event in looked_at if start_ms <= event[0] <= end_ms and phrase in event[1]
        ]
        following = position + self.page_size
        return Page(found[:limit], str(following) if following < len(ordered) else None)


@dataclass
class World:
    """A bridge, its clocks, its log."""

    settings: Settings = SETTINGS
    group: Group = field(default_factory=Group)
    keys: Sequence[KeyVersion] = (KeyVersion("version-1", KEY),)
    keys_failure: str | None = None
    key_reads: int = 0
    now_ms: int = NOW_MS
    seconds: float = 1000.0
    printed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.api_keys = ApiKeys(self._read_keys, lambda: self.seconds)

    def _read_keys(self) -> Sequence[KeyVersion]:
        self.key_reads += 1
        if self.keys_failure:
            raise KeysUnavailable(self.keys_failure)
        return self.keys

    def handle(self, event: object) -> dict[str, Any]:
        bridge = Bridge(
            settings=self.settings,
            keys=self.api_keys,
            group=self.group,
            clock_ms=lambda: self.now_ms,
            timer=lambda: self.seconds,
            emit=self.printed.append,
        )
        return bridge.handle(event)

    def ask(self, session_id: int = SESSION, **changes: Any) -> dict[str, Any]:
        """The body of the answer to OpenReplay's question, which must be a 200."""
        answer = self.handle(a_search(session_id, **changes))
        assert answer["statusCode"] == 200, answer
        return body_of(answer)

    def messages(self, session_id: int = SESSION, **changes: Any) -> list[str]:
        return [
            hit["_source"]["message"] for hit in self.ask(session_id, **changes)["hits"]["hits"]
        ]

    def metrics(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for line in self.printed:
            document = json.loads(line)
            for directive in document.get("_aws", {}).get("CloudWatchMetrics", []):
                for metric in directive["Metrics"]:
                    found[metric["Name"]] = document[metric["Name"]]
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
    """A request as a function URL hands it over (payload format 2.0)."""
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
