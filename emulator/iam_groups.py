"""IAM groups in CloudFormation.

MiniStack 1.5.33 supports groups in its IAM API and in policy evaluation, but has no
AWS::IAM::Group.

On AWS, Ref is the group's name, and GetAtt has Arn. A new GroupName replaces the group;
ManagedPolicyArns are updated in place (CloudFormation Template Reference, "AWS::IAM::Group"). A
group with policies cannot be deleted (IAM API Reference, "DeleteGroup"), so this module detaches
them first.

Inline policies are rejected as not implemented.
"""

from __future__ import annotations

from typing import Any

from ministack.services import iam
from ministack.services.cloudformation import provisioners

from emulator import patching
from emulator.access_keys import call_iam

_TYPE = "AWS::IAM::Group"


def install() -> None:
    """Add the resource type."""
    patching.require(iam, ["_groups"])
    patching.require(provisioners, ["_physical_name"])
    patching.add_resource_type(
        _TYPE, replacing=("GroupName",), create=_create, update=_update, delete=_delete
    )


def _create(
    logical_id: str, properties: dict[str, Any], stack_name: str
) -> tuple[str, dict[str, str]]:
    if properties.get("Policies"):
        raise ValueError(f"{_TYPE}: this emulator does not implement Policies.")
    name = properties.get("GroupName") or provisioners._physical_name(
        stack_name, logical_id, max_len=128
    )
    call_iam("CreateGroup", GroupName=name, Path=properties.get("Path") or "/")
    _reconcile(name, {}, properties)
    return name, {"Arn": iam._groups[name]["Arn"]}


def _update(
    physical_id: str, old: dict[str, Any], new: dict[str, Any], stack_name: str
) -> tuple[str, dict[str, str]]:
    _reconcile(physical_id, old, new)
    return physical_id, {"Arn": iam._groups[physical_id]["Arn"]}


def _delete(physical_id: str, properties: dict[str, Any]) -> None:
    if physical_id in iam._groups:
        _reconcile(physical_id, properties, {})
        call_iam("DeleteGroup", GroupName=physical_id)


def _reconcile(name: str, old: dict[str, Any], new: dict[str, Any]) -> None:
    """Attach and detach policies until the group has those of the template."""
    attached, wanted = (set(one.get("ManagedPolicyArns") or []) for one in (old, new))
    for arn in sorted(attached - wanted):
        call_iam("DetachGroupPolicy", GroupName=name, PolicyArn=arn)
    for arn in sorted(wanted - attached):
        call_iam("AttachGroupPolicy", GroupName=name, PolicyArn=arn)
