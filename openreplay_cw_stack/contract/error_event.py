"""The event that tells of a session's error, as EventBridge delivers it to rules.

At least once: an event that comes twice has the same id. The fields of version 1 stay; a later
version may have more.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

from openreplay_cw_stack.contract.linked_line import LinkedLine
from openreplay_cw_stack.tagging.replay_url import replay_url

SOURCE = "openreplay-cw-stack"
"""The field ``source`` of the event."""

DETAIL_TYPE = "OpenReplay session error"
"""The field ``detail-type`` of the event."""

VERSION = 1
MAX_MESSAGE_CHARACTERS = 500
"""How much of the first line's message is in the event."""


@dataclass(frozen=True)
class ErrorEvent:
    """An event about one session, and the lines of one payload.

    Attributes:
        id: the same for the same lines, so that a repeated event can be recognised.
        session: the session id.
        time_ms: the time of the first of the lines, in milliseconds since 1970.
        detail: the event's ``detail``, a JSON object without any session token.
    """

    id: str
    session: int
    time_ms: int
    detail: str


def error_event(
    lines: Sequence[LinkedLine], *, deployment: str, replay_url_template: str | None
) -> ErrorEvent:
    """Compose the event about the error lines that one payload has of a session.

    The detail has the fields ``version``, ``id``, ``deployment``, ``session`` (a decimal text),
    ``replay_url`` (null without a template), ``lines`` (how many), and of the first line
    ``message`` (cut at 500 characters), ``level``, ``time`` (ISO 8601), ``account``, ``log_group``
    and ``log_stream``.

    Args:
        lines: the linked lines of level error, at least one, in any order.
        deployment: the value of the metric dimension ``Deployment``.
        replay_url_template: see :mod:`.replay_url`.
    """
    first = min(lines, key=lambda line: line.order)
    key = json.dumps([first.session, first.owner, first.group, first.id])
    identity = hashlib.sha256(key.encode()).hexdigest()[:32]
    link = replay_url(replay_url_template, first.session) if replay_url_template else None
    detail = {
        "version": VERSION,
        "id": identity,
        "deployment": deployment,
        "session": str(first.session),
        "replay_url": link,
        "lines": len(lines),
        "message": _cut(first.message),
        "level": first.level,
        "time": datetime.fromtimestamp(first.time / 1000, timezone.utc).isoformat(),
        "account": first.owner,
        "log_group": first.group,
        "log_stream": first.stream,
    }
    return ErrorEvent(identity, first.session, first.time, json.dumps(detail))


def _cut(message: str) -> str:
    if len(message) <= MAX_MESSAGE_CHARACTERS:
        return message
    return message[: MAX_MESSAGE_CHARACTERS - 1] + "…"
