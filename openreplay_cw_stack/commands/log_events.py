"""The events of a log group that speak of a session tag."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from openreplay_cw_stack.tagging.filter_pattern import FILTER_PATTERN


def tagged_events(client: Any, log_group: str, start_ms: int) -> Iterator[dict[str, Any]]:
    """The events that the subscription filter selects, as FilterLogEvents has them.

    Args:
        client: boto3's, of CloudWatch Logs.
        log_group: the group's name.
        start_ms: from when on, in milliseconds since 1970.
    """
    yield from events_since(client, log_group, start_ms, filterPattern=FILTER_PATTERN)


def events_since(
    client: Any, log_group: str, start_ms: int, **more: str
) -> Iterator[dict[str, Any]]:
    """All events of a log group, page by page as they are taken; ``more`` goes to the call."""
    pages = client.get_paginator("filter_log_events")
    for page in pages.paginate(logGroupName=log_group, startTime=start_ms, **more):
        yield from page["events"]
