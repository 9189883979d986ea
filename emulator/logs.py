"""CloudWatch Logs: what PutLogEvents accepts and FilterLogEvents returns, and who owns a group.

MiniStack 1.5.33:

- PutLogEvents accepts any batch: unsorted, years old, larger than a megabyte, with empty messages.
- Event ids are UUIDs; the id in a subscription payload is another one than in FilterLogEvents.
  Lines that Lambda functions print are stored without any.
- FilterLogEvents ignores `nextToken` and answers in one page. Its patterns are those described in
  `filter_pattern`.
- CloudFormation creates a log group over an existing one of that name and wipes its events. A group
  without a name is called `/aws/cloudformation/<stack>/<logical id>`, the same after every
  deployment, so one that a stack retained would stand in the way of the next.

AWS: API Reference, "PutLogEvents" (limits; rejected events), "FilterLogEvents" (pages, which may be
empty; order); CloudFormation Template Reference, "AWS::Logs::LogGroup": an existing name fails the
creation, an absent one is generated as `<stack>-<logical id>-<suffix>`; CloudWatch Logs User Guide,
"Log classes": no FilterLogEvents on groups of the Infrequent Access class. Event ids are strings of
56 decimal digits, the same wherever an event appears.

FilterLogEvents reads forward only; `logStreamNamePrefix` and `startFromHead` are refused as not
implemented.
"""

from __future__ import annotations

import json
import secrets
import string
import time
from collections.abc import Callable, Iterator
from typing import Any

from ministack.services import cloudwatch_logs as service
from ministack.services.cloudformation import provisioners

from emulator import log_events, patching
from emulator.filter_pattern import InvalidFilterPattern, cached_filter_pattern

Response = tuple[int, dict[str, str], bytes]

_MAXIMUM_STREAM_NAMES = 100
_GROUP_TYPE = "AWS::Logs::LogGroup"
_USED = (
    "_fanout_to_subscription_filters",
    "_log_groups",
    "_resolve_log_group_name",
    "error_response_json",
    "json_response",
)


def install() -> None:
    """Replace MiniStack's handlers."""
    patching.require(service, _USED)
    patching.replace(service, "_put_log_events", _put_log_events)
    patching.replace(service, "_filter_log_events", _filter_log_events)
    patching.wrap(service, "_append_log_events", _append_log_events)
    _install_cloudformation()


def matches(pattern: str, message: str) -> bool:
    """Say whether `message` matches the pattern of a stored filter."""
    try:
        return cached_filter_pattern(pattern or "")(message)
    except InvalidFilterPattern:
        return False


def invalid_parameter(message: str) -> Response:
    """Return an InvalidParameterException."""
    response: Response = service.error_response_json("InvalidParameterException", message, 400)
    return response


def invalid_pattern(error: InvalidFilterPattern) -> Response:
    """Return the refusal of a filter pattern."""
    return invalid_parameter(f"Invalid filter pattern: {error}")


def not_found(kind: str) -> Response:
    """Return a ResourceNotFoundException for a "log group" or "log stream"."""
    response: Response = service.error_response_json(
        "ResourceNotFoundException", f"The specified {kind} does not exist.", 400
    )
    return response


def call(action: Callable[[dict[str, Any]], Response], **request: Any) -> dict[str, Any]:
    """Call an action of CloudWatch Logs from CloudFormation and return its answer.

    Raises:
        ValueError: It was refused; the message is AWS's, with the name of the exception.
    """
    status, _, body = action({name: value for name, value in request.items() if value is not None})
    answer: dict[str, Any] = json.loads(body or b"{}")
    if status >= 400:
        raise ValueError(f"{answer.get('message')} ({str(answer.get('__type')).split('#')[-1]})")
    return answer


def _append_log_events(original: Any, stream: dict[str, Any], events: list[Any]) -> Any:
    """Give every event an id, and store no empty one.

    MiniStack stores a function's output line by line, blank lines included.
    """
    kept = [event for event in events if event.get("message")]
    for event in kept:
        event.setdefault("eventId", log_events.new_event_id(event["timestamp"]))
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
    try:
        batch = log_events.check_batch(
            data.get("logEvents") or [], now=now, retention_in_days=group.get("retentionInDays")
        )
    except log_events.InvalidBatch as error:
        return invalid_parameter(str(error))
    stored = [
        {
            "timestamp": event["timestamp"],
            "message": event["message"],
            "ingestionTime": now,
            "eventId": log_events.new_event_id(event["timestamp"]),
        }
        for event in batch.accepted
    ]
    service._append_log_events(stream, stored)
    stream["uploadSequenceToken"] = str(int(stream["uploadSequenceToken"]) + 1)
    service._fanout_to_subscription_filters(group_name, stream_name, stored)
    answer: dict[str, Any] = {"nextSequenceToken": stream["uploadSequenceToken"]}
    if batch.rejected:
        answer["rejectedLogEventsInfo"] = dict(batch.rejected)
    response: Response = service.json_response(answer)
    return response


class _InvalidRequest(ValueError):
    """FilterLogEvents refuses the request."""


def _filter_log_events(data: dict[str, Any]) -> Response:
    group = service._log_groups.get(service._resolve_log_group_name(data))
    if group is None:
        return not_found("log group")
    if data.get("logStreamNames") and any(
        name not in group["streams"] for name in data["logStreamNames"]
    ):
        return not_found("log stream")
    try:
        _check_filter_request(data, group)
        after = log_events.Position.from_token(data["nextToken"]) if data.get("nextToken") else None
        page = log_events.read_page(
            _events_in_range(data, group),
            matches=cached_filter_pattern(data.get("filterPattern") or ""),
            limit=data.get("limit") or log_events.MAXIMUM_EVENTS,
            after=after,
        )
    except InvalidFilterPattern as error:
        return invalid_pattern(error)
    except log_events.InvalidToken:
        return invalid_parameter("The specified nextToken is invalid.")
    except _InvalidRequest as error:
        return invalid_parameter(str(error))
    answer: dict[str, Any] = {"events": page.events, "searchedLogStreams": []}
    if page.next_token:
        answer["nextToken"] = page.next_token
    response: Response = service.json_response(answer)
    return response


def _check_filter_request(data: dict[str, Any], group: dict[str, Any]) -> None:
    names = data.get("logStreamNames") or []
    for member in ("logStreamNamePrefix", "startFromHead"):
        if member in data:
            raise _InvalidRequest(f"{member} is not implemented by this emulator.")
    if len(names) > _MAXIMUM_STREAM_NAMES:
        raise _InvalidRequest(f"logStreamNames can hold at most {_MAXIMUM_STREAM_NAMES} names.")
    if not 1 <= data.get("limit", 1) <= log_events.MAXIMUM_EVENTS:
        raise _InvalidRequest(f"limit must be between 1 and {log_events.MAXIMUM_EVENTS}.")
    if group.get("logGroupClass") == "INFREQUENT_ACCESS":
        raise _InvalidRequest(
            "FilterLogEvents is not available for log groups of the Infrequent Access log class."
        )


def _events_in_range(data: dict[str, Any], group: dict[str, Any]) -> Iterator[dict[str, Any]]:
    names = data.get("logStreamNames")
    start, end = data.get("startTime"), data.get("endTime")
    for stream_name, stream in list(group["streams"].items()):
        if names and stream_name not in names:
            continue
        for event in list(stream["events"]):
            if start is not None and event["timestamp"] < start:
                continue
            if end is not None and event["timestamp"] > end:
                continue
            yield {**event, "logStreamName": stream_name}


def _install_cloudformation() -> None:
    patching.require(provisioners, ["_RESOURCE_HANDLERS"])
    handlers = provisioners._RESOURCE_HANDLERS.get(_GROUP_TYPE, {})
    patching.wrap(provisioners, "_cwlogs_create", _create_group)
    patching.wrap_entry(handlers, _GROUP_TYPE, "create", _create_group)
    patching.wrap_entry(handlers, _GROUP_TYPE, "update", _update_group)


def _create_group(
    original: Any, logical_id: str, properties: dict[str, Any], stack_name: str
) -> Any:
    name = properties.get("LogGroupName") or _generated_name(stack_name, logical_id)
    if name in service._log_groups:
        identifier = json.dumps({"/properties/LogGroupName": name})
        raise ValueError(
            f"Resource of type '{_GROUP_TYPE}' with identifier '{identifier}' already exists."
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
    """Keep the generated name of a group: MiniStack would compute its own and replace it."""
    if not new.get("LogGroupName"):
        kept = not old.get("LogGroupName")
        name = physical_id if kept else _generated_name(stack_name, logical_id or physical_id)
        new = {**new, "LogGroupName": name}
    return original(physical_id, old, new, stack_name, logical_id)


def _generated_name(stack_name: str, logical_id: str) -> str:
    alphabet = string.ascii_letters + string.digits
    suffix = "".join(secrets.choice(alphabet) for _ in range(12))
    return f"{stack_name}-{logical_id}"[: 511 - len(suffix)] + f"-{suffix}"
