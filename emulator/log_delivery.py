"""Delivery of log events to the destination of a subscription.

MiniStack 1.5.33 invokes a function once for a delivery, without retries, and invents the ids in the
payload. It delivers nothing to Kinesis streams and Logs destinations.

AWS invokes a function asynchronously (Lambda Developer Guide, "Using Lambda with CloudWatch Logs")
and puts the compressed payload into a stream (CloudWatch Logs User Guide, "Log group-level
subscription filters"). It sends a log stream to one shard, or to all shards with Distribution
"Random" (API Reference, "PutSubscriptionFilter"). It counts ForwardedLogEvents, ForwardedBytes and
DeliveryErrors (User Guide, "Monitoring with CloudWatch metrics"), and does not stop a function that
subscribes to its own log lines ("Log recursion prevention").

The following is undocumented and assumed here. Putting a subscription sends a control message, in
the format that Firehose and Kinesis destinations have recorded, without retries. The
DestinationType of metrics is Lambda or Kinesis. The metrics of an account policy have PolicyLevel
and no LogGroupName. This module stops a loop after `MAXIMUM_NESTED_DELIVERIES` and logs an error.
"""

from __future__ import annotations

import base64
import contextvars
import gzip
import hashlib
import json
import logging
import time
from collections.abc import Iterator, Sequence
from typing import Any

from ministack.core import arn as arns
from ministack.core import responses
from ministack.services import cloudwatch, kinesis, lambda_svc
from ministack.services import cloudwatch_logs as service

from emulator import asynchronous_invocation, logs, patching
from emulator.log_destinations import (
    NOT_EXECUTABLE,
    Subscription,
    Undeliverable,
    check_stream,
    function_of,
    is_function,
    is_invocable,
    logs_destination,
)
from emulator.logs import LogEvent

MAXIMUM_NESTED_DELIVERIES = 10
MAXIMUM_PAYLOAD = 1_048_576

_LOG = logging.getLogger("emulator.log_delivery")
_CONTROL_MESSAGE = "CWL CONTROL MESSAGE: Checking health of destination {}."
# The key of a record's depth. GetRecords and events leave it out.
DEPTH = "emulatorDepth"

# The number of nested functions behind the current request. Functions that CloudWatch Logs invoked
# send it in one of MiniStack's headers, with every call of an SDK.
_depth_of_caller: contextvars.ContextVar[int] = contextvars.ContextVar("depth_of_caller", default=0)


def install() -> None:
    """Record the depth of every caller of CloudWatch Logs."""
    patching.require(lambda_svc, ["_inbound_invoke_depth", "_invoke_depth"])
    patching.require(
        kinesis,
        [
            "_partition_key_to_hash",
            "_resolve_stream_by_arn",
            "_route_to_shard",
            "put_record_internal",
        ],
    )
    patching.require(cloudwatch, ["record_metric"])
    patching.require(responses, ["request_scope"])
    patching.wrap(service, "handle_request", _handle_request)


async def _handle_request(
    original: Any, method: str, path: str, headers: dict[str, str], body: bytes, query: Any
) -> Any:
    _depth_of_caller.set(lambda_svc._inbound_invoke_depth(headers))
    return await original(method, path, headers, body, query)


def check_health(subscription: Subscription) -> None:
    """Send the control message of a new subscription."""
    destination = subscription.destination
    function = function_of(destination) if is_function(destination) else None
    if function is not None:
        _invoke(function, _control_message("Lambda function"), is_health_check=True)
    elif ":kinesis:" in destination:
        message = _control_message("Kinesis stream")
        _put_record(destination, subscription.role, message, key="control")


def deliver(
    subscription: Subscription, group_name: str, stream_name: str, events: Sequence[LogEvent]
) -> None:
    """Send the events that match a subscription to its destination.

    Args:
        subscription: The subscription.
        group_name: The log group of the events.
        stream_name: Their log stream.
        events: The events, with `eventId`, `timestamp` and `message`.
    """
    matching = [event for event in events if logs.matches(subscription.pattern, event["message"])]
    if not matching:
        return
    if depth() > MAXIMUM_NESTED_DELIVERIES:
        _LOG.error(
            "Loop stopped: %s of %s is %d deliveries deep. AWS would not stop it.",
            *(subscription.name, group_name, MAXIMUM_NESTED_DELIVERIES),
        )
        return
    try:
        forwarded = 0
        for payload in _payloads(subscription, group_name, stream_name, matching):
            _send(subscription, group_name, stream_name, payload)
            forwarded += len(payload)
    except Undeliverable as error:
        _LOG.error("%s of %s: %s", subscription.name, group_name, error)
        _count(subscription, group_name, "DeliveryErrors", len(matching), "None")
        return
    _count(subscription, group_name, "ForwardedLogEvents", len(matching), "None")
    _count(subscription, group_name, "ForwardedBytes", forwarded, "Bytes")


def _count(
    subscription: Subscription, group_name: str, metric: str, value: float, unit: str
) -> None:
    kind = "Lambda" if is_function(subscription.destination) else "Kinesis"
    dimensions = {"DestinationType": kind, "FilterName": subscription.name}
    if subscription.level:
        dimensions["PolicyLevel"] = "AccountPolicy"
    else:
        dimensions["LogGroupName"] = group_name
    cloudwatch.record_metric("AWS/Logs", metric, value, unit, dimensions)


def _send(subscription: Subscription, group_name: str, stream_name: str, payload: bytes) -> None:
    destination, role = subscription.destination, subscription.role
    if is_function(destination):
        if not is_invocable(destination, group_name):
            raise Undeliverable(NOT_EXECUTABLE)
        _invoke(function_of(destination) or {}, payload)
        return
    if ":destination:" in destination:
        found = logs_destination(destination)
        if found is None:
            raise Undeliverable("the destination does not exist")
        destination, role = found["targetArn"], found["roleArn"]
    source = f"{service.get_account_id()}:{group_name}:{stream_name}".encode()
    if subscription.distribution == "Random":
        source = lambda_svc.new_uuid().encode()
    _put_record(destination, role, payload, key=hashlib.md5(source).hexdigest())


def _put_record(stream: str, role: str, payload: bytes, *, key: str) -> None:
    check_stream(stream, role)
    parsed = arns.parse_arn(stream)
    with responses.request_scope(parsed.account_id, parsed.region):
        if not kinesis.put_record_internal(stream, key, payload):
            raise Undeliverable(f"{stream} does not exist or is not active")
        found = kinesis._resolve_stream_by_arn(stream)
        shard = kinesis._route_to_shard(kinesis._partition_key_to_hash(key), found)
        found["shards"][shard]["records"][-1][DEPTH] = depth()


def depth() -> int:
    """Return the depth of a delivery made now, including its own function."""
    return max(_depth_of_caller.get(), int(lambda_svc._invoke_depth.get())) + 1


def _payloads(
    subscription: Subscription, group_name: str, stream_name: str, events: Sequence[LogEvent]
) -> Iterator[bytes]:
    """Yield documents that fit into the destination, splitting larger ones in half."""
    payload = _document(
        messageType="DATA_MESSAGE",
        owner=service.get_account_id(),
        logGroup=group_name,
        logStream=stream_name,
        subscriptionFilters=[subscription.name],
        **({"policyLevel": subscription.level} if subscription.level else {}),
        logEvents=[
            {"id": event["eventId"], "timestamp": event["timestamp"], "message": event["message"]}
            for event in events
        ],
    )
    in_base64 = is_function(subscription.destination)
    size = len(payload) * 4 // 3 + 4 if in_base64 else len(payload)
    if size <= MAXIMUM_PAYLOAD or len(events) == 1:
        yield payload
        return
    half = len(events) // 2
    yield from _payloads(subscription, group_name, stream_name, events[:half])
    yield from _payloads(subscription, group_name, stream_name, events[half:])


def _control_message(destination: str) -> bytes:
    message = _CONTROL_MESSAGE.format(destination)
    event = {"id": "", "timestamp": int(time.time() * 1000), "message": message}
    return _document(
        messageType="CONTROL_MESSAGE",
        owner="CloudwatchLogs",
        logGroup="",
        logStream="",
        subscriptionFilters=[],
        logEvents=[event],
    )


def _document(**content: Any) -> bytes:
    return gzip.compress(json.dumps(content).encode(), compresslevel=6)


def _invoke(function: dict[str, Any], payload: bytes, *, is_health_check: bool = False) -> None:
    """Invoke a function asynchronously, one delivery deeper."""
    event = {"awslogs": {"data": base64.b64encode(payload).decode()}}
    nested = depth()

    def run() -> None:
        lambda_svc._invoke_depth.set(nested)
        asynchronous_invocation.invoke(function, event, once=is_health_check)

    contextvars.copy_context().run(run)
