"""The cost of one search while the session table grows.

The benchmark uses the embedded AWS's DynamoDB (``STAND_IN=1``: a table in memory). It writes
sessions of five lines until the table has 33,000 lines, and then a million. In between, the whole
bridge, except HTTP, answers searches of OpenReplay. One search must cause one Query, read the same
number of units, and take the same time. The machine's speed changes during the minutes of writing,
so a second table, which keeps its 33,000 lines, is searched alternately for the ratio.

The second part is one session of 100,000 lines, stored in four ways. If all lines have the same
time, the bridge must read all of them before it drops any. This takes the embedded AWS, a Python
program, several seconds, so the bound applies to the bridge's own time.
"""

from __future__ import annotations

import base64
import json
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any

from benchmarks.cost_model import item_bytes
from benchmarks.measuring import Bounds
from benchmarks.simulation import Clock, Table
from benchmarks.subscription_payloads import NOW_MS
from emulator import Emulator
from openreplay_cw_stack.contract.linked_line import LinkedLine
from openreplay_cw_stack.contract.session_table import (
    PARTITION_KEY,
    SORT_KEY,
    Attributes,
    pack_items,
)
from openreplay_cw_stack.runtime.bridge.aws import DynamoDbTable
from openreplay_cw_stack.runtime.bridge.bridge import Bridge
from openreplay_cw_stack.runtime.bridge.credentials import ApiKey, ApiKeys, KeysRead, KeyVersion
from openreplay_cw_stack.runtime.bridge.session_lines import Page, SessionTable
from openreplay_cw_stack.runtime.bridge.settings import Settings
from openreplay_cw_stack.tagging import id_tag

LINES = (33_000, 1_000_000)
LINES_OF_A_SESSION = 5
LINES_OF_THE_LARGE_SESSION = 100_000
SEARCHES = 300
RATIO = 1.2
SECONDS = 3.0
PAGES = 5
"""The most pages of 1 MB that a response about the large session can read."""
LARGE_ITEMS_OF = (20, 500)

_DAY_SECONDS = 86_400
_ITEMS_OF_A_CALL = 25
_WRITERS = 2
_FIRST_SESSION = (NOW_MS - 5 * 3_600_000 - 1_550_000_000_000) << 24
_TEXT = (
    "2026-11-24 03:12:44,123 ERROR shop.checkout: payment={number} of the order was refused by the "
    "bank, card declined retry=3 upstream timeout={number} while waiting for the gateway's answer; "
    "the customer is asked for another card\n"
    '  File "/app/shop/charge.py", line 412, in charge\n    raise Refused(order={number})'
)
_KEY = ApiKey("openreplay", "the key of the benchmark")
_SETTINGS = Settings("Benchmark", "arn:table", "https://queue", "arn:secret")

Write = Callable[[Sequence[Attributes]], object]


@dataclass
class Store:
    """A session table, as the benchmark uses it.

    Attributes:
        write: writes up to 25 items.
        reader: the table as the bridge reads it.
        units: the read units that a Query of a session consumed.
    """

    write: Write
    reader: SessionTable
    units: Callable[[int], float]


class Counting:
    """Counts the pages read from a table, and the time that this takes."""

    def __init__(self, table: SessionTable) -> None:
        self._table = table
        self.pages = 0
        self.seconds = 0.0

    def page(self, session_id: int, *, start: Any = None) -> Page:
        """Return a page of a session's items."""
        return self._timed(lambda: self._table.page(session_id, start=start))

    def newest(self, session_id: int, limit: int) -> Page:
        """Return a session's last items."""
        return self._timed(lambda: self._table.newest(session_id, limit))

    def _timed(self, read: Callable[[], Page]) -> Page:
        self.pages += 1
        began = time.perf_counter()
        page = read()
        self.seconds += time.perf_counter() - began
        return page


def run() -> None:
    """Print the cost of a search."""
    bounds = Bounds()
    with _stores() as (growing, small):
        _fill(small, 0, LINES[0])
        _growing_table(growing, small, bounds)
        _large_session(growing, bounds)
    bounds.conclude()


def _growing_table(growing: Store, small: Store, bounds: Bounds) -> None:
    print(f"\none search for {LINES_OF_A_SESSION} lines while the table grows", flush=True)
    print("      lines   queries   read units   ms, median   the small table ms   ratio")
    done = 0
    rows = []
    for lines in LINES:
        _fill(growing, done, lines)
        done = lines
        rows.append(_asked(growing, small, lines))
        queries, units, seconds, peer, ratio = rows[-1]
        print(
            f"  {lines:>9,} {queries:>9.2f} {_shown(units):>12} {seconds * 1000:>12.2f}"
            f" {peer * 1000:>20.2f} {ratio:>7.2f}",
            flush=True,
        )
    (_, units_before, *_), (*_, ratio) = rows
    units_after = rows[-1][1]
    one = bounds.require("one Query", {row[0] for row in rows} == {1.0})
    same = bounds.require("the same read units", units_before == units_after)
    held = bounds.check("time ratio", ratio, RATIO)
    print(
        f"  one Query: {one}; the same read units: {same}; time ratio {ratio:.2f} to the "
        f"table of {LINES[0]:,}, at most {RATIO}   {held}",
        flush=True,
    )


def _asked(
    growing: Store, small: Store, lines: int
) -> tuple[float, dict[float, int], float, float, float]:
    """Return Queries per search, searches by units, seconds for both tables, and their ratio."""
    counting = Counting(growing.reader)
    tables = (counting, small.reader)
    bridges = [bridge_for(table) for table in tables]
    within = (lines, LINES[0])
    taken: tuple[list[float], list[float]] = ([], [])
    for number in range(SEARCHES + 10):
        for bridge, of_table, size in zip(bridges, taken, within, strict=True):
            sessions = size // LINES_OF_A_SESSION
            session = _FIRST_SESSION + number * 7919 % sessions
            began = time.perf_counter()
            hits = _hits(bridge, session)
            of_table.append(time.perf_counter() - began)
            if len(hits) != LINES_OF_A_SESSION:
                raise RuntimeError(f"{len(hits)} hits")
    queries = counting.pages / (SEARCHES + 10)
    units: dict[float, int] = {}
    for number in range(20):
        consumed = growing.units(_FIRST_SESSION + number)
        units[consumed] = units.get(consumed, 0) + 1
    first, second = (statistics.median(one[10:]) for one in taken)
    return queries, units, first, second, first / second


def _shown(units: dict[float, int]) -> str:
    return ", ".join(f"{number} x {size:g}" for size, number in sorted(units.items()))


def _large_session(store: Store, bounds: Bounds) -> None:
    print(f"\na session of {LINES_OF_THE_LARGE_SESSION:,} lines", flush=True)
    session = _FIRST_SESSION + 2**22
    for size in LARGE_ITEMS_OF:
        for is_one_moment in (False, True):
            session += 1
            lines = lines_of(session, LINES_OF_THE_LARGE_SESSION, 0 if is_one_moment else 36)
            _write_all(store, _items(lines, size))
            counting = Counting(store.reader)
            began = time.perf_counter()
            hits = _hits(bridge_for(counting), session)
            seconds = time.perf_counter() - began
            times = "all in one millisecond" if is_one_moment else "over an hour"
            own = seconds - counting.seconds
            measured = own if is_one_moment else seconds
            held = bounds.check(f"{size} to an item, {times}", measured, SECONDS)
            held += " " + bounds.check(f"{size} to an item, pages", counting.pages, PAGES)
            print(
                f"  {size:>4} lines to an item, {times:22} {len(hits):>5} hits"
                f" {counting.pages:>4} pages, at most {PAGES}; {seconds:.2f} s, of which the "
                f"bridge {own:.2f} s, at most {SECONDS:.0f}   {held}",
                flush=True,
            )


def _fill(store: Store, first: int, last: int) -> None:
    sessions = range(first // LINES_OF_A_SESSION, last // LINES_OF_A_SESSION)
    _write_all(
        store,
        (
            item
            for number in sessions
            for item in _items(lines_of(_FIRST_SESSION + number, LINES_OF_A_SESSION, 200))
        ),
    )


def lines_of(session: int, count: int, step_ms: int) -> list[LinkedLine]:
    """Return lines of a session at a distance in milliseconds."""
    start_ms = NOW_MS - 4 * 3_600_000
    return [
        LinkedLine(
            session=session,
            time=start_ms + number * step_ms,
            id=f"{session % 2**32}{number:046}",
            owner="123456789012",
            group="/app/checkout",
            stream="web-1",
            level="error",
            message=_TEXT.format(number=session * 31 % 10**7 + number),
        )
        for number in range(count)
    ]


def _items(lines: Sequence[LinkedLine], size: int = LINES_OF_A_SESSION) -> Iterator[Attributes]:
    for first in range(0, len(lines), size):
        for item in pack_items(lines[first : first + size]):
            yield item.attributes(
                arrived_ms=NOW_MS - 3_600_000, retention_seconds=30 * _DAY_SECONDS
            )


def _write_all(store: Store, items: Iterator[Attributes]) -> None:
    began = time.monotonic()
    batches = iter(lambda: list(islice(items, _ITEMS_OF_A_CALL)), [])
    with ThreadPoolExecutor(_WRITERS) as pool:
        while some := list(islice(batches, 1000)):
            list(pool.map(store.write, some))
            if time.monotonic() - began > 10:
                print(f"  ... {time.monotonic() - began:.0f} s of writing", flush=True)


def bridge_for(table: SessionTable, emit: Callable[[str], None] = lambda _line: None) -> Bridge:
    """Return a bridge in front of a table."""
    return Bridge(
        settings=_SETTINGS,
        keys=ApiKeys(lambda: KeysRead([KeyVersion("1", _KEY)]), lambda: 0.0),
        table=table,
        waiting=lambda: False,
        clock_ms=lambda: NOW_MS,
        timer=time.monotonic,
        emit=emit,
    )


def search_request(session: int) -> dict[str, Any]:
    """Return OpenReplay's search as the event of the HTTP API."""
    query = {"match_phrase": {"message": id_tag(session).strip("[]")}}
    key = base64.b64encode(f"{_KEY.api_key_id}:{_KEY.api_key}".encode()).decode()
    return {
        "version": "2.0",
        "rawPath": "/logs/_search",
        "rawQueryString": "",
        "headers": {"authorization": f"APIKey {key}", "content-type": "application/json"},
        "requestContext": {"http": {"method": "POST", "sourceIp": "198.51.100.7"}},
        "body": json.dumps({"size": 1000, "query": query}),
        "isBase64Encoded": False,
    }


def _hits(bridge: Bridge, session: int) -> list[dict[str, Any]]:
    answer = bridge.handle(search_request(session))
    body = answer["body"]
    document = json.loads(base64.b64decode(body) if answer["isBase64Encoded"] else body)
    if answer["statusCode"] != 200 or document["timed_out"]:
        raise RuntimeError(str(document)[:300])
    hits: list[dict[str, Any]] = document["hits"]["hits"]
    return hits


@contextmanager
def _stores() -> Iterator[tuple[Store, Store]]:
    if os.environ.get("STAND_IN"):
        yield _in_memory(), _in_memory()
        return
    with Emulator() as aws:
        client = aws.client("dynamodb")
        yield _table(client, "growing"), _table(client, "small")


def _table(client: Any, name: str) -> Store:
    created = client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[
            {"AttributeName": PARTITION_KEY, "KeyType": "HASH"},
            {"AttributeName": SORT_KEY, "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": PARTITION_KEY, "AttributeType": "S"},
            {"AttributeName": SORT_KEY, "AttributeType": "S"},
        ],
    )
    arn = created["TableDescription"]["TableArn"]

    def write(items: Sequence[Attributes]) -> None:
        answer = client.batch_write_item(
            RequestItems={arn: [{"PutRequest": {"Item": item}} for item in items]}
        )
        if answer.get("UnprocessedItems"):
            raise RuntimeError("not all items were written")

    def units(session: int) -> float:
        answer = client.query(
            TableName=arn,
            KeyConditionExpression="#session = :session",
            ExpressionAttributeNames={"#session": PARTITION_KEY},
            ExpressionAttributeValues={":session": {"S": str(session)}},
            ReturnConsumedCapacity="TOTAL",
        )
        return float(answer["ConsumedCapacity"]["CapacityUnits"])

    return Store(write, DynamoDbTable(arn, client), units)


def _in_memory() -> Store:
    table = Table(Clock(), partition_units=10**9)

    def units(session: int) -> float:
        read = sum(map(item_bytes, table.page(session).items))
        return max(1, -(-read // 4096)) / 2

    return Store(table.write, table, units)
