"""Where subscriptions of CloudWatch Logs send events: functions, streams, Logs destinations.

A subscription is a filter of one log group (`subscription_filters`) or the policy of the account
(`account_policies`). Both are checked when put, and delivered, by this module.

MiniStack 1.5.33:

- A delivery is one plain execution of a function: no retry, no on-failure destination, no check of
  the function's resource policy. The ids in the payload are made up on the spot.
- Kinesis streams and Logs destinations are stored as destinations and get nothing. Nobody looks at
  the role or at the policy of a Logs destination.
- It has no AWS::Logs::Destination in CloudFormation.

AWS:

- CloudWatch Logs User Guide, "Log group-level subscription filters", "Example 2: Subscription
  filters with AWS Lambda": the payload, and that CloudWatch Logs may also emit records of type
  CONTROL_MESSAGE "mainly for checking if the destination is reachable". Their shape (owner
  `CloudwatchLogs`, empty group and stream, one event without id) is as recorded from Firehose and
  Kinesis destinations; whether and when AWS sends them to functions is not documented. Here one is
  sent when a subscription is put. It is tried once and never reaches an on-failure destination.
- Lambda Developer Guide, "Using Lambda with CloudWatch Logs": the invocation is asynchronous, with
  what that means for retries, throttles and destinations (`asynchronous_invocation`).
- The same guide, "Example 1: Subscription filters with Kinesis Data Streams": a record is the
  document, compressed with gzip; the role must be one that CloudWatch Logs may assume and that may
  call kinesis:PutRecord on the stream. The stream is tried when the subscription is put.
- API Reference, "PutSubscriptionFilter", "PutAccountPolicy": by default, events of one log stream
  stay together in one shard; Distribution "Random" spreads them.
- "Cross-account cross-Region subscriptions": a Logs destination names a stream and a role of the
  receiving account; its access policy says which accounts may subscribe. `owner` in the payload is
  the sending account.
- "Monitoring with CloudWatch metrics": ForwardedLogEvents and ForwardedBytes (compressed) count
  what was delivered, DeliveryErrors the log events of a delivery that failed; errors such as
  AccessDeniedException and ResourceNotFoundException are not retried. The page does not give the
  values of DestinationType; those here are Lambda and Kinesis. A function's throttles happen after
  Lambda accepted the event, so they are no DeliveryThrottling; nothing here causes that metric.
- "Log recursion prevention": nothing stops a function whose own log group feeds it, nor two that
  feed each other. So those loops run here too, up to `MAXIMUM_NESTED_DELIVERIES`: then the delivery
  is dropped and logged as an error, so that a test that starts a loop sees it and still ends.

Firehose streams are stored and not delivered to.
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
from dataclasses import dataclass
from typing import Any

from ministack.core import arn as arns
from ministack.core import iam_evaluator, responses
from ministack.services import cloudwatch, iam, kinesis, lambda_svc
from ministack.services import cloudwatch_logs as service
from ministack.services.cloudformation import provisioners

from emulator import (
    asynchronous_invocation,
    execution_roles,
    function_policies,
    logs,
    patching,
)

MAXIMUM_NESTED_DELIVERIES = 10
MAXIMUM_PAYLOAD = 1_048_576
ACCOUNT_LEVEL = "ACCOUNT_LEVEL_POLICY"

_LOG = logging.getLogger("emulator.log_destinations")
_DESTINATION_TYPE = "AWS::Logs::Destination"
NOT_EXECUTABLE = (
    "Could not execute the lambda function. Make sure you have given CloudWatch Logs permission "
    "to execute your function."
)
NO_TEST_MESSAGE = (
    "Could not deliver test message to specified Kinesis stream. Check if the given kinesis stream "
    "is in ACTIVE state."
)
_CONTROL_MESSAGE = "CWL CONTROL MESSAGE: Checking health of destination {}."
# Under this key a record remembers its depth. GetRecords and events leave it out.
DEPTH = "emulatorDepth"

# How many functions the caller of the current request has behind it. Functions that CloudWatch Logs
# invoked send it back in a header of MiniStack's with every call of an SDK.
_depth_of_caller: contextvars.ContextVar[int] = contextvars.ContextVar("depth_of_caller", default=0)

LogEvent = dict[str, Any]


class Undeliverable(Exception):
    """A destination cannot be delivered to, and trying again would not help."""


@dataclass(frozen=True)
class Subscription:
    """What sends the matching events of a log group somewhere.

    Attributes:
        name: The name of the filter or the policy.
        pattern: Which events match.
        destination: ARN of a function, a Kinesis stream or a Logs destination.
        role: ARN of the role that may put records, for a Kinesis stream.
        distribution: "ByLogStream" or "Random".
        level: `ACCOUNT_LEVEL`, or "" for a filter of a log group.
    """

    name: str
    pattern: str
    destination: str
    role: str = ""
    distribution: str = "ByLogStream"
    level: str = ""


def install() -> None:
    """Replace MiniStack's handlers."""
    patching.require(
        lambda_svc, ["_functions", "_get_func_record_for_ref", "_inbound_invoke_depth"]
    )
    patching.require(iam_evaluator, ["EvalContext", "evaluate_resource_policy"])
    patching.require(iam, ["_roles"])
    patching.require(
        kinesis,
        [
            "_ensure_active",
            "_partition_key_to_hash",
            "_resolve_stream_by_arn",
            "_route_to_shard",
            "put_record_internal",
        ],
    )
    patching.require(service, ["_destinations", "_put_destination", "get_account_id", "get_region"])
    patching.require(cloudwatch, ["record_metric"])
    patching.require(responses, ["request_scope"])
    patching.wrap(service, "handle_request", _handle_request)
    patching.wrap(service, "_put_destination", _put_destination)
    patching.require(provisioners, ["_RESOURCE_HANDLERS"])
    provisioners._RESOURCE_HANDLERS[_DESTINATION_TYPE] = {
        "create": _create_destination,
        "update": _update_destination,
        "delete": _delete_destination,
    }


async def _handle_request(
    original: Any, method: str, path: str, headers: dict[str, str], body: bytes, query: Any
) -> Any:
    _depth_of_caller.set(lambda_svc._inbound_invoke_depth(headers))
    return await original(method, path, headers, body, query)


# --- Checking a destination --------------------------------------------------------------------


def refusal(destination: str, role: str, group_name: str, action: str) -> logs.Response | None:
    """Say why a subscription with this destination may not be put.

    Args:
        destination: The ARN given.
        role: The ARN of the role given, or "".
        group_name: The log group, or "*" for all of the account.
        action: What the policy of a Logs destination has to allow.
    """
    try:
        parsed = arns.parse_arn(destination)
    except arns.ArnParseError:
        return logs.invalid_parameter("destinationArn is not an ARN.")
    vendor = parsed.service
    if vendor in ("kinesis", "firehose") and not role:
        return logs.invalid_parameter(
            f"destinationArn for vendor {vendor} cannot be used without roleArn"
        )
    if vendor == "firehose":
        _LOG.warning("%s is stored, but this emulator does not deliver to Firehose", destination)
        return None
    if vendor == "logs":
        return _logs_destination_refusal(destination, action)
    if vendor == "kinesis":
        return _stream_refusal(destination, role)
    if not is_function(destination):
        return logs.invalid_parameter(f"destinationArn for vendor {vendor} is not supported")
    if role:
        return logs.invalid_parameter(
            "destinationArn for vendor lambda cannot be used with roleArn"
        )
    if _function(destination) is None or not _may_invoke(destination, group_name):
        return logs.invalid_parameter(NOT_EXECUTABLE)
    return None


def is_function(destination: object) -> bool:
    """Say whether an ARN is that of a function."""
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
    """Evaluate the function's resource policy for CloudWatch Logs and this group."""
    suffix = group_name if group_name == "*" else f"{group_name}:*"
    return function_policies.allows(destination, **_on_behalf_of(suffix))


def _on_behalf_of(group_suffix: str) -> dict[str, Any]:
    """Return who CloudWatch Logs is, and for which log group of this account it acts.

    Both names of the service count: the guide's older examples have the region in it.
    """
    account, region = service.get_account_id(), service.get_region()
    return {
        "principals": ("logs.amazonaws.com", f"logs.{region}.amazonaws.com"),
        "source_arn": f"arn:aws:logs:{region}:{account}:log-group:{group_suffix}",
    }


def _stream_refusal(stream: str, role: str) -> logs.Response | None:
    if arns.parse_arn(stream).account_id != service.get_account_id():
        return logs.invalid_parameter("destinationArn is not in the account of the caller.")
    try:
        _check_stream(stream, role)
    except Undeliverable as error:
        _LOG.warning("%s", error)
        return logs.invalid_parameter(NO_TEST_MESSAGE)
    return None


def _check_stream(stream: str, role: str) -> None:
    """Check that CloudWatch Logs can put records into a stream as a role.

    Raises:
        Undeliverable: It cannot; the message says why.
    """
    account, region = arns.parse_arn(stream).account_id, arns.parse_arn(stream).region
    if not _may_put_records(role, stream):
        raise Undeliverable(f"CloudWatch Logs may not put records into {stream} as {role}")
    with responses.request_scope(account, region):
        found = kinesis._resolve_stream_by_arn(stream)
        if found is not None:
            kinesis._ensure_active(found)
    if found is None or found.get("StreamStatus") != "ACTIVE":
        raise Undeliverable(f"{stream} does not exist or is not active")


def _may_put_records(role: str, stream: str) -> bool:
    try:
        account = arns.parse_arn(role).account_id
    except arns.ArnParseError:
        return False
    record = iam._roles.get_scoped(account, None, role.rsplit("/", 1)[-1]) or {}
    trust = record.get("AssumeRolePolicyDocument")
    return function_policies.permits(
        trust, "sts:AssumeRole", role, **_on_behalf_of("*")
    ) and execution_roles.may(role, "kinesis:PutRecord", stream)


def _logs_destination(arn: str) -> dict[str, Any] | None:
    parsed = arns.parse_arn(arn)
    found: dict[str, Any] | None = service._destinations.get_scoped(
        parsed.account_id, parsed.region, arn.partition(":destination:")[2]
    )
    return found


def _logs_destination_refusal(arn: str, action: str) -> logs.Response | None:
    found = _logs_destination(arn)
    if found is None:
        return logs.invalid_parameter(
            "Could not deliver test message to specified destination. Check if the destination is "
            "valid."
        )
    account = service.get_account_id()
    context = iam_evaluator.EvalContext(
        principal_arn=f"arn:aws:iam::{account}:root",
        principal_type="Root",
        principal_account=account,
        action=action,
        resource_arn=arn,
        region=service.get_region(),
        secure_transport=True,
    )
    policy = found.get("accessPolicy")
    if iam_evaluator.evaluate_resource_policy(policy, context).decision == "Allow":
        return None
    response: logs.Response = service.error_response_json(
        "AccessDeniedException",
        f"User with accountId: {account} is not authorized to perform: {action} on resource: {arn}",
        400,
    )
    return response


# --- Logs destinations -------------------------------------------------------------------------


def _put_destination(original: Any, data: dict[str, Any]) -> logs.Response:
    """Try the stream of a Logs destination, and keep the access policy of one that is updated."""
    target, role = data.get("targetArn") or "", data.get("roleArn") or ""
    if ":kinesis:" in target:
        try:
            _check_stream(target, role)
        except Undeliverable as error:
            _LOG.warning("%s", error)
            return logs.invalid_parameter(NO_TEST_MESSAGE)
    elif ":firehose:" not in target:
        return logs.invalid_parameter("targetArn is neither a Kinesis nor a Firehose stream.")
    existing = service._destinations.get(data.get("destinationName")) or {}
    policy = existing.get("accessPolicy") or ""
    response: logs.Response = original({**data, "accessPolicy": policy})
    if response[0] < 400 and ":kinesis:" in target:
        _put_record(target, role, _control_message("Kinesis stream"), key="control")
    return response


def _create_destination(
    logical_id: str, properties: dict[str, Any], stack_name: str
) -> tuple[str, dict[str, str]]:
    name = properties.get("DestinationName")
    if not name:
        raise ValueError(f"{_DESTINATION_TYPE}: Property DestinationName is required.")
    logs.call(
        service._put_destination,
        destinationName=name,
        targetArn=properties.get("TargetArn"),
        roleArn=properties.get("RoleArn"),
    )
    if properties.get("DestinationPolicy"):
        policy = properties["DestinationPolicy"]
        logs.call(service._put_destination_policy, destinationName=name, accessPolicy=policy)
    return name, {"Arn": service._destinations[name]["arn"]}


def _update_destination(
    physical_id: str, old: dict[str, Any], new: dict[str, Any], stack_name: str
) -> tuple[str, dict[str, str]]:
    created = _create_destination(physical_id, new, stack_name)
    if created[0] != physical_id:
        _delete_destination(physical_id, old)
    return created


def _delete_destination(physical_id: str, properties: dict[str, Any]) -> None:
    service._destinations.pop(physical_id, None)


# --- Delivering --------------------------------------------------------------------------------


def check_health(subscription: Subscription) -> None:
    """Send the control message that goes out when a subscription is put."""
    destination = subscription.destination
    function = _function(destination) if is_function(destination) else None
    if function is not None:
        _invoke(function, _control_message("Lambda function"), is_health_check=True)
    elif ":kinesis:" in destination:
        _put_record(
            destination, subscription.role, _control_message("Kinesis stream"), key="control"
        )


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
    destination = subscription.destination
    kind = _destination_kind(destination)
    if not matching or not kind:
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
        _count(subscription, kind, group_name, "DeliveryErrors", len(matching), "None")
        return
    _count(subscription, kind, group_name, "ForwardedLogEvents", len(matching), "None")
    _count(subscription, kind, group_name, "ForwardedBytes", forwarded, "Bytes")


def _destination_kind(destination: str) -> str:
    """Return the DestinationType of metrics, or "" where nothing is delivered."""
    if is_function(destination):
        return "Lambda"
    found = _logs_destination(destination) if ":destination:" in destination else None
    target = (found or {}).get("targetArn") or destination
    return "Kinesis" if ":kinesis:" in target or ":destination:" in destination else ""


def _count(
    subscription: Subscription, kind: str, group_name: str, metric: str, value: float, unit: str
) -> None:
    dimensions = {"DestinationType": kind, "FilterName": subscription.name}
    if subscription.level:
        dimensions["PolicyLevel"] = "AccountPolicy"
    else:
        dimensions["LogGroupName"] = group_name
    cloudwatch.record_metric("AWS/Logs", metric, value, unit, dimensions)


def _send(subscription: Subscription, group_name: str, stream_name: str, payload: bytes) -> None:
    destination, role = subscription.destination, subscription.role
    if is_function(destination):
        function = _function(destination)
        if function is None or not _may_invoke(destination, group_name):
            raise Undeliverable(NOT_EXECUTABLE)
        _invoke(function, payload)
        return
    if ":destination:" in destination:
        found = _logs_destination(destination)
        if found is None:
            raise Undeliverable("the destination does not exist")
        destination, role = found["targetArn"], found["roleArn"]
        if ":kinesis:" not in destination:
            return
    source = f"{service.get_account_id()}:{group_name}:{stream_name}".encode()
    if subscription.distribution == "Random":
        source = lambda_svc.new_uuid().encode()
    _put_record(destination, role, payload, key=hashlib.md5(source).hexdigest())


def _put_record(stream: str, role: str, payload: bytes, *, key: str) -> None:
    _check_stream(stream, role)
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
    size = len(payload) * 4 // 3 + 4 if is_function(subscription.destination) else len(payload)
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
