"""How events reach the destination of a subscription: functions, streams, Logs destinations.

MiniStack 1.5.33 executes a function once for a delivery, without retries, and makes up the ids in
the payload. Kinesis streams and Logs destinations get nothing.

AWS invokes a function asynchronously (Lambda Developer Guide, "Using Lambda with CloudWatch Logs")
and puts the payload, compressed, into a stream (CloudWatch Logs User Guide, "Log group-level
subscription filters"); it keeps a log stream in one shard, or spreads it with Distribution "Random"
(API Reference, "PutSubscriptionFilter"). It counts ForwardedLogEvents, ForwardedBytes and
DeliveryErrors (User Guide, "Monitoring with CloudWatch metrics"), and lets a function that feeds
itself run for ever ("Log recursion prevention").

Not documented, and assumed here: a control message is sent when a subscription is put, in the form
that Firehose and Kinesis destinations have recorded, and tried once; the DestinationType of metrics
is Lambda or Kinesis; those of an account policy have PolicyLevel and no LogGroupName. A loop is
stopped after `MAXIMUM_NESTED_DELIVERIES` and logged as an error.
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
# Under this key a record remembers its depth. GetRecords and events leave it out.
DEPTH = "emulatorDepth"

# How many functions the caller of the current request has behind it. Functions that CloudWatch Logs
# invoked send it back in a header of MiniStack's with every call of an SDK.
_depth_of_caller: contextvars.ContextVar[int] = contextvars.ContextVar("depth_of_caller", default=0)


def install() -> None:
    """Note the depth of every caller of CloudWatch Logs."""
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
    """Send the control message that goes out when a subscription is put."""
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
        events: Events with `eventId`, `timestamp` and `message`.
    """
    matching = [event for event in events if logs.matches(subscription.pattern, event["message"])]
    if not matching:
        return
    if depth() > MAXIMUM_NESTED_DELIVERIES:
        _LOG.error(
            "Loop stopped: %s of %s is %d deliveries deep. AWS would go on.",
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
    """Return how many functions stand behind a delivery made now, its own included."""
    return max(_depth_of_caller.get(), int(lambda_svc._invoke_depth.get())) + 1


def _payloads(
    subscription: Subscription, group_name: str, stream_name: str, events: Sequence[LogEvent]
) -> Iterator[bytes]:
    """Yield documents that a destination can carry, halving what is too large."""
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
    """Invoke asynchronously, one delivery deeper than now."""
    event = {"awslogs": {"data": base64.b64encode(payload).decode()}}
    nested = depth()

    def run() -> None:
        lambda_svc._invoke_depth.set(nested)
        asynchronous_invocation.invoke(function, event, once=is_health_check)

    contextvars.copy_context().run(run)
