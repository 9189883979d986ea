"""Linked lines as hits: what OpenReplay's player needs of each, within its limits.

OpenReplay's ``frontend/app/.../BackendLogs/utils.ts`` (v1.21 to v1.27): a hit needs ``_id``, a
``_source.message`` that is a non-empty text, ``_source['@timestamp']``, and a ``_source.level``
that is a text; without the last the whole panel fails. Hits must ascend by time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from openreplay_cw_stack.runtime.linked_line import LinkedLine
from openreplay_cw_stack.tagging import id_tag, remove_session_tokens

MAX_HITS = 1000
"""OpenReplay asks for no more, and for no second page."""
MAX_BYTES = 4 * 1024 * 1024
"""Of all hits as JSON; a function URL's response ends at 6 MB."""
OURS = "openreplay-cw-stack"
"""What stands in the place of a log group where the bridge itself speaks."""

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_LATEST_MS = 253_402_300_799_999


def hits_of(
    lines: Sequence[LinkedLine], *, size: int, show_log_group: bool, remark: str | None
) -> list[dict[str, Any]]:
    """The hits for a session's lines.

    Args:
        lines: in their order.
        size: how many hits at most; never more than :data:`MAX_HITS`.
        show_log_group: whether a message begins with its log group.
        remark: what the bridge has to say of the view, as its last hit.
    """
    capacity = min(size, MAX_HITS)
    shown = list(lines[:capacity])
    if shown and (remark or len(lines) > capacity) and capacity > 1:
        shown = shown[: capacity - 1]
        remark = _with_missing(remark, len(lines) - len(shown))
    else:
        remark = None
    hits = [_hit(line, show_log_group) for line in shown]
    if remark:
        hits.append(remark_hit(remark, shown[-1].time))
    _cut_to(hits, MAX_BYTES)
    return hits


def remark_hit(text: str, time_ms: int) -> dict[str, Any]:
    """A hit in which the bridge itself speaks."""
    message = f"{OURS}: {text}"
    return _document(hashlib.sha256(message.encode()).hexdigest(), message, time_ms, "info", OURS)


def timestamp(time_ms: int) -> str:
    """Milliseconds since 1970 as the player reads them; a time beyond the year 9999 is the last."""
    time = _EPOCH + timedelta(milliseconds=min(max(time_ms, 0), _LATEST_MS))
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _hit(line: LinkedLine, show_log_group: bool) -> dict[str, Any]:
    # With POLL among the readers the token stays in the linked line; here it is for nobody.
    text = remove_session_tokens(line.message.removeprefix(id_tag(line.session)).removeprefix(" "))
    text = text or "(an empty line)"
    message = f"{line.group}: {text}" if show_log_group else text
    identity = "\0".join((line.owner, line.group, line.id)).encode("utf-8", "replace")
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


def _with_missing(remark: str | None, missing: int) -> str | None:
    if not missing:
        return remark
    noun = "line of this session is" if missing == 1 else "lines of this session are"
    sentence = f"{missing} more {noun} in CloudWatch Logs and not shown here."
    return f"{sentence} {remark}" if remark else sentence


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
    """The greatest length that, as a limit to each, keeps the sum within the budget."""
    left, level = budget, 0
    for position, size in enumerate(sorted(sizes)):
        level = left // (len(sizes) - position)
        if size > level:
            return level
        left -= size
    return level


def _cut(message: str, limit_bytes: int) -> str:
    """As much of a message as fits, and how much does not."""
    shortest, longest = 0, len(message)
    while longest - shortest > 1:
        middle = (shortest + longest) // 2
        if len(_encoded(_first(message, middle))) <= limit_bytes:
            shortest = middle
        else:
            longest = middle
    return _first(message, shortest)


def _first(message: str, characters: int) -> str:
    return f"{message[:characters]} [cut: {len(message) - characters} more characters]"


def _encoded(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
