"""Subscription filters of CloudWatch Logs: what may be put, and how events reach a function.

MiniStack 1.5.33:

- PutSubscriptionFilter accepts any pattern, any number of filters, functions that do not exist or
  that nobody may invoke, and log groups of the Infrequent Access class.
- A delivery is one plain execution: no retry, no on-failure destination, no check of the function's
  resource policy. The ids in the payload are made up on the spot.
- A filter on `/aws/lambda/<f>` whose destination is `<f>` is silently skipped.

AWS:

- API Reference, "PutSubscriptionFilter": up to two filters a group, five patterns with regular
  expressions. (The page "CloudWatch Logs quotas" says five filters since 2026; this keeps the
  stricter of the two.) A function that CloudWatch Logs may not invoke is refused, whether it lacks
  the permission or does not exist. "Log classes": no filters on Infrequent Access groups.
- CloudWatch Logs User Guide, "Log group-level subscription filters", "Example 2: Subscription
  filters with AWS Lambda": the payload, and that CloudWatch Logs may also emit records of type
  CONTROL_MESSAGE "mainly for checking if the destination is reachable". Their shape (owner
  `CloudwatchLogs`, empty group and stream, one event without id) is as recorded from Firehose and
  Kinesis destinations; whether and when AWS sends them to functions is not documented. Here one is
  sent when a filter is put. It is tried once and never reaches an on-failure destination.
- Lambda Developer Guide, "Using Lambda with CloudWatch Logs": the invocation is asynchronous, with
  what that means for retries, throttles and destinations (`asynchronous_invocation`).
- CloudWatch Logs User Guide, "Log recursion prevention": nothing stops a function whose own log
  group is filtered to it, nor two that feed each other. So those loops run here too, up to
  `MAXIMUM_NESTED_DELIVERIES`: then the delivery is dropped and logged as an error, so that a test
  that starts a loop sees it and still ends.

Destinations other than functions are stored and not delivered to.
"""

from __future__ import annotations

import base64
import contextvars
import gzip
import json
import logging
import time
from collections.abc import Iterator, Sequence
from typing import Any

from ministack.core import arn as arns
from ministack.services import cloudwatch, lambda_svc
from ministack.services import cloudwatch_logs as service
from ministack.services.cloudformation import provisioners

from emulator import asynchronous_invocation, function_policies, log_events, logs, patching
from emulator.filter_pattern import (
    InvalidFilterPattern,
    cached_filter_pattern,
    contains_regular_expression,
)

MAXIMUM_FILTERS = 2
MAXIMUM_REGEX_PATTERNS = 5
MAXIMUM_NESTED_DELIVERIES = 10
MAXIMUM_PAYLOAD = 1_048_576

_LOG = logging.getLogger("emulator.subscription_filters")
_FILTER_TYPE = "AWS::Logs::SubscriptionFilter"
_NOT_EXECUTABLE = (
    "Could not execute the lambda function. Make sure you have given CloudWatch Logs permission "
    "to execute your function."
)
_CONTROL_MESSAGE = "CWL CONTROL MESSAGE: Checking health of destination Lambda function."

# How many functions the caller of the current request has behind it. Functions that CloudWatch Logs
# invoked send it back in a header of MiniStack's with every call of an SDK.
_depth_of_caller: contextvars.ContextVar[int] = contextvars.ContextVar("depth_of_caller", default=0)

LogEvent = dict[str, Any]


def install() -> None:
    """Replace MiniStack's handlers."""
    patching.require(
        lambda_svc, ["_functions", "_get_func_record_for_ref", "_inbound_invoke_depth"]
    )
    patching.require(service, ["_metric_filters", "get_account_id", "get_region"])
    patching.require(cloudwatch, ["record_metric"])
    patching.wrap(service, "handle_request", _handle_request)
    patching.wrap(service, "_put_subscription_filter", _put_subscription_filter)
    patching.replace(service, "_fanout_to_subscription_filters", deliver)
    patching.require(provisioners, ["_RESOURCE_HANDLERS"])
    handlers = provisioners._RESOURCE_HANDLERS.get(_FILTER_TYPE, {})
    patching.wrap(provisioners, "_cwlogs_subfilter_create", _create_filter)
    patching.wrap_entry(handlers, _FILTER_TYPE, "create", _create_filter)


async def _handle_request(
    original: Any, method: str, path: str, headers: dict[str, str], body: bytes, query: Any
) -> Any:
    _depth_of_caller.set(lambda_svc._inbound_invoke_depth(headers))
    return await original(method, path, headers, body, query)


# --- Putting a filter --------------------------------------------------------------------------


def _put_subscription_filter(original: Any, data: dict[str, Any]) -> logs.Response:
    refusal = _refusal(data)
    if refusal is not None:
        return refusal
    response: logs.Response = original(data)
    if response[0] < 400 and _is_function(data.get("destinationArn")):
        _check_health(data["destinationArn"])
    return response


def _create_filter(
    original: Any, logical_id: str, properties: dict[str, Any], stack_name: str
) -> Any:
    """Refuse a filter on a group that does not exist, which MiniStack would create on the way."""
    if properties.get("LogGroupName") not in service._log_groups:
        raise ValueError("The specified log group does not exist.")
    return original(logical_id, properties, stack_name)


def _refusal(data: dict[str, Any]) -> logs.Response | None:
    group_name, filter_name = data.get("logGroupName"), data.get("filterName")
    if not group_name or not filter_name:
        return logs.invalid_parameter("logGroupName and filterName are required.")
    group = service._log_groups.get(group_name)
    if group is None:
        return logs.not_found("log group")
    if group.get("logGroupClass") == "INFREQUENT_ACCESS":
        return logs.invalid_parameter(
            "Subscription filters are not available for log groups of the Infrequent Access log "
            "class."
        )
    pattern = data.get("filterPattern") or ""
    try:
        cached_filter_pattern(pattern)
    except InvalidFilterPattern as error:
        return logs.invalid_pattern(error)
    return _quota_refusal(group, filter_name, pattern) or _destination_refusal(data, group_name)


def _quota_refusal(group: dict[str, Any], filter_name: str, pattern: str) -> logs.Response | None:
    others = [
        stored["filterPattern"]
        for name, stored in group["subscriptionFilters"].items()
        if name != filter_name
    ]
    if len(others) >= MAXIMUM_FILTERS:
        return _limit_exceeded()
    if contains_regular_expression(pattern):
        group_name = group["arn"].partition(":log-group:")[2].removesuffix(":*")
        others += [
            stored.get("filterPattern") or ""
            for (owner, _), stored in service._metric_filters.items()
            if owner == group_name
        ]
        if sum(map(contains_regular_expression, others)) >= MAXIMUM_REGEX_PATTERNS:
            return _limit_exceeded()
    return None


def _limit_exceeded() -> logs.Response:
    response: logs.Response = service.error_response_json(
        "LimitExceededException", "Resource limit exceeded.", 400
    )
    return response


def _destination_refusal(data: dict[str, Any], group_name: str) -> logs.Response | None:
    destination = data.get("destinationArn") or ""
    try:
        vendor = arns.parse_arn(destination).service
    except arns.ArnParseError:
        return logs.invalid_parameter("destinationArn is not an ARN.")
    if vendor in ("kinesis", "firehose"):
        if not data.get("roleArn"):
            return logs.invalid_parameter(
                f"destinationArn for vendor {vendor} cannot be used without roleArn"
            )
        _LOG.warning("%s is stored, but this emulator delivers to functions only", destination)
        return None
    if vendor == "logs":
        _LOG.warning("%s is stored, but this emulator delivers to functions only", destination)
        return None
    if not _is_function(destination):
        return logs.invalid_parameter(f"destinationArn for vendor {vendor} is not supported")
    if data.get("roleArn"):
        return logs.invalid_parameter(
            "destinationArn for vendor lambda cannot be used with roleArn"
        )
    if _function(destination) is None or not _may_invoke(destination, group_name):
        return logs.invalid_parameter(_NOT_EXECUTABLE)
    return None


def _is_function(destination: object) -> bool:
    return isinstance(destination, str) and ":function:" in destination


def _function(destination: str) -> dict[str, Any] | None:
    """Return the record of the function, version or alias that an ARN names."""
    record, config, name = lambda_svc._get_func_record_for_ref(destination)
    if not record or not config or destination.split(":")[3] != service.get_region():
        return None
    base = lambda_svc._functions.get(name) or {}
    config = {**config, "FunctionArn": destination}
    return {**record, "config": config, "concurrency": base.get("concurrency")}


def _may_invoke(destination: str, group_name: str) -> bool:
    """Evaluate the function's resource policy for CloudWatch Logs and this group.

    Both names of the service count: the guide's older examples have the region in it.
    """
    account, region = service.get_account_id(), service.get_region()
    return function_policies.allows(
        destination,
        principals=("logs.amazonaws.com", f"logs.{region}.amazonaws.com"),
        source_arn=f"arn:aws:logs:{region}:{account}:log-group:{group_name}:*",
    )


def _check_health(destination: str) -> None:
    function = _function(destination)
    if function is None:
        return
    event = {"id": "", "timestamp": int(time.time() * 1000), "message": _CONTROL_MESSAGE}
    payload = _payload(
        message_type="CONTROL_MESSAGE",
        owner="CloudwatchLogs",
        group_name="",
        stream_name="",
        filter_names=[],
        events=[event],
    )
    _invoke(function, payload, is_health_check=True)


# --- Delivering events -------------------------------------------------------------------------


def deliver(group_name: str, stream_name: str, events: Sequence[LogEvent]) -> None:
    """Send the events of one stream to the functions whose filters match them.

    Called wherever MiniStack stores events. An error must not fail the caller, who only logs.
    """
    group = service._log_groups.get(group_name)
    if not group or not group.get("subscriptionFilters") or not events:
        return
    try:
        identified = _with_ids(group, stream_name, events)
        for subscription in list(group["subscriptionFilters"].values()):
            _deliver_to(subscription, group_name, stream_name, identified)
    except Exception:
        _LOG.exception("delivery from %s failed", group_name)


def _with_ids(
    group: dict[str, Any], stream_name: str, events: Sequence[LogEvent]
) -> list[LogEvent]:
    """Give events the ids under which they were stored.

    What a function prints comes here as copies without ids, right after it was stored.
    """
    kept = [event for event in events if event.get("message")]
    if all("eventId" in event for event in kept):
        return kept
    stored = group["streams"].get(stream_name, {}).get("events", [])[-len(kept) :]
    messages = [(event["timestamp"], event["message"]) for event in kept]
    if [(event["timestamp"], event["message"]) for event in stored] == messages:
        return list(stored)
    return [{**event, "eventId": log_events.new_event_id(event["timestamp"])} for event in kept]


def _deliver_to(
    subscription: dict[str, Any], group_name: str, stream_name: str, events: list[LogEvent]
) -> None:
    destination, name = subscription["destinationArn"], subscription["filterName"]
    matching = [
        event for event in events if logs.matches(subscription["filterPattern"], event["message"])
    ]
    if not matching or not _is_function(destination):
        return
    if _depth() > MAXIMUM_NESTED_DELIVERIES:
        _LOG.error(
            "Loop stopped: filter %s of %s is %d deliveries deep. AWS would go on.",
            *(name, group_name, MAXIMUM_NESTED_DELIVERIES),
        )
        return
    dimensions = {
        "LogGroupName": group_name,
        "DestinationType": "Lambda",
        "FilterName": name,
    }
    function = _function(destination)
    if function is None or not _may_invoke(destination, group_name):
        _LOG.error("Filter %s of %s: %s", name, group_name, _NOT_EXECUTABLE)
        cloudwatch.record_metric("AWS/Logs", "DeliveryErrors", 1, "None", dimensions)
        return
    for payload in _payloads(group_name, stream_name, name, matching):
        _invoke(function, payload)
    cloudwatch.record_metric("AWS/Logs", "ForwardedLogEvents", len(matching), "None", dimensions)


def _depth() -> int:
    """Return how many functions stand behind a delivery made now, its own included."""
    return max(_depth_of_caller.get(), int(lambda_svc._invoke_depth.get())) + 1


def _payloads(
    group_name: str, stream_name: str, filter_name: str, events: list[LogEvent]
) -> Iterator[dict[str, Any]]:
    """Yield payloads that asynchronous invocations can carry, halving what is too large."""
    payload = _payload(
        message_type="DATA_MESSAGE",
        owner=service.get_account_id(),
        group_name=group_name,
        stream_name=stream_name,
        filter_names=[filter_name],
        events=[
            {"id": event["eventId"], "timestamp": event["timestamp"], "message": event["message"]}
            for event in events
        ],
    )
    if len(payload["awslogs"]["data"]) <= MAXIMUM_PAYLOAD or len(events) == 1:
        yield payload
        return
    half = len(events) // 2
    yield from _payloads(group_name, stream_name, filter_name, events[:half])
    yield from _payloads(group_name, stream_name, filter_name, events[half:])


def _payload(
    *,
    message_type: str,
    owner: str,
    group_name: str,
    stream_name: str,
    filter_names: list[str],
    events: list[LogEvent],
) -> dict[str, Any]:
    content = {
        "messageType": message_type,
        "owner": owner,
        "logGroup": group_name,
        "logStream": stream_name,
        "subscriptionFilters": filter_names,
        "logEvents": events,
    }
    compressed = gzip.compress(json.dumps(content).encode(), compresslevel=6)
    return {"awslogs": {"data": base64.b64encode(compressed).decode()}}


def _invoke(
    function: dict[str, Any], payload: dict[str, Any], *, is_health_check: bool = False
) -> None:
    """Invoke asynchronously, one delivery deeper than now."""
    depth = _depth()

    def run() -> None:
        lambda_svc._invoke_depth.set(depth)
        asynchronous_invocation.invoke(function, payload, once=is_health_check)

    contextvars.copy_context().run(run)
