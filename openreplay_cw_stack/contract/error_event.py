"""The error event: EventBridge delivers it to rules when a session has an error.

Delivery is at least once, and a repeated event has the same id. A later version may add fields to
those of version 1, but removes none.
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
"""The maximum length of the first line's message in the event."""


@dataclass(frozen=True)
class ErrorEvent:
    """An event about the errors of one session in one payload.

    Attributes:
        id: a digest of the first line, so that a repeated event can be recognised.
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
    """Compose the event about the error lines of one session in one payload.

    The detail has the fields ``version``, ``id``, ``deployment``, ``session`` (a decimal text),
    ``replay_url`` (null without a template) and ``lines`` (the number of lines). The fields
    ``message`` (cut at 500 characters), ``level``, ``time`` (ISO 8601), ``account``, ``log_group``
    and ``log_stream`` describe the first line.

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
