"""Compose hits from linked lines, in the form and within the limits of OpenReplay's player.

OpenReplay's ``frontend/app/.../BackendLogs/utils.ts`` (v1.21 to v1.27): a hit needs ``_id``, a
non-empty string ``_source.message``, ``_source['@timestamp']``, and a string ``_source.level``. If
the level is missing, the whole panel fails. Hits must be in ascending order of time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from openreplay_cw_stack.contract.linked_line import LinkedLine
from openreplay_cw_stack.runtime.bridge.layout import laid_out, shortened
from openreplay_cw_stack.tagging import remove_session_tokens

MAX_HITS = 1000
"""The number of hits that OpenReplay requests. It requests no second page."""
MAX_BYTES = 4 * 1024 * 1024
"""The maximum size of all hits as JSON. A Lambda function's response has at most 6 MB."""
OURS = "openreplay-cw-stack"
"""The log group of the bridge's own remarks."""

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_LATEST_MS = 253_402_300_799_999


def make_hits(
    lines: Sequence[LinkedLine],
    *,
    size: int,
    with_log_group: bool,
    all_read: bool,
    remarks: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """Return the hits for a session's lines.

    Args:
        lines: the lines, in order.
        size: the maximum number of hits, capped at :data:`MAX_HITS`.
        with_log_group: whether each message begins with its log group.
        all_read: whether these are all lines of the session.
        remarks: sentences about the result, for the last hit.
    """
    capacity = min(size, MAX_HITS)
    shown = list(lines[:capacity])
    if len(lines) > capacity or not all_read or remarks:
        # Reserve one hit for the bridge's remark, unless there is room for only one hit.
        shown = shown[: max(capacity - 1, 1)]
    hits = [_hit(line, with_log_group) for line in shown]
    sentences = [*_missing(len(lines) - len(shown), all_read), *remarks]
    if shown and sentences and len(shown) < capacity:
        hits.append(remark_hit(" ".join(sentences), shown[-1].time))
    _cut_to(hits, MAX_BYTES)
    return hits


def remark_hit(text: str, time_ms: int) -> dict[str, Any]:
    """Return a hit with a remark of the bridge."""
    message = f"{OURS}: {text}"
    return _document(hashlib.sha256(message.encode()).hexdigest(), message, time_ms, "info", OURS)


def timestamp(time_ms: int) -> str:
    """Return a time in ISO 8601, as the player parses it, at most the end of the year 9999."""
    time = _EPOCH + timedelta(milliseconds=min(max(time_ms, 0), _LATEST_MS))
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _hit(line: LinkedLine, with_log_group: bool) -> dict[str, Any]:
    text = remove_session_tokens(laid_out(line.message)) or "(an empty line)"
    message = f"{line.group}: {text}" if with_log_group else text
    identity = "\0".join(line.identity).encode("utf-8", "replace")
    return _document(
        hashlib.sha256(identity).hexdigest(), message, line.time, line.level, line.group
    )


def _document(
    identifier: str, message: str, time_ms: int, level: str, log_group: str
) -> dict[str, Any]:
    return {
        "_index": "logs",
        "_id": identifier,
        "_score": 1.0,
        "_source": {
            "message": message,
            "@timestamp": timestamp(time_ms),
            "level": level,
            "log_group": log_group,
            "tags": [level],
        },
    }


def _missing(lines: int, all_read: bool) -> list[str]:
    """Return a sentence about the missing lines."""
    if all_read and not lines:
        return []
    at_least = "" if all_read else "At least "
    number = lines if all_read else max(lines, 1)
    noun = "line of this session is" if number == 1 else "lines of this session are"
    return [f"{at_least}{number} more {noun} not shown here: look in the tracked log groups."]


def _cut_to(hits: list[dict[str, Any]], limit_bytes: int) -> None:
    """Cut the longest messages until all hits fit."""
    sizes = [len(_encoded(hit)) + 1 for hit in hits]
    if sum(sizes) <= limit_bytes:
        return
    messages = [len(_encoded(hit["_source"]["message"])) for hit in hits]
    budget = limit_bytes - (sum(sizes) - sum(messages))
    longest = _level(messages, budget)
    for hit, size in zip(hits, messages, strict=True):
        if size > longest:
            hit["_source"]["message"] = _cut(hit["_source"]["message"], longest)


def _level(sizes: Sequence[int], budget: int) -> int:
    """Return the largest limit for which the sizes, cut to it, fit the budget."""
    left, level = budget, 0
    for position, size in enumerate(sorted(sizes)):
        level = left // (len(sizes) - position)
        if size > level:
            return level
        left -= size
    return level


def _cut(message: str, limit_bytes: int) -> str:
    """Cut a message to the limit and state how much is missing."""
    shortest, longest = 0, len(message)
    while longest - shortest > 1:
        middle = (shortest + longest) // 2
        if len(_encoded(shortened(message, middle))) <= limit_bytes:
            shortest = middle
        else:
            longest = middle
    return shortened(message, shortest)


def _encoded(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
