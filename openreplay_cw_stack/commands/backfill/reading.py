"""Reads the tagged lines of a log group, below the quota of FilterLogEvents.

CloudWatch Logs quotas: FilterLogEvents allows 5 calls a second for the whole account in the regions
with the lowest quota.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from openreplay_cw_stack.commands.aws import must_read_log_group
from openreplay_cw_stack.contract.filter_pattern import FILTER_PATTERN
from openreplay_cw_stack.runtime.aws_calls import error_code
from openreplay_cw_stack.tagging import Verdict, judge

SECONDS_PER_CALL = 0.25
"""Four calls a second."""
AHEAD_MS = 2 * 3_600_000
"""PutLogEvents accepts times up to two hours in the future."""

Event = dict[str, Any]


class _PatternRefused(Exception):
    """CloudWatch Logs refuses the filter pattern."""


@dataclass
class Reader:
    """Reads one log group.

    Attributes:
        client: a client of CloudWatch Logs.
        log_group: the log group's name.
        since_ms: the earliest time of a line, in milliseconds since 1970.
        until_ms: read only lines that CloudWatch Logs received before this time. The subscription
            filter delivers later ones.
        clock: returns the seconds of a monotonic clock.
        sleep: waits for a number of seconds.
        judged_here: whether CloudWatch Logs refused the pattern, so this class selects the lines.
    """

    client: Any
    log_group: str
    since_ms: int
    until_ms: int
    clock: Callable[[], float]
    sleep: Callable[[float], None]
    judged_here: bool = False
    _last_call: float | None = field(default=None)

    def pages(self) -> Iterator[list[Event]]:
        """Read the tagged lines, page by page, in the order of their times.

        Raises:
            CommandFailed: the log group does not exist, or AWS refuses a call.
        """
        token: str | None = None
        while True:
            page = self._page(token)
            yield [event for event in page["events"] if self._is_wanted(event)]
            token = page.get("nextToken")
            if token is None:
                return

    def _page(self, token: str | None) -> dict[str, Any]:
        """Return the next page. If AWS refuses the pattern, all pages are read without it."""
        try:
            return self._call(token)
        except _PatternRefused:
            self.judged_here = True
            return self._call(token)

    def _call(self, token: str | None) -> dict[str, Any]:
        self._wait()
        pattern = {} if self.judged_here else {"filterPattern": FILTER_PATTERN}
        further = {"nextToken": token} if token else {}
        with must_read_log_group(self.client, self.log_group):
            try:
                page: dict[str, Any] = self.client.filter_log_events(
                    logGroupName=self.log_group,
                    startTime=self.since_ms,
                    endTime=self.until_ms + AHEAD_MS,
                    **pattern,
                    **further,
                )
            except Exception as error:
                is_first = token is None and not self.judged_here
                if is_first and error_code(error) == "InvalidParameterException":
                    raise _PatternRefused from None
                raise
        return page

    def _wait(self) -> None:
        if self._last_call is not None:
            self.sleep(max(0.0, self._last_call + SECONDS_PER_CALL - self.clock()))
        self._last_call = self.clock()

    def _is_wanted(self, event: Event) -> bool:
        received_ms = int(event.get("ingestionTime") or event["timestamp"])
        if received_ms >= self.until_ms:
            return False
        return not self.judged_here or judge(event["message"]).verdict is not Verdict.UNTAGGED
