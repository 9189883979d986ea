"""Account policies of CloudWatch Logs, which subscribe all log groups of an account.

MiniStack 1.5.33 lacks PutAccountPolicy, DescribeAccountPolicies, DeleteAccountPolicy and
AWS::Logs::AccountPolicy.

AWS allows one policy of type SUBSCRIPTION_FILTER_POLICY per account and region. Its only possible
selection criteria are `LogGroupName NOT IN [...]`, at most 25 KB (CloudWatch Logs API Reference,
"PutAccountPolicy"). It applies to log groups of the Standard class, and requires a permission for
all log groups of the account (CloudWatch Logs User Guide, "Account-level subscription filters").
Ref is `account|type|name` (CloudFormation Template Reference, "AWS::Logs::AccountPolicy").

Policies of type METRIC_EXTRACTION_POLICY disable the metrics in log lines. An account has one for
all log groups, or up to 5 whose selection criteria name groups or prefixes with `IN` or `NOT IN`.
This module does not check whether criteria overlap. It does not read the policy document, whose
format is undocumented.

Other types are rejected as not implemented.
"""

from __future__ import annotations

import json
import re
import time
from typing import Any

from ministack.core.responses import AccountRegionScopedDict
from ministack.services import cloudwatch_logs as service

from emulator import log_delivery, log_destinations, logs, patching
from emulator.filter_pattern import InvalidFilterPattern, cached_filter_pattern

POLICY_TYPE = "SUBSCRIPTION_FILTER_POLICY"
METRICS_TYPE = "METRIC_EXTRACTION_POLICY"
MAXIMUM_METRICS_POLICIES = 5
MAXIMUM_SELECTION_CRITERIA = 25 * 1024

_CLOUDFORMATION_TYPE = "AWS::Logs::AccountPolicy"
_CRITERIA = re.compile(r"\s*LogGroupName\s+NOT\s+IN\s*(\[.*\])\s*", re.DOTALL)

_METRICS_CRITERIA = re.compile(r"\s*LogGroupName(Prefix)?\s+(NOT\s+)?IN\s*(\[.*\])\s*", re.DOTALL)

_policies = AccountRegionScopedDict()
_metrics_policies = AccountRegionScopedDict()


class InvalidSelectionCriteria(ValueError):
    """The selection criteria are invalid for a subscription filter policy."""


def install() -> None:
    """Add the actions and the resource type to MiniStack."""
    patching.require(service, ["error_response_json", "get_account_id", "json_response"])
    patching.wrap(service, "handle_request", _handle_request)
    patching.add_resource_type(_CLOUDFORMATION_TYPE, create=_create, update=_update, delete=_delete)


def subscriptions_of(group_name: str, group: dict[str, Any]) -> list[log_destinations.Subscription]:
    """Return the account's subscriptions that apply to a log group."""
    if (group.get("logGroupClass") or "STANDARD") != "STANDARD":
        return []
    return [
        _subscription(policy)
        for policy in list(_policies.values())
        if group_name not in excluded_groups(policy.get("selectionCriteria") or "")
    ]


def excluded_groups(criteria: str) -> frozenset[str]:
    """Return the names in the selection criteria; empty criteria have no names.

    Raises:
        InvalidSelectionCriteria: The criteria are too long, or are not `LogGroupName NOT IN
            ["name", ...]`.
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
    return action(json.loads(body))


def _put(data: dict[str, Any]) -> logs.Response:
    is_subscription = data["policyType"] == POLICY_TYPE
    refusal = _refusal(data) if is_subscription else _metrics_refusal(data)
    if refusal is not None:
        return refusal
    name, criteria = data["policyName"], data.get("selectionCriteria")
    policy = {
        "policyName": name,
        "policyDocument": data["policyDocument"],
        "lastUpdatedTime": int(time.time() * 1000),
        "policyType": data["policyType"],
        "scope": "ALL",
        **({"selectionCriteria": criteria} if criteria else {}),
        "accountId": service.get_account_id(),
    }
    (_policies if is_subscription else _metrics_policies)[name] = policy
    if is_subscription:
        log_delivery.check_health(_subscription(policy))
    response: logs.Response = service.json_response({"accountPolicy": policy})
    return response


def disables_metrics(group_name: str) -> bool:
    """Return whether a policy disables the metrics in the lines of a log group."""
    return any(
        _selects(one.get("selectionCriteria") or "", group_name)
        for one in list(_metrics_policies.values())
    )


def _selects(criteria: str, group_name: str) -> bool:
    match = _METRICS_CRITERIA.fullmatch(criteria)
    if match is None:
        return True
    is_prefix, is_not_in, values = match[1], match[2], json.loads(match[3])
    is_in = group_name.startswith(tuple(values)) if is_prefix else group_name in values
    return is_in is not bool(is_not_in)


def _metrics_refusal(data: dict[str, Any]) -> logs.Response | None:
    if data["policyType"] != METRICS_TYPE:
        return logs.invalid_parameter(f"{data['policyType']} is not implemented by this emulator.")
    criteria = data.get("selectionCriteria") or ""
    if criteria and not _METRICS_CRITERIA.fullmatch(criteria):
        return logs.invalid_parameter("selectionCriteria must have the form NAME [NOT] IN [...].")
    others = [one for name, one in _metrics_policies.items() if name != data["policyName"]]
    for_all = [one for one in others if not one.get("selectionCriteria")]
    if for_all or (others and not criteria) or len(others) >= MAXIMUM_METRICS_POLICIES:
        return logs.limit_exceeded()
    return None


def _refusal(data: dict[str, Any]) -> logs.Response | None:
    document = json.loads(data["policyDocument"])
    try:
        excluded_groups(data.get("selectionCriteria") or "")
        cached_filter_pattern(document.get("FilterPattern") or "")
    except InvalidSelectionCriteria as error:
        return logs.invalid_parameter(str(error))
    except InvalidFilterPattern as error:
        return logs.invalid_pattern(error)
    if any(existing != data["policyName"] for existing in _policies):
        return logs.limit_exceeded()
    return log_destinations.refusal(
        document["DestinationArn"], document.get("RoleArn") or "", "*", "logs:PutAccountPolicy"
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
    found = [*_policies.values(), *_metrics_policies.values()]
    response: logs.Response = service.json_response(
        {"accountPolicies": [one for one in found if one["policyType"] == data.get("policyType")]}
    )
    return response


def _delete_policy(data: dict[str, Any]) -> logs.Response:
    policies = _policies if data.get("policyType") == POLICY_TYPE else _metrics_policies
    if policies.pop(data.get("policyName"), None) is None:
        return logs.not_found("policy")
    response: logs.Response = service.json_response({})
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
    return _apply(properties)


def _update(
    physical_id: str, old: dict[str, Any], new: dict[str, Any], stack_name: str
) -> tuple[str, dict[str, str]]:
    """Delete a replaced policy before creating the new one: the account can have only one."""
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
