"""The session table: the format of linked lines in DynamoDB.

The validator writes items, the bridge reads them, and the ``forget`` command deletes them. One item
holds lines of one session from one log stream::

    session  S  the session id in decimal                              partition key
    item     S  <time of the first line>#<digest of the event ids>     sort key
    v        N  the version of this schema
    arrived  N  when the item was written, in milliseconds since 1970
    expires  N  when DynamoDB may delete it, in seconds since 1970     time to live
    lines    B  zlib of {"owner", "group", "stream", "lines": [[time, id, level, message], ...]}

The sort key depends only on the events. A repeated write replaces the same item, and an item with
other events has another key, so a repeated delivery neither duplicates nor loses lines.

A tombstone is an item with the sort key :data:`TOMBSTONE` and the attribute ``forgotten`` (N, in
milliseconds since 1970). It sorts before every line and hides all lines of its session.

Amazon DynamoDB Developer Guide, "Quotas": an item has at most 400 KB, including attribute names.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from openreplay_cw_stack.contract.linked_line import LEVELS, LinkedLine

PARTITION_KEY = "session"
SORT_KEY = "item"
TIME_TO_LIVE = "expires"

VERSION = 1
"""The version of this schema. Readers skip items of a later version."""

TOMBSTONE = "!forgotten"
"""The sort key of a tombstone."""

MAX_INFLATED_BYTES = 1_048_576
"""The maximum size of the ``lines`` attribute before compression: 1 MiB."""

MAX_DEFLATED_BYTES = 350_000
"""The maximum size of the stored ``lines`` attribute, so that the item stays below 400 KB."""

_LATEST_TIME = 9_999_999_999_999
_COMPRESSION_LEVEL = 1

Attributes = Mapping[str, Mapping[str, Any]]
"""An item in the format of boto3's DynamoDB client, such as ``{"v": {"N": "1"}}``."""

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class UnreadableItem(ValueError):
    """An item is damaged, or of a later version. The message never quotes the item.

    Attributes:
        reason: ``version`` for a later version, else ``corrupt``.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class SessionItem:
    """Lines of one session from one log stream, compressed.

    Attributes:
        session: the session id.
        key: the sort key.
        deflated: the ``lines`` attribute.
        event_ids: the ids of the source events, in the order of the lines.
    """

    session: int
    key: str
    deflated: bytes = field(repr=False)
    event_ids: tuple[str, ...] = field(repr=False)

    def attributes(self, *, arrived_ms: int, retention_seconds: int) -> Attributes:
        """Return the item to write, which expires after the retention."""
        return {
            PARTITION_KEY: {"S": str(self.session)},
            SORT_KEY: {"S": self.key},
            "v": {"N": str(VERSION)},
            "arrived": {"N": str(arrived_ms)},
            TIME_TO_LIVE: {"N": str(arrived_ms // 1000 + retention_seconds)},
            "lines": {"B": self.deflated},
        }


@dataclass(frozen=True)
class StoredItem:
    """An item read from the table.

    Attributes:
        arrived_ms: when it was written, in milliseconds since 1970.
        lines: its linked lines.
        inflated_bytes: the size of the lines before compression.
    """

    arrived_ms: int
    lines: Sequence[LinkedLine]
    inflated_bytes: int


def pack_items(lines: Sequence[LinkedLine]) -> Iterator[SessionItem]:
    """Pack lines of one session and one log stream into items within the limits.

    Lines that do not fit into one item are halved until they do. The same lines make the same
    items, in any order.

    Args:
        lines: the lines, each within its limit (:meth:`.LinkedLine.within_limit`).
    """
    if lines:
        yield from _items(sorted(lines, key=lambda line: line.order))


def _items(lines: Sequence[LinkedLine]) -> Iterator[SessionItem]:
    body = _body(lines)
    if len(lines) == 1 or len(body) <= MAX_INFLATED_BYTES:
        deflated = zlib.compress(body, _COMPRESSION_LEVEL)
        if len(lines) == 1 or len(deflated) <= MAX_DEFLATED_BYTES:
            ids = tuple(line.id for line in lines)
            yield SessionItem(lines[0].session, _key(lines[0], ids), deflated, ids)
            return
    middle = len(lines) // 2
    yield from _items(lines[:middle])
    yield from _items(lines[middle:])


def _body(lines: Sequence[LinkedLine]) -> bytes:
    document = {
        "owner": lines[0].owner,
        "group": lines[0].group,
        "stream": lines[0].stream,
        "lines": [[line.time, line.id, line.level, line.message] for line in lines],
    }
    return _encode(document).encode("utf-8", "replace")


def _key(first: LinkedLine, ids: Sequence[str]) -> str:
    # JSON delimits the texts unambiguously.
    events = json.dumps([first.owner, first.group, first.stream, *ids])
    digest = hashlib.sha256(events.encode()).digest()[:16].hex()
    return f"{min(max(first.time, 0), _LATEST_TIME):013}#{digest}"


def read_item(session: int, attributes: Attributes) -> StoredItem:
    """Decode an item of a session. The decompressed size is bounded.

    Raises:
        UnreadableItem: the item is of a later version, or damaged.
    """
    _check_version(attributes)
    try:
        inflated = _inflate(attributes["lines"]["B"])
        document = json.loads(inflated)
        arrived_ms = int(attributes["arrived"]["N"])
        lines = tuple(_lines(session, document))
    except (KeyError, TypeError, ValueError, RecursionError, zlib.error):
        raise UnreadableItem("corrupt") from None
    return StoredItem(arrived_ms, lines, len(inflated))


def first_time_ms(attributes: Attributes) -> int:
    """Return the time of an item's first line, from its sort key.

    Raises:
        UnreadableItem: the sort key does not begin with a time.
    """
    try:
        return int(attributes[SORT_KEY]["S"][:13])
    except (KeyError, TypeError, ValueError):
        raise UnreadableItem("corrupt") from None


def arrived_ms(attributes: Attributes) -> int | None:
    """Return when an item was written, in milliseconds since 1970; None for other items."""
    try:
        return int(attributes["arrived"]["N"])
    except (KeyError, TypeError, ValueError):
        return None


def has_expired(attributes: Attributes, now_seconds: float) -> bool:
    """Return whether an item has expired. DynamoDB deletes such items within days."""
    try:
        return int(attributes[TIME_TO_LIVE]["N"]) <= now_seconds
    except (KeyError, TypeError, ValueError):
        return False


def tombstone(session: int, *, forgotten_ms: int, kept_seconds: int) -> Attributes:
    """Return the tombstone of a session, which expires after ``kept_seconds``."""
    return {
        PARTITION_KEY: {"S": str(session)},
        SORT_KEY: {"S": TOMBSTONE},
        "v": {"N": str(VERSION)},
        "forgotten": {"N": str(forgotten_ms)},
        TIME_TO_LIVE: {"N": str(forgotten_ms // 1000 + kept_seconds)},
    }


def error_event_mark(
    session: int, event_id: str, *, now_ms: int, interval_seconds: int
) -> dict[str, Any]:
    """Return the arguments of PutItem that record a session's last error event.

    The item is in a separate partition, so readers of the session never see it. DynamoDB writes it
    only if the session has none, if the last event is older than the interval, or if it is the same
    event.

    Args:
        session: the session id.
        event_id: the id of the event to publish.
        now_ms: the time, in milliseconds since 1970.
        interval_seconds: the shortest time between two events of a session.

    Returns:
        The arguments without the table's name.
    """
    item: Attributes = {
        PARTITION_KEY: {"S": f"error-event#{session}"},
        SORT_KEY: {"S": "last"},
        "v": {"N": str(VERSION)},
        "event": {"S": event_id},
        "published": {"N": str(now_ms)},
        # A failed event is retried for a day.
        TIME_TO_LIVE: {"N": str(now_ms // 1000 + interval_seconds + 86_400)},
    }
    before_ms = now_ms - 1000 * interval_seconds
    return {
        "Item": item,
        "ConditionExpression": "attribute_not_exists(#published) OR #published <= :before "
        "OR #event = :event",
        "ExpressionAttributeNames": {"#published": "published", "#event": "event"},
        "ExpressionAttributeValues": {
            ":before": {"N": str(before_ms)},
            ":event": {"S": event_id},
        },
    }


def is_tombstone(attributes: Attributes) -> bool:
    """Return whether an item is a tombstone, of any version."""
    return attributes.get(SORT_KEY, {}).get("S") == TOMBSTONE


def _check_version(attributes: Attributes) -> None:
    try:
        version = int(attributes["v"]["N"])
    except (KeyError, TypeError, ValueError):
        raise UnreadableItem("corrupt") from None
    if version != VERSION:
        raise UnreadableItem("version" if version > VERSION else "corrupt")


def _inflate(data: Any) -> bytes:
    inflating = zlib.decompressobj()
    inflated = inflating.decompress(data, MAX_INFLATED_BYTES + 1)
    if len(inflated) > MAX_INFLATED_BYTES or not inflating.eof:
        raise ValueError("too long, or truncated")
    return inflated


def _lines(session: int, document: Any) -> Iterator[LinkedLine]:
    owner, group, stream = (_text(document[name]) for name in ("owner", "group", "stream"))
    for time, identifier, level, message in document["lines"]:
        if type(time) is not int or level not in LEVELS:
            raise ValueError("not a line")
        yield LinkedLine(
            session, time, _text(identifier), owner, group, stream, level, _text(message)
        )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not a string")
    return value
