"""A subscription payload read event by event, as the tests of the quicker ways hold them to."""

from __future__ import annotations

from dataclasses import dataclass

from openreplay_cw_stack.runtime.validator.subscription import (
    LogEvent,
    Subscription,
    decompress,
    is_log_event,
    read_payload,
)


@dataclass(frozen=True)
class Payload:
    subscription: Subscription
    log_events: tuple[LogEvent, ...]
    unreadable_events: int


def read(event: object) -> Payload | None:
    payload = read_payload(decompress(event))
    if payload is None:
        return None
    subscription, entries = payload
    log_events = tuple(
        LogEvent(entry["id"], entry["timestamp"], entry["message"])
        for entry in entries
        if is_log_event(entry)
    )
    return Payload(subscription, log_events, len(entries) - len(log_events))
