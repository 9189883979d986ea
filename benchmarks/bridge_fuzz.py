"""Hostile requests to the bridge, and hostile items in its table.

The requests are OpenReplay's requests with random parts replaced, or arbitrary data. The items are
real items with random bytes, attributes or versions. ``CASES=1000000`` sets the number of each.
"""

from __future__ import annotations

import base64
import json
import os
import random
import zlib
from collections import Counter
from typing import Any

from benchmarks.bridge_cost import bridge_for, lines_of, search_request
from benchmarks.subscription_payloads import NOW_MS
from openreplay_cw_stack.contract.session_table import (
    PARTITION_KEY,
    SORT_KEY,
    Attributes,
    pack_items,
)
from openreplay_cw_stack.runtime.bridge.session_lines import Page, SessionTable

CASES = int(os.environ.get("CASES", "50000"))
LEVELS = {"error", "warning", "info", "debug"}
_SESSION = (NOW_MS - 5 * 3_600_000 - 1_550_000_000_000) << 24
_VALUES: list[Any] = [
    None, True, 0, -1, 10**400, 1.5, "", "\x00", "\ud800", "é" * 300, [], {}, [[[]]], {"a": {}},
    "APIKey !!!", "Basic Og==", "POST", "//logs///_search", "%2e%2e", "9" * 80, b"\x00",
    [[0, "", "error", ""]], [[2**70, "1", "info", "x"]],
]  # fmt: skip
_ATTRIBUTES: list[dict[str, Any]] = [
    {"NULL": True}, {"BOOL": False}, {"S": ""}, {"S": "x" * 5000}, {"N": "1.5"}, {"N": "-1"},
    {"N": "2"}, {"N": "1E+120"}, {"B": b""}, {"B": b"x"}, {"L": []}, {"M": {}}, {"SS": ["a"]},
]  # fmt: skip


class _Items:
    """A table of one session, with items that may be damaged."""

    def __init__(self, items: list[Attributes]) -> None:
        self._items = items

    def page(self, _session_id: int, *, start: Any = None) -> Page:
        return Page([] if start else self._items)

    def newest(self, _session_id: int, limit: int) -> Page:
        return Page(self._items[::-1][:limit])


def run() -> None:
    """Print the number of responses by status. Fail on any error of the bridge."""
    source = random.Random(int(os.environ.get("SEED", "1")))
    (item,) = pack_items(lines_of(_SESSION, 5, 200))
    stored = item.attributes(arrived_ms=NOW_MS - 3_600_000, retention_seconds=86_400)
    statuses: Counter[int] = Counter()
    shown = 0
    for _ in range(CASES):
        statuses[_ask(_Items([stored]), _mutated(source, search_request(_SESSION)))[0]] += 1
        hostile = _hostile(source, stored)
        status, hits = _ask(_Items([hostile, stored]), search_request(_SESSION))
        if status != 200:
            raise AssertionError("a hostile item made an error")
        shown += hits > 0
    by_status = dict(sorted(statuses.items()))
    print(f"\n{CASES:,} hostile requests: no exception, no 5xx; by status: {by_status}")
    print(f"{CASES:,} hostile items: no fault; the good item beside it was shown {shown:,} times")


def _ask(table: SessionTable, event: object) -> tuple[int, int]:
    printed: list[str] = []
    answer = bridge_for(table, printed.append).handle(event)
    if answer["statusCode"] >= 500 or any("FailedSearches" in line for line in printed):
        raise AssertionError(f"a fault: {printed}")
    body = answer["body"]
    if not body or answer["statusCode"] != 200:
        return answer["statusCode"], 0
    document = json.loads(base64.b64decode(body) if answer["isBase64Encoded"] else body)
    hits = document.get("hits", {}).get("hits", [])
    if any(hit["_source"]["level"] not in LEVELS for hit in hits):
        raise AssertionError("a hit that the player cannot show")
    return answer["statusCode"], len(hits)


def _hostile(source: random.Random, item: Attributes) -> Attributes:
    """Return a random item that DynamoDB could hold: keys are texts, and values have a type."""
    hostile = dict(item)
    for _ in range(source.randrange(1, 4)):
        name = source.choice([name for name in item if name != PARTITION_KEY])
        if name == SORT_KEY:
            key = str(_changed(source, item[SORT_KEY]["S"]))
            hostile[name] = {"S": key.encode("utf-8", "replace").decode() or "0"}
        elif source.random() < 0.2:
            hostile.pop(name, None)
        elif source.random() < 0.5:
            hostile[name] = source.choice(_ATTRIBUTES)
        elif name == "lines":
            hostile[name] = {"B": _damaged(source, item[name]["B"])}
        else:
            hostile[name] = {"N": str(source.randrange(-(10**38), 10**38))}
    return hostile


def _damaged(source: random.Random, deflated: bytes) -> bytes:
    if source.random() < 0.5:
        at = source.randrange(len(deflated))
        return deflated[:at] + source.randbytes(1) + deflated[at + source.randrange(3) :]
    document = _mutated(source, json.loads(zlib.decompress(deflated)))
    text = json.dumps(document, default=str)
    return zlib.compress(text.encode() * source.choice((1, 1, 1, 5000)))


def _mutated(source: random.Random, value: Any) -> Any:
    """Return a value with one to three of its parts replaced, removed or damaged."""
    for _ in range(source.randrange(1, 4)):
        value = _changed(source, value)
    return value


def _changed(source: random.Random, value: Any) -> Any:
    if isinstance(value, dict) and value and source.random() < 0.9:
        name = source.choice(list(value))
        if source.random() < 0.15:
            return {key: one for key, one in value.items() if key != name}
        return {**value, name: _changed(source, value[name])}
    if isinstance(value, str) and value and source.random() < 0.5:
        at = source.randrange(len(value))
        return value[:at] + source.choice(["", "\\", '"', "{", "0", "\ud800"]) + value[at + 1 :]
    if isinstance(value, bytes) and value and source.random() < 0.7:
        at = source.randrange(len(value))
        return value[:at] + source.randbytes(1) + value[at + source.randrange(3) :]
    return source.choice(_VALUES)
