"""Reserved concurrency of functions that CloudFormation deploys.

MiniStack 1.5.33 ignores ReservedConcurrentExecutions in templates, so a deployed function is never
throttled, and a function with a concurrency of zero still runs.

AWS reserves the concurrency and limits the function to it, and removes the limit when the template
no longer has one (CloudFormation Template Reference, "AWS::Lambda::Function").
"""

from __future__ import annotations

from typing import Any

from ministack.services import lambda_svc

from emulator import patching

_TYPE = "AWS::Lambda::Function"


def install() -> None:
    """Replace MiniStack's handlers."""
    patching.require(lambda_svc, ["_delete_function_concurrency", "_put_function_concurrency"])
    patching.wrap_resource_type(_TYPE, create=_create, update=_update)


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
