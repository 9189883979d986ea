"""Custom resources in CloudFormation, and the cleanup phase of an update.

MiniStack 1.5.33 invokes the function of a custom resource once, and reads the response only after
the function has ended. It forgets a resource whose creation failed. While an update deletes
replaced resources, the status of the stack is UPDATE_IN_PROGRESS.

AWS invokes the function asynchronously, so Lambda retries a function that raises. Only the response
or ServiceTimeout ends the wait (CloudFormation User Guide, "How custom resources work"). The
rollback deletes a resource whose creation failed ("Custom resource response objects"). While an
update deletes replaced resources, the status is UPDATE_COMPLETE_CLEANUP_IN_PROGRESS ("Stack status
codes").

Here the stack continues only when the function has ended, so that the function writes no log lines
after its log group is deleted. NoEcho has no effect. The deploying identity does not need
lambda:InvokeFunction.
"""

from __future__ import annotations

import threading
from typing import Any

from ministack.core.responses import new_uuid
from ministack.services import cloudformation, lambda_svc
from ministack.services.cloudformation import custom_resource, handlers, provisioners, stacks

from emulator import asynchronous_invocation, patching

_DEFAULT_TIMEOUT = 3600
_SECONDS_FOR_THE_FUNCTION_TO_END = 2.0
_UPDATING = "UPDATE_IN_PROGRESS"
_CLEANING = "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"

_failed_creations: dict[tuple[str, str], dict[str, Any]] = {}
_lock = threading.Lock()


class ProviderFailed(RuntimeError):
    """The function of a custom resource responded FAILED, or did not respond in time."""

    def __init__(self, message: str, physical_id: str) -> None:
        super().__init__(message)
        self.physical_id = physical_id


def install() -> None:
    """Replace MiniStack's handling of custom resources."""
    patching.require(
        custom_resource,
        ["_lock", "_normalise_resource_properties", "_pending", "_response_url", "register_token"],
    )
    patching.require(
        lambda_svc, ["_execution_record_for_config", "_get_func_record_for_ref", "_functions"]
    )
    patching.require(provisioners, ["_cr_stack_id", "_physical_name"])
    patching.require(cloudformation, ["_stacks"])
    patching.replace(custom_resource, "invoke_custom_resource", invoke)
    patching.wrap(provisioners, "_custom_resource_create", _create)
    patching.wrap(stacks, "_delete_resource", _delete_resource)
    for module in (stacks, handlers):
        patching.wrap(module, "_roll_back_operation", _roll_back)


def invoke(
    request_type: str,
    logical_id: str,
    props: dict[str, Any],
    stack_name: str,
    stack_id: str,
    resource_type: str,
    physical_id: str | None = None,
    old_props: dict[str, Any] | None = None,
) -> tuple[str, dict[str, Any]]:
    """Send a request to the function of a custom resource and wait for its response.

    Must not run on the event loop, because the event loop receives the response.

    Returns:
        The physical id and the data of the response.

    Raises:
        ValueError: The function does not exist.
        ProviderFailed: It responded FAILED, or did not respond within ServiceTimeout seconds.
    """
    record, config, _ = lambda_svc._get_func_record_for_ref(props.get("ServiceToken"))
    if not record or not config:
        raise ValueError(f"Custom resource ServiceToken {props.get('ServiceToken')} not found.")
    function = lambda_svc._execution_record_for_config(record, config)
    token, request_id = new_uuid(), new_uuid()
    event: dict[str, Any] = {
        "RequestType": request_type,
        "RequestId": request_id,
        "ResponseURL": custom_resource._response_url(token),
        "StackId": stack_id,
        "ResourceType": resource_type,
        "LogicalResourceId": logical_id,
        "ResourceProperties": custom_resource._normalise_resource_properties(props),
    }
    if physical_id is not None:
        event["PhysicalResourceId"] = physical_id
    if old_props is not None:
        event["OldResourceProperties"] = custom_resource._normalise_resource_properties(old_props)
    fallback = physical_id or provisioners._physical_name(stack_name, logical_id)
    response = _ask(function, event, token, float(props.get("ServiceTimeout", _DEFAULT_TIMEOUT)))
    if response is None:
        raise ProviderFailed(
            "CloudFormation did not receive a response from your Custom Resource. Please check "
            f"your logs for requestId [{request_id}].",
            fallback,
        )
    answered = str(response.get("PhysicalResourceId") or fallback)
    if response.get("Status") != "SUCCESS":
        raise ProviderFailed(
            f"Received response status [{response.get('Status')}] from custom resource. Message "
            f"returned: {response.get('Reason')} (RequestId: {request_id})",
            answered,
        )
    return answered, response.get("Data") or {}


def _ask(
    function: dict[str, Any], event: dict[str, Any], token: str, timeout: float
) -> dict[str, Any] | None:
    answered = custom_resource.register_token(token)
    try:
        invocation = asynchronous_invocation.invoke(function, event)
        answered.wait(timeout)
    finally:
        with custom_resource._lock:
            entry = custom_resource._pending.pop(token, None) or {}
    response: dict[str, Any] | None = entry.get("result")
    if response is not None:
        invocation.join(_SECONDS_FOR_THE_FUNCTION_TO_END)
    return response


# --- Failed creations --------------------------------------------------------------------------


def _create(
    original: Any,
    logical_id: str,
    properties: dict[str, Any],
    stack_name: str,
    resource_type: str = "AWS::CloudFormation::CustomResource",
) -> Any:
    """Record a failed creation for the rollback."""
    try:
        return original(logical_id, properties, stack_name, resource_type)
    except ProviderFailed as error:
        with _lock:
            _failed_creations[provisioners._cr_stack_id(stack_name), logical_id] = {
                "PhysicalResourceId": error.physical_id,
                "ResourceType": resource_type,
                "ResourceStatus": "CREATE_FAILED",
                "LogicalResourceId": logical_id,
                "Properties": properties,
                "Attributes": {},
            }
        raise


async def _roll_back(
    original: Any,
    stack_name: str,
    stack_id: str,
    stack: dict[str, Any],
    operation: dict[str, Any],
    *arguments: Any,
    **keywords: Any,
) -> Any:
    """Make the rollback also delete the resource whose creation failed."""
    logical_id = str(operation.get("failed_logical_id"))
    with _lock:
        failed = _failed_creations.pop((stack_id, logical_id), None)
    if failed is not None:
        stack.setdefault("_resources", {})[logical_id] = failed
        operation.setdefault("created", []).append(logical_id)
    return await original(stack_name, stack_id, stack, operation, *arguments, **keywords)


# --- The cleanup phase -------------------------------------------------------------------------


def _delete_resource(
    original: Any,
    resource_type: str,
    physical_id: str,
    properties: dict[str, Any],
    stack_name: str | None = None,
    logical_id: str | None = None,
) -> Any:
    """Delete a resource. An update deletes resources only in its cleanup phase."""
    stack = cloudformation._stacks.get(stack_name) or {}
    if stack.get("StackStatus") == _UPDATING:
        stack["StackStatus"] = _CLEANING
    return original(resource_type, physical_id, properties, stack_name, logical_id)
