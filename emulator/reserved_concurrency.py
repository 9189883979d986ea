"""Reserved concurrency of functions that CloudFormation deploys.

MiniStack 1.5.33 ignores ReservedConcurrentExecutions in templates, so a deployed function is never
throttled, and one with none at all still runs.

AWS: CloudFormation Template Reference, "AWS::Lambda::Function": ReservedConcurrentExecutions
reserves and limits, updates without interruption, and is lifted when the template drops it.
"""

from __future__ import annotations

from typing import Any

from ministack.services import lambda_svc
from ministack.services.cloudformation import provisioners

from emulator import patching

_TYPE = "AWS::Lambda::Function"


def install() -> None:
    """Replace MiniStack's handlers."""
    patching.require(lambda_svc, ["_delete_function_concurrency", "_put_function_concurrency"])
    patching.require(provisioners, ["_RESOURCE_HANDLERS"])
    handlers = provisioners._RESOURCE_HANDLERS.get(_TYPE, {})
    patching.wrap_entry(handlers, _TYPE, "create", _create)
    patching.wrap_entry(handlers, _TYPE, "update", _update)


def _create(original: Any, logical_id: str, properties: dict[str, Any], stack_name: str) -> Any:
    created = original(logical_id, properties, stack_name)
    _reserve(created[0], properties)
    return created


def _update(
    original: Any,
    physical_id: str,
    old: dict[str, Any],
    new: dict[str, Any],
    stack_name: str,
    logical_id: str | None = None,
) -> Any:
    updated = original(physical_id, old, new, stack_name, logical_id)
    _reserve(updated[0], new)
    return updated


def _reserve(name: str, properties: dict[str, Any]) -> None:
    member = "ReservedConcurrentExecutions"
    if properties.get(member) is None:
        lambda_svc._delete_function_concurrency(name)
    else:
        lambda_svc._put_function_concurrency(name, {member: int(properties[member])})
