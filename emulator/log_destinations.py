"""Destinations of subscriptions: validation, and AWS::Logs::Destination.

A subscription is a filter of one log group (`subscription_filters`) or the policy of the account
(`account_policies`). `log_delivery` sends events to its destination.

MiniStack 1.5.33 stores any destination. It checks neither the resource policy of a function, nor
the role for a stream, nor the policy of a Logs destination. It has no AWS::Logs::Destination.

AWS rejects a function that CloudWatch Logs may not invoke. It sends a test message to a stream with
the given role, which CloudWatch Logs must be able to assume (CloudWatch Logs User Guide, "Log
group-level subscription filters"; API Reference, "PutDestination"). The access policy of a Logs
destination decides which accounts may subscribe (User Guide, "Cross-account cross-Region
subscriptions").

Firehose is rejected as not implemented.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from ministack.core import arn as arns
from ministack.core import iam_evaluator, responses
from ministack.services import cloudwatch_logs as service
from ministack.services import iam, kinesis, lambda_svc

from emulator import logs, patching, permissions

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


class Undeliverable(Exception):
    """Delivery to a destination is impossible, and a retry would not help."""


@dataclass(frozen=True)
class Subscription:
    """A subscription: it sends the matching events of a log group to a destination.

    Attributes:
        name: The name of the filter or the policy.
        pattern: The filter pattern.
        destination: The ARN of a function, a Kinesis stream or a Logs destination.
        role: The ARN of the role that may put records into a Kinesis stream.
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
    """Replace MiniStack's handlers, and add the resource type."""
    patching.require(lambda_svc, ["_functions", "_get_func_record_for_ref"])
    patching.require(iam_evaluator, ["EvalContext", "evaluate_resource_policy"])
    patching.require(iam, ["_roles"])
    patching.require(kinesis, ["_ensure_active", "_resolve_stream_by_arn"])
    patching.require(service, ["_destinations", "get_account_id", "get_region"])
    patching.require(responses, ["request_scope"])
    patching.wrap(service, "_put_destination", _put_destination)
    patching.add_resource_type(
        _DESTINATION_TYPE,
        create=_create_destination,
        update=_update_destination,
        delete=_delete_destination,
    )


# --- Checking a destination --------------------------------------------------------------------


def refusal(destination: str, role: str, group_name: str, action: str) -> logs.Response | None:
    """Return why AWS would reject a subscription with this destination.

    Args:
        destination: The ARN of the destination.
        role: The ARN of the role, or "".
        group_name: The log group, or "*" for all of the account.
        action: The action that the policy of a Logs destination must allow.
    """
    try:
        parsed = arns.parse_arn(destination)
    except arns.ArnParseError:
        return logs.invalid_parameter("destinationArn is not an ARN.")
    if parsed.service == "logs":
        return _logs_destination_refusal(destination, action)
    if parsed.service == "kinesis":
        if parsed.account_id != service.get_account_id():
            return logs.invalid_parameter("destinationArn is not in the account of the caller.")
        return _stream_refusal(destination, role)
    if not is_function(destination):
        return logs.invalid_parameter(f"{parsed.service} is not implemented by this emulator.")
    if not is_invocable(destination, group_name):
        return logs.invalid_parameter(NOT_EXECUTABLE)
    return None


def is_function(destination: object) -> bool:
    """Return whether an ARN is that of a function."""
    return isinstance(destination, str) and ":function:" in destination


def function_of(destination: str) -> dict[str, Any] | None:
    """Return the record of the function, version or alias that an ARN names."""
    record, config, name = lambda_svc._get_func_record_for_ref(destination)
    if not record or not config or destination.split(":")[3] != service.get_region():
        return None
    base = lambda_svc._functions.get(name) or {}
    config = {**config, "FunctionArn": destination}
    return {**record, "config": config, "concurrency": base.get("concurrency")}


def is_invocable(destination: str, group_name: str) -> bool:
    """Return whether a function exists and allows CloudWatch Logs to invoke it for a log group."""
    suffix = group_name if group_name == "*" else f"{group_name}:*"
    return function_of(destination) is not None and permissions.allows_invocation(
        destination, **_on_behalf_of(suffix)
    )


def _on_behalf_of(group_suffix: str) -> dict[str, Any]:
    """Return the principals of CloudWatch Logs, and the log group it acts for.

    Both names of the service are valid: older examples in the guide include the region.
    """
    account, region = service.get_account_id(), service.get_region()
    return {
        "principals": ("logs.amazonaws.com", f"logs.{region}.amazonaws.com"),
        "source_arn": f"arn:aws:logs:{region}:{account}:log-group:{group_suffix}",
    }


def _stream_refusal(stream: str, role: str) -> logs.Response | None:
    try:
        check_stream(stream, role)
    except Undeliverable as error:
        _LOG.warning("%s", error)
        return logs.invalid_parameter(NO_TEST_MESSAGE)
    return None


def check_stream(stream: str, role: str) -> None:
    """Check that CloudWatch Logs can put records into a stream with a role.

    Raises:
        Undeliverable: It cannot; the message names the reason.
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
    return permissions.permits(
        trust, "sts:AssumeRole", role, **_on_behalf_of("*")
    ) and permissions.role_may(role, "kinesis:PutRecord", stream)


def logs_destination(arn: str) -> dict[str, Any] | None:
    """Return the Logs destination with an ARN."""
    parsed = arns.parse_arn(arn)
    found: dict[str, Any] | None = service._destinations.get_scoped(
        parsed.account_id, parsed.region, arn.partition(":destination:")[2]
    )
    return found


def _logs_destination_refusal(arn: str, action: str) -> logs.Response | None:
    found = logs_destination(arn)
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
    """Test the stream of a Logs destination. An update keeps the access policy."""
    refused = _stream_refusal(data.get("targetArn") or "", data.get("roleArn") or "")
    if refused is not None:
        return refused
    existing = service._destinations.get(data.get("destinationName")) or {}
    policy = existing.get("accessPolicy") or ""
    response: logs.Response = original({**data, "accessPolicy": policy})
    return response


def _create_destination(
    logical_id: str, properties: dict[str, Any], stack_name: str
) -> tuple[str, dict[str, str]]:
    name = properties["DestinationName"]
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
