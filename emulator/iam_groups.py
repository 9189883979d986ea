"""IAM groups in CloudFormation.

MiniStack 1.5.33 has groups in its IAM API and in the policies it evaluates, but no AWS::IAM::Group.

AWS: CloudFormation Template Reference, "AWS::IAM::Group": Ref is the group's name, GetAtt has Arn;
GroupName is replaced, ManagedPolicyArns and Policies change in place. API Reference, "DeleteGroup":
the group must have no members and no policies, which CloudFormation takes off it first.
"""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree

from ministack.services import iam
from ministack.services.cloudformation import provisioners

from emulator import patching

_TYPE = "AWS::IAM::Group"
_MESSAGE = "{https://iam.amazonaws.com/doc/2010-05-08/}Message"


def install() -> None:
    """Add the resource type."""
    patching.require(iam, ["_IAM_HANDLERS", "_groups"])
    patching.require(
        provisioners, ["_RESOURCE_HANDLERS", "_REPLACING_PROPERTIES", "_physical_name"]
    )
    provisioners._RESOURCE_HANDLERS[_TYPE] = {
        "create": _create,
        "update": _update,
        "delete": _delete,
    }
    provisioners._REPLACING_PROPERTIES[_TYPE] = ("GroupName",)


def _create(
    logical_id: str, properties: dict[str, Any], stack_name: str
) -> tuple[str, dict[str, str]]:
    name = properties.get("GroupName") or provisioners._physical_name(
        stack_name, logical_id, max_len=128
    )
    _call("CreateGroup", GroupName=name, Path=properties.get("Path") or "/")
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
        _call("DeleteGroup", GroupName=physical_id)


def _reconcile(name: str, old: dict[str, Any], new: dict[str, Any]) -> None:
    """Bring the group's policies to what the template says."""
    attached, wanted = (set(one.get("ManagedPolicyArns") or []) for one in (old, new))
    for arn in sorted(attached - wanted):
        _call("DetachGroupPolicy", GroupName=name, PolicyArn=arn)
    for arn in sorted(wanted - attached):
        _call("AttachGroupPolicy", GroupName=name, PolicyArn=arn)
    inline, wanted_inline = (_inline_policies(one) for one in (old, new))
    for policy_name in sorted(inline.keys() - wanted_inline.keys()):
        _call("DeleteGroupPolicy", GroupName=name, PolicyName=policy_name)
    for policy_name, document in wanted_inline.items():
        _call("PutGroupPolicy", GroupName=name, PolicyName=policy_name, PolicyDocument=document)


def _inline_policies(properties: dict[str, Any]) -> dict[str, str]:
    policies = properties.get("Policies") or []
    return {one["PolicyName"]: json.dumps(one["PolicyDocument"]) for one in policies}


def _call(action: str, **parameters: str) -> None:
    status, _, body = iam._IAM_HANDLERS[action](parameters)
    if status >= 400:
        message = ElementTree.fromstring(body).findtext(f".//{_MESSAGE}")
        raise ValueError(f"{message} ({_TYPE}, {action})")
