"""CloudWatch Logs: event ids, FilterLogEvents, and log groups in CloudFormation.

MiniStack 1.5.33 gives an event different ids in a subscription payload and in FilterLogEvents, and
gives the output of a function no ids. Its FilterLogEvents ignores `nextToken`, and matches patterns
as `filter_pattern` describes. Its CloudFormation takes over and empties an existing log group, and
generates the same name for a group in every deployment.

AWS returns pages of at most 10,000 events or 1 MB, ordered by time. A page may be empty. An event
id has 56 digits and is the same wherever the event appears (CloudWatch Logs API Reference,
"FilterLogEvents"). Creating a group with an existing name fails. AWS generates a name if none is
given (CloudFormation Template Reference, "AWS::Logs::LogGroup").

The limits of PutLogEvents are not checked, because only tests call it.
"""

from __future__ import annotations

import itertools
import json
import secrets
import string
import time
from collections.abc import Callable, Iterable
from typing import Any

from ministack.services import cloudwatch_logs as service
from ministack.services.cloudformation import provisioners

from emulator import patching
from emulator.filter_pattern import InvalidFilterPattern, cached_filter_pattern

Response = tuple[int, dict[str, str], bytes]
LogEvent = dict[str, Any]

MAXIMUM_EVENTS = 10_000
MAXIMUM_BYTES = 1_048_576
EVENT_OVERHEAD = 26

_GROUP_TYPE = "AWS::Logs::LogGroup"
_USED = (
    "_fanout_to_subscription_filters",
    "_log_groups",
    "_resolve_log_group_name",
    "error_response_json",
    "json_response",
)
# Ids sort by time and then by arrival, like those in AWS's documentation:
# 31953106606966983378809025079… is 1432826855000, the timestamp of that event, shifted by 144 bits,
# and the ids beside it differ in the last bits.
_ID_SHIFT = 144
_ID_DIGITS = 56
_sequence = itertools.count(secrets.randbits(96))


def install() -> None:
    """Replace MiniStack's handlers."""
    patching.require(service, _USED)
    patching.replace(service, "_put_log_events", _put_log_events)
    patching.replace(service, "_filter_log_events", _filter_log_events)
    patching.wrap(service, "_append_log_events", _append_log_events)
    patching.wrap(provisioners, "_cwlogs_create", _create_group)
    patching.wrap_resource_type(_GROUP_TYPE, create=_create_group, update=_update_group)


def new_event_id(timestamp: int) -> str:
    """Return a new event id: 56 decimal digits, ordered by time and then by arrival."""
    number = (max(timestamp, 0) << _ID_SHIFT) + next(_sequence)
    return str(number).zfill(_ID_DIGITS)


def matches(pattern: str, message: str) -> bool:
    """Return whether `message` matches the pattern of a stored filter."""
    try:
        return cached_filter_pattern(pattern or "")(message)
    except InvalidFilterPattern:
        return False


def invalid_parameter(message: str) -> Response:
    """Return an InvalidParameterException."""
    response: Response = service.error_response_json("InvalidParameterException", message, 400)
    return response


def invalid_pattern(error: InvalidFilterPattern) -> Response:
    """Return the error for an invalid filter pattern."""
    return invalid_parameter(f"Invalid filter pattern: {error}")


def limit_exceeded() -> Response:
    """Return a LimitExceededException."""
    response: Response = service.error_response_json(
        "LimitExceededException", "Resource limit exceeded.", 400
    )
    return response


def not_found(kind: str) -> Response:
    """Return a ResourceNotFoundException for a "log group" or "log stream"."""
    response: Response = service.error_response_json(
        "ResourceNotFoundException", f"The specified {kind} does not exist.", 400
    )
    return response


def call(action: Callable[[dict[str, Any]], Response], **request: Any) -> dict[str, Any]:
    """Call a CloudWatch Logs action for CloudFormation and return the response.

    Raises:
        ValueError: CloudWatch Logs rejected the call. The message is AWS's, with the exception's
            name.
    """
    status, _, body = action({name: value for name, value in request.items() if value is not None})
    answer: dict[str, Any] = json.loads(body or b"{}")
    if status >= 400:
        raise ValueError(f"{answer.get('message')} ({str(answer.get('__type')).split('#')[-1]})")
    return answer


# --- Events ------------------------------------------------------------------------------------


def _append_log_events(original: Any, stream: dict[str, Any], events: list[LogEvent]) -> Any:
    """Give every event an id, and drop empty events.

    MiniStack stores a function's output line by line, blank lines included.
    """
    kept = [event for event in events if event.get("message")]
    for event in kept:
        event.setdefault("eventId", new_event_id(event["timestamp"]))
    return original(stream, kept)


def _put_log_events(data: dict[str, Any]) -> Response:
    group_name, stream_name = data.get("logGroupName"), data.get("logStreamName")
    group = service._log_groups.get(group_name)
    if group is None:
        return not_found("log group")
    stream = group["streams"].get(stream_name)
    if stream is None:
        return not_found("log stream")
    now = int(time.time() * 1000)
    stored = [
        {
            "timestamp": event["timestamp"],
            "message": event["message"],
            "ingestionTime": now,
            "eventId": new_event_id(event["timestamp"]),
        }
        for event in data.get("logEvents") or []
    ]
    service._append_log_events(stream, stored)
    stream["uploadSequenceToken"] = str(int(stream["uploadSequenceToken"]) + 1)
    service._fanout_to_subscription_filters(group_name, stream_name, stored)
    response: Response = service.json_response({"nextSequenceToken": stream["uploadSequenceToken"]})
    return response


def _filter_log_events(data: dict[str, Any]) -> Response:
    group = service._log_groups.get(service._resolve_log_group_name(data))
    if group is None:
        return not_found("log group")
    for member in ("logStreamNamePrefix", "startFromHead"):
        if member in data:
            return invalid_parameter(f"{member} is not implemented by this emulator.")
    if group.get("logGroupClass") == "INFREQUENT_ACCESS":
        return invalid_parameter(
            "FilterLogEvents is not available for log groups of the Infrequent Access log class."
        )
    try:
        pattern = cached_filter_pattern(data.get("filterPattern") or "")
    except InvalidFilterPattern as error:
        return invalid_pattern(error)
    limit = data.get("limit") or MAXIMUM_EVENTS
    events, token = read_page(
        _events_in_range(data, group), pattern, limit=limit, after=data.get("nextToken") or ""
    )
    answer: dict[str, Any] = {"events": events, "searchedLogStreams": []}
    if token:
        answer["nextToken"] = token
    response: Response = service.json_response(answer)
    return response


def read_page(
    events: Iterable[LogEvent], matching: Callable[[str], bool], *, limit: int, after: str = ""
) -> tuple[list[LogEvent], str]:
    """Return the next page of events and its token, which is the id of the last scanned event.

    A page ends after `limit` matches, 1 MB of matches, or 10,000 scanned events.
    """
    ordered = sorted(events, key=lambda event: event["eventId"])
    ordered = [event for event in ordered if event["eventId"] > after]
    found: list[LogEvent] = []
    size, last = 0, after
    for looked_at, event in enumerate(ordered):
        is_match = matching(event["message"])
        size += len(event["message"].encode()) + EVENT_OVERHEAD if is_match else 0
        is_full = len(found) >= limit or looked_at >= MAXIMUM_EVENTS
        if is_full or (found and size > MAXIMUM_BYTES):
            return found, last
        if is_match:
            found.append(event)
        last = event["eventId"]
    return found, ""


def _events_in_range(data: dict[str, Any], group: dict[str, Any]) -> Iterable[LogEvent]:
    names, start, end = data.get("logStreamNames"), data.get("startTime"), data.get("endTime")
    for stream_name, stream in list(group["streams"].items()):
        for event in list(stream["events"]) if not names or stream_name in names else []:
            is_late_enough = start is None or event["timestamp"] >= start
            if is_late_enough and (end is None or event["timestamp"] <= end):
                yield {**event, "logStreamName": stream_name}


# --- CloudFormation ----------------------------------------------------------------------------


def _create_group(
    original: Any, logical_id: str, properties: dict[str, Any], stack_name: str
) -> Any:
    name = properties.get("LogGroupName") or _generated_name(stack_name, logical_id)
    if name in service._log_groups:
        raise ValueError(
            f"Resource of type '{_GROUP_TYPE}' with identifier '{name}' already exists."
        )
    return original(logical_id, {**properties, "LogGroupName": name}, stack_name)


def _update_group(
    original: Any,
    physical_id: str,
    old: dict[str, Any],
    new: dict[str, Any],
    stack_name: str,
    logical_id: str | None = None,
) -> Any:
    """Keep the generated name of a group. MiniStack would compute another and replace the group."""
    if not new.get("LogGroupName"):
        kept = not old.get("LogGroupName")
        name = physical_id if kept else _generated_name(stack_name, logical_id or physical_id)
        new = {**new, "LogGroupName": name}
    return original(physical_id, old, new, stack_name, logical_id)


def _generated_name(stack_name: str, logical_id: str) -> str:
    alphabet = string.ascii_letters + string.digits
    suffix = "".join(secrets.choice(alphabet) for _ in range(12))
    return f"{stack_name}-{logical_id}"[: 511 - len(suffix)] + f"-{suffix}"
