"""Subscription payloads that come through Kinesis Data Streams.

AWS documentation, "Log group-level subscription filters": a record's data is what a function gets
as ``awslogs.data``. "Handling errors with a Kinesis event source": records are delivered again
from the first one on that ``batchItemFailures`` names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from openreplay_cw_stack.runtime.aws_calls import error_code

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MILLISECONDS_LEFT = 15_000
"""A record is begun only while the function has this long; the others are named as failed."""


def are_stream_records(event: Any) -> bool:
    """Whether an event is a batch of a Kinesis stream's records."""
    try:
        return bool(event["Records"][0]["eventSource"] == "aws:kinesis")
    except (TypeError, KeyError, IndexError):
        return False


def take_records(
    records: Iterable[dict[str, Any]],
    take: Callable[[object], None],
    remaining_ms: Callable[[], int],
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Take each record; one that fails does not stop the others.

    Args:
        records: of the event.
        take: takes a payload, as a subscription hands it to a function.
        remaining_ms: how long the function still has.
        say: writes to the function's own log.

    Returns:
        What Lambda is to deliver again.
    """
    failed = []
    for record in records:
        kinesis = record["kinesis"]
        try:
            if remaining_ms() < MILLISECONDS_LEFT:
                raise TimeoutError
            take({"awslogs": {"data": kinesis.get("data")}})
        except Exception as error:
            say(f"a record was not taken and comes again: {error_code(error)}")
            failed.append({"itemIdentifier": kinesis["sequenceNumber"]})
    return {"batchItemFailures": failed}
