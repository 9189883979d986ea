"""What a request is about, as IAM policies see it: resources and condition keys.

MiniStack 1.5.33 evaluates policies against a resource that it makes from the names in a request,
and so misses what AWS looks up: a user has no path, GetAccessKeyLastUsed is about no user,
PutTargets about no rule, a rule of the default bus is `rule/default/NAME`, and a stack that is
called by its name has no id. Of the condition keys of Secrets Manager there are none.

AWS, Service Authorization Reference:

- "Actions, resources, and condition keys for AWS Identity and Access Management": the actions on
  keys, GetAccessKeyLastUsed too, have the user as their resource, `user/PATH/NAME`.
- "... for Amazon EventBridge": `rule/NAME` on the default event bus, else `rule/BUS/NAME`.
- "... for AWS CloudFormation": `stack/NAME/ID`.
- "... for AWS Secrets Manager": secretsmanager:VersionStage and secretsmanager:VersionId of the
  request, secretsmanager:RotationLambdaARN of RotateSecret, and of the secret
  secretsmanager:resource/AllowRotationLambdaArn and secretsmanager:ResourceTag/KEY. Its other
  keys are not evaluated: a condition on one of them never holds.

(`iam_evaluation` has the resources of CloudWatch Logs.)
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ministack.core import iam_actions, responses
from ministack.services import cloudformation, iam, secretsmanager

from emulator import patching

Request = dict[str, Any]

_ROTATION = "secretsmanager:resource/AllowRotationLambdaArn"


def install() -> None:
    """Replace how MiniStack reads requests."""
    patching.require(iam, ["_access_keys", "_users"])
    patching.require(cloudformation, ["_stacks"])
    patching.require(secretsmanager, ["_resolve"])
    patching.wrap(iam_actions, "extract_resource_arn", _extract_resource_arn)
    patching.wrap(iam_actions, "request_tag_context", _request_context)


def _extract_resource_arn(
    original: Any,
    service: str,
    method: str,
    path: str,
    headers: dict[str, str],
    body: bytes,
    query: dict[str, Any],
    region: str,
    account: str,
) -> Any:
    found = original(service, method, path, headers, body, query, region, account)
    look_up = _RESOURCES.get(service)
    return found if look_up is None else look_up(str(found), _parameters(body, query))


def _user(found: str, request: Request) -> str:
    name = request.get("UserName")
    if not name and not request.get("RoleName") and request.get("AccessKeyId"):
        name = (iam._access_keys.get(request["AccessKeyId"]) or {}).get("UserName")
    user = iam._users.get(name) if name and not request.get("RoleName") else None
    return str(user["Arn"]) if user else found


def _rule(found: str, request: Request) -> str:
    if found == "*" and isinstance(request.get("Rule"), str):
        bus = str(request.get("EventBusName") or "default").rpartition("/")[2]
        scope = f"{responses.get_region()}:{responses.get_account_id()}"
        found = f"arn:aws:events:{scope}:rule/{bus}/{request['Rule']}"
    return found.replace(":rule/default/", ":rule/", 1)


def _stack(found: str, request: Request) -> str:
    stack = cloudformation._stacks.get(request.get("StackName"))
    return str(stack["StackId"]) if stack else found


_RESOURCES: dict[str, Callable[[str, Request], str]] = {
    "cloudformation": _stack,
    "events": _rule,
    "iam": _user,
}


def _request_context(
    original: Any, service: str, action: str, body: bytes, parameters: dict[str, Any]
) -> dict[str, Any]:
    context: dict[str, Any] = original(service, action, body, parameters)
    if service == "secretsmanager":
        context = {**context, **_secret_context(_parameters(body, parameters))}
    return context


def _secret_context(request: Request) -> dict[str, Any]:
    context = {
        f"secretsmanager:{name}": request[name]
        for name in ("VersionStage", "VersionId", "RotationLambdaARN")
        if isinstance(request.get(name), str)
    }
    secret_id = request.get("SecretId")
    _, secret = secretsmanager._resolve(secret_id) if isinstance(secret_id, str) else (None, None)
    if secret is not None:
        if secret.get("RotationLambdaARN"):
            context[_ROTATION] = secret["RotationLambdaARN"]
        for tag in secret.get("Tags") or []:
            context[f"secretsmanager:ResourceTag/{tag['Key']}"] = tag.get("Value", "")
    return context


def _parameters(body: bytes, query: dict[str, Any]) -> Request:
    """Return the members of a JSON request, or the parameters of a query request."""
    if body[:1] == b"{":
        try:
            return dict(json.loads(body))
        except ValueError:
            return {}
    return {
        name: value[0] if isinstance(value, list) and value else value
        for name, value in query.items()
    }
