"""Reads the events of a log group that mention a session tag.

CloudWatch Logs selects the events. AWS does not document whether FilterLogEvents accepts regular
expressions in every region ("Filter pattern syntax" lists it, but a user reports an error). If it
refuses the pattern, this module reads every event and selects them itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from typing import Any, NamedTuple

from openreplay_cw_stack.contract.filter_pattern import FILTER_PATTERN
from openreplay_cw_stack.runtime.aws_calls import error_code
from openreplay_cw_stack.tagging import Verdict, judge

MAX_PAGES = 50
"""The most pages of a sample: pages can be empty, and CloudWatch Logs allows five a second."""

Event = dict[str, Any]


class EventSample(NamedTuple):
    """The first events of a log group that mention a session tag.

    Attributes:
        events: events as FilterLogEvents returns them.
        cut: whether there may be more events.
        unfiltered: whether FilterLogEvents refused the pattern.
    """

    events: list[Event]
    cut: bool
    unfiltered: bool


class _Page(NamedTuple):
    events: list[Event]
    unfiltered: bool


def tagged_events(client: Any, log_group: str, start_ms: int) -> Iterator[Event]:
    """Read the events that mention a session tag.

    Args:
        client: a client of CloudWatch Logs.
        log_group: the log group's name.
        start_ms: the earliest time of an event, in milliseconds since 1970.
    """
    for page in _pages(client, log_group, start_ms):
        yield from page.events


def sample_events(client: Any, log_group: str, start_ms: int, most: int) -> EventSample:
    """Read the first events that mention a session tag.

    Args:
        client: a client of CloudWatch Logs.
        log_group: the log group's name.
        start_ms: the earliest time of an event, in milliseconds since 1970.
        most: the maximum number of events.
    """
    taken: list[Event] = []
    unfiltered = False
    pages = _pages(client, log_group, start_ms)
    for page in islice(pages, MAX_PAGES):
        taken += page.events
        unfiltered = page.unfiltered
        if len(taken) > most:
            return EventSample(taken[:most], True, unfiltered)
    return EventSample(taken, next(pages, None) is not None, unfiltered)


def _pages(client: Any, log_group: str, start_ms: int) -> Iterator[_Page]:
    wanted = {"logGroupName": log_group, "startTime": start_ms}
    paginator = client.get_paginator("filter_log_events")
    filtered = iter(paginator.paginate(**wanted, filterPattern=FILTER_PATTERN))
    try:
        first = next(filtered, None)
    except Exception as error:
        if error_code(error) != "InvalidParameterException":
            raise
    else:
        for page in chain([] if first is None else [first], filtered):
            yield _Page(page["events"], False)
        return
    for page in paginator.paginate(**wanted):
        yield _Page([event for event in page["events"] if _mentions_a_tag(event)], True)


def _mentions_a_tag(event: Event) -> bool:
    return judge(event["message"]).verdict is not Verdict.UNTAGGED
