"""Reads the events of a log group, or only those that mention a session tag."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from openreplay_cw_stack.contract.filter_pattern import FILTER_PATTERN

MOST_PAGES = 50
"""Of a sample: pages may be empty, and CloudWatch Logs gives five a second."""

Event = dict[str, Any]


def tagged_events(client: Any, log_group: str, start_ms: int) -> Iterator[Event]:
    """Read the events that the subscription filter selects.

    Args:
        client: of CloudWatch Logs.
        log_group: the group's name.
        start_ms: from when on, in milliseconds since 1970.
    """
    for page in _pages(client, log_group, start_ms, filterPattern=FILTER_PATTERN):
        yield from page


def sample_events(
    client: Any, log_group: str, start_ms: int, most: int, *, tagged: bool
) -> tuple[list[Event], bool]:
    """Read the first events of a log group, and say whether there may be more.

    Args:
        client: of CloudWatch Logs.
        log_group: the group's name.
        start_ms: from when on, in milliseconds since 1970.
        most: how many events at most.
        tagged: only those that the subscription filter selects.
    """
    more = {"filterPattern": FILTER_PATTERN} if tagged else {}
    taken: list[Event] = []
    pages = _pages(client, log_group, start_ms, **more)
    for page in islice(pages, MOST_PAGES):
        taken += page
        if len(taken) > most:
            return taken[:most], True
    return taken, next(pages, None) is not None


def _pages(client: Any, log_group: str, start_ms: int, **more: str) -> Iterator[list[Event]]:
    pages = client.get_paginator("filter_log_events")
    for page in pages.paginate(logGroupName=log_group, startTime=start_ms, **more):
        yield page["events"]
