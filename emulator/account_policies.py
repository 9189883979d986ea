"""Account policies of CloudWatch Logs: one subscription for the log groups of a whole account.

MiniStack 1.5.33 has none of PutAccountPolicy, DescribeAccountPolicies, DeleteAccountPolicy and
AWS::Logs::AccountPolicy.

AWS:

- API Reference, "PutAccountPolicy": a policy of the type SUBSCRIPTION_FILTER_POLICY has a document
  of DestinationArn, RoleArn, FilterPattern and Distribution, at most 30 720 characters long. One
  such policy per account and region; another name is refused, the same name updates it. It applies
  to log groups that exist and that will exist, in addition to their own filters. The only selection
  criteria are `LogGroupName NOT IN [...]`, in UTF-8 at most 25 KB (25 * 1024 bytes here). A name
  cannot start with "aws/".
- CloudWatch Logs User Guide, "Account-level subscription filters": payloads have the name of the
  policy in `subscriptionFilters`, and `policyLevel`. The permission of a function has
  `log-group:*` of the account as its SourceArn, so a permission for one group alone is refused.
- "Log classes": subscription filters are a feature of the Standard class only.
- "Monitoring with CloudWatch metrics" names LogGroupName, DestinationType, FilterName and
  PolicyLevel as dimensions. Which of them go together for an account policy was not verified; here
  they are DestinationType, FilterName and PolicyLevel (`AccountPolicy`).
- CloudFormation Template Reference, "AWS::Logs::AccountPolicy": name and type cannot change without
  replacement. Ref returns `account|type|name`, the identifier in the resource's schema.

Policies of other types are refused as not implemented.
"""

from __future__ import annotations

import json
import re
import time
from typing import Any

from ministack.core.responses import AccountRegionScopedDict
from ministack.services import cloudwatch_logs as service
from ministack.services.cloudformation import provisioners

from emulator import log_destinations, logs, patching
from emulator.filter_pattern import InvalidFilterPattern, cached_filter_pattern

POLICY_TYPE = "SUBSCRIPTION_FILTER_POLICY"
MAXIMUM_SELECTION_CRITERIA = 25 * 1024
MAXIMUM_DOCUMENT = 30_720
MAXIMUM_NAME = 256

_TYPES = frozenset(
    {
        POLICY_TYPE,
        "DATA_PROTECTION_POLICY",
        "FIELD_INDEX_POLICY",
        "TRANSFORMER_POLICY",
        "METRIC_EXTRACTION_POLICY",
    }
)
_CLOUDFORMATION_TYPE = "AWS::Logs::AccountPolicy"
_MEMBERS = frozenset({"DestinationArn", "RoleArn", "FilterPattern", "Distribution"})
_CRITERIA = re.compile(r"\s*LogGroupName\s+NOT\s+IN\s*(\[.*\])\s*", re.DOTALL)

_policies = AccountRegionScopedDict()


class InvalidSelectionCriteria(ValueError):
    """Selection criteria that a subscription filter policy cannot have."""


def install() -> None:
    """Add the actions and the resource type to MiniStack."""
    patching.require(service, ["error_response_json", "get_account_id", "json_response"])
    patching.wrap(service, "handle_request", _handle_request)
    patching.wrap(service, "reset", _reset)
    patching.require(provisioners, ["_RESOURCE_HANDLERS"])
    provisioners._RESOURCE_HANDLERS[_CLOUDFORMATION_TYPE] = {
        "create": _create,
        "update": _update,
        "delete": _delete,
    }


def subscriptions_of(group_name: str, group: dict[str, Any]) -> list[log_destinations.Subscription]:
    """Return what the account subscribes a log group to."""
    if (group.get("logGroupClass") or "STANDARD") != "STANDARD":
        return []
    return [
        _subscription(policy)
        for policy in list(_policies.values())
        if group_name not in excluded_groups(policy.get("selectionCriteria") or "")
    ]


def excluded_groups(criteria: str) -> frozenset[str]:
    """Return the names in selection criteria, none for empty ones.

    Raises:
        InvalidSelectionCriteria: They are not `LogGroupName NOT IN ["name", ...]`, or too long.
    """
    if len(criteria.encode()) > MAXIMUM_SELECTION_CRITERIA:
        raise InvalidSelectionCriteria("selectionCriteria is longer than 25KB.")
    if not criteria:
        return frozenset()
    match = _CRITERIA.fullmatch(criteria)
    try:
        names = json.loads(match[1]) if match else None
    except ValueError:
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InvalidSelectionCriteria(
            'selectionCriteria must have the form LogGroupName NOT IN ["name", ...].'
        )
    return frozenset(names)


async def _handle_request(
    original: Any, method: str, path: str, headers: dict[str, str], body: bytes, query: Any
) -> Any:
    action = _ACTIONS.get(headers.get("x-amz-target", "").rpartition(".")[2])
    if action is None:
        return await original(method, path, headers, body, query)
    try:
        data = json.loads(body or b"{}")
    except ValueError:
        return service.error_response_json("SerializationException", "Invalid JSON", 400)
    return action(data)


def _reset(original: Any) -> None:
    original()
    _policies.clear()


def _put(data: dict[str, Any]) -> logs.Response:
    name, document, criteria = (
        data.get(member) or "" for member in ("policyName", "policyDocument", "selectionCriteria")
    )
    refusal = _type_refusal(data) or _name_refusal(name) or _document_refusal(document)
    if refusal is None:
        try:
            excluded_groups(criteria)
        except InvalidSelectionCriteria as error:
            refusal = logs.invalid_parameter(str(error))
    if refusal is None and any(existing != name for existing in _policies):
        refusal = service.error_response_json(
            "LimitExceededException", "Resource limit exceeded.", 400
        )
    if refusal is not None:
        return refusal
    _policies[name] = {
        "policyName": name,
        "policyDocument": document,
        "lastUpdatedTime": int(time.time() * 1000),
        "policyType": POLICY_TYPE,
        "scope": "ALL",
        **({"selectionCriteria": criteria} if criteria else {}),
        "accountId": service.get_account_id(),
    }
    log_destinations.check_health(_subscription(_policies[name]))
    response: logs.Response = service.json_response({"accountPolicy": _policies[name]})
    return response


def _type_refusal(data: dict[str, Any]) -> logs.Response | None:
    kind = data.get("policyType")
    if kind not in _TYPES:
        return logs.invalid_parameter(f"policyType {kind!r} is not one of {sorted(_TYPES)}.")
    if kind != POLICY_TYPE:
        return logs.invalid_parameter(f"{kind} is not implemented by this emulator.")
    if data.get("scope") not in (None, "ALL"):
        return logs.invalid_parameter("scope must be ALL.")
    return None


def _name_refusal(name: str) -> logs.Response | None:
    if not 1 <= len(name) <= MAXIMUM_NAME or set(name) & set(":*") or name.startswith("aws/"):
        return logs.invalid_parameter(
            "policyName must have 1 to 256 characters without : and *, and not start with aws/."
        )
    return None


def _document_refusal(document: str) -> logs.Response | None:
    if not 1 <= len(document) <= MAXIMUM_DOCUMENT:
        return logs.invalid_parameter(
            f"policyDocument must have 1 to {MAXIMUM_DOCUMENT} characters."
        )
    try:
        content = json.loads(document)
    except ValueError:
        content = None
    if not isinstance(content, dict) or not all(
        isinstance(value, str) for value in content.values()
    ):
        return logs.invalid_parameter("policyDocument is not a JSON object of strings.")
    if unknown := sorted(set(content) - _MEMBERS):
        return logs.invalid_parameter(f"policyDocument has unknown members: {', '.join(unknown)}.")
    if content.get("Distribution", "ByLogStream") not in ("ByLogStream", "Random"):
        return logs.invalid_parameter("Distribution must be ByLogStream or Random.")
    try:
        cached_filter_pattern(content.get("FilterPattern") or "")
    except InvalidFilterPattern as error:
        return logs.invalid_pattern(error)
    return log_destinations.refusal(
        content.get("DestinationArn") or "",
        content.get("RoleArn") or "",
        "*",
        "logs:PutAccountPolicy",
    )


def _subscription(policy: dict[str, Any]) -> log_destinations.Subscription:
    document = json.loads(policy["policyDocument"])
    return log_destinations.Subscription(
        name=policy["policyName"],
        pattern=document.get("FilterPattern") or "",
        destination=document["DestinationArn"],
        role=document.get("RoleArn") or "",
        distribution=document.get("Distribution") or "ByLogStream",
        level=log_destinations.ACCOUNT_LEVEL,
    )


def _describe(data: dict[str, Any]) -> logs.Response:
    kind, name = data.get("policyType"), data.get("policyName")
    if kind not in _TYPES:
        return logs.invalid_parameter(f"policyType {kind!r} is not one of {sorted(_TYPES)}.")
    found = [
        policy
        for policy in _policies.values()
        if policy["policyType"] == kind and name in (None, policy["policyName"])
    ]
    if name is not None and not found:
        return _no_policy()
    response: logs.Response = service.json_response({"accountPolicies": found})
    return response


def _delete_policy(data: dict[str, Any]) -> logs.Response:
    policy = _policies.get(data.get("policyName"))
    if policy is None or policy["policyType"] != data.get("policyType"):
        return _no_policy()
    del _policies[policy["policyName"]]
    response: logs.Response = service.json_response({})
    return response


def _no_policy() -> logs.Response:
    response: logs.Response = service.error_response_json(
        "ResourceNotFoundException", "The specified policy does not exist.", 400
    )
    return response


_ACTIONS = {
    "PutAccountPolicy": _put,
    "DescribeAccountPolicies": _describe,
    "DeleteAccountPolicy": _delete_policy,
}


# --- CloudFormation ----------------------------------------------------------------------------


def _create(
    logical_id: str, properties: dict[str, Any], stack_name: str
) -> tuple[str, dict[str, str]]:
    if properties.get("PolicyName") in _policies:
        raise ValueError(
            f"Resource of type '{_CLOUDFORMATION_TYPE}' with identifier "
            f"'{_identifier(properties)}' already exists."
        )
    return _apply(properties)


def _update(
    physical_id: str, old: dict[str, Any], new: dict[str, Any], stack_name: str
) -> tuple[str, dict[str, str]]:
    """Delete before creating where the policy is replaced: the account can have one only."""
    if physical_id != _identifier(new):
        _delete(physical_id, old)
    return _apply(new)


def _apply(properties: dict[str, Any]) -> tuple[str, dict[str, str]]:
    logs.call(
        _put,
        policyName=properties.get("PolicyName"),
        policyDocument=properties.get("PolicyDocument"),
        policyType=properties.get("PolicyType"),
        scope=properties.get("Scope"),
        selectionCriteria=properties.get("SelectionCriteria"),
    )
    return _identifier(properties), {"AccountId": service.get_account_id()}


def _identifier(properties: dict[str, Any]) -> str:
    names = (properties.get("PolicyType"), properties.get("PolicyName"))
    return "|".join([service.get_account_id(), *map(str, names)])


def _delete(physical_id: str, properties: dict[str, Any]) -> None:
    _policies.pop(physical_id.rpartition("|")[2], None)
