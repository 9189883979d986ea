"""RotateSecret, and rotation schedules in CloudFormation.

MiniStack 1.5.33 handles RotateSecret by copying the current version, and the copy is current at
once. It has no AWS::SecretsManager::RotationSchedule.

AWS rotates asynchronously. The new version is AWSPENDING and has no value until createSecret puts
one. While it is pending, another RotateSecret fails with InvalidRequestException. With
RotateImmediately false, only testSecret runs, with a version that is removed afterwards. The caller
also needs lambda:InvokeFunction (Secrets Manager API Reference, "RotateSecret"). AWS rejects a
function that Secrets Manager may not invoke with AccessDeniedException. The Ref of a schedule is
the secret's ARN (CloudFormation Template Reference, "AWS::SecretsManager::RotationSchedule").

`rotation_attempts` runs the steps. The schedule is stored but never fires: call RotateSecret
instead. CancelRotateSecret and hosted rotation functions are not emulated.
"""

from __future__ import annotations

import json
import time
from typing import Any

from ministack.core import iam_actions, iam_evaluator, router
from ministack.core.responses import get_region, json_response, new_uuid
from ministack.services import secretsmanager

from emulator import iam_evaluation, patching, rotation_attempts
from emulator.secrets import Created, Data, Response, Secret, error, find, labelled

_TYPE = "AWS::SecretsManager::RotationSchedule"
_INCOMPLETE = "A previous rotation isn't complete. That rotation will be reattempted."


def install() -> None:
    """Replace MiniStack's handlers and add the resource type."""
    patching.require(iam_evaluator, ["enforce"])
    patching.require(iam_actions, ["access_denied_response"])
    patching.require(router, ["extract_access_key_id"])
    patching.wrap(secretsmanager, "_rotate_secret", _rotate_secret)
    patching.wrap(secretsmanager, "_describe_secret", _describe_secret)
    patching.wrap(secretsmanager, "handle_request", _handle_request)
    patching.add_resource_type(
        _TYPE, replacing=("SecretId",), create=_create, update=_update, delete=_delete
    )


# --- API ---------------------------------------------------------------------------------------


async def _handle_request(
    original: Any, method: str, path: str, headers: dict[str, str], body: bytes, query: Any
) -> Any:
    action = headers.get("x-amz-target", "").rpartition(".")[2]
    if action == "RotateSecret":
        refusal = _caller_refusal(json.loads(body), headers, query)
        if refusal is not None:
            return refusal
    return await original(method, path, headers, body, query)


def _caller_refusal(data: Data, headers: dict[str, str], query: Any) -> Any:
    """Reject a caller that may rotate the secret but not invoke the function."""
    function = data.get("RotationLambdaARN") or (find(data) or {}).get("RotationLambdaARN")
    if not iam_evaluation.is_on() or not function:
        return None
    key = router.extract_access_key_id(headers, query) or ""
    action = "lambda:InvokeFunction"
    denied = iam_evaluator.enforce(key, action, "lambda", get_region(), resource_arn=function)
    if denied is None:
        return None
    principal = getattr(denied, "principal_arn", "")
    explicit = getattr(denied, "decision", "") == "Deny"
    return iam_actions.access_denied_response(
        "secretsmanager", action, principal, new_uuid(), explicit_deny=explicit
    )


def _rotate_secret(original: Any, data: Data) -> Response:
    secret = find(data)
    if secret is None:
        response: Response = original(data)
        return response
    refusal = _rotation_refusal(secret, data)
    if refusal is not None:
        return refusal
    pending = labelled(secret, "AWSPENDING")
    token = data.get("ClientRequestToken")
    if pending is not None and pending != labelled(secret, "AWSCURRENT"):
        if not secret.get("RotationLambdaARN"):
            secret["RotationLambdaARN"] = data["RotationLambdaARN"]
        rotation_attempts.start(secret, pending)
        if token == pending:
            return _answer(secret, pending)
        return error("InvalidRequestException", _INCOMPLETE)
    _store_settings(secret, data)
    if token in secret["Versions"]:
        return _answer(secret, token)
    return _begin(secret, token or new_uuid(), immediately=data.get("RotateImmediately", True))


def _rotation_refusal(secret: Secret, data: Data) -> Response | None:
    function = data.get("RotationLambdaARN") or secret.get("RotationLambdaARN")
    if not function:
        return error(
            "InvalidRequestException",
            "No Lambda rotation function ARN is associated with this secret.",
        )
    if not rotation_attempts.is_invocable(function, secret):
        return error("AccessDeniedException", rotation_attempts.NOT_INVOCABLE)
    return None


def _store_settings(secret: Secret, data: Data) -> None:
    for name in ("RotationLambdaARN", "RotationRules"):
        if data.get(name):
            secret[name] = data[name]
    secret["RotationEnabled"] = True
    secret["LastChangedDate"] = int(time.time())


def _begin(secret: Secret, token: str, *, immediately: bool) -> Response:
    current = secret["Versions"].get(labelled(secret, "AWSCURRENT")) or {}
    kept = {} if immediately else current
    secretsmanager._remove_stage_everywhere(secret, "AWSPENDING")
    secret["Versions"][token] = {
        "SecretString": kept.get("SecretString"),
        "SecretBinary": kept.get("SecretBinary"),
        "CreatedDate": int(time.time()),
        "Stages": ["AWSPENDING"],
    }
    rotation_attempts.start(secret, token, only_test=not immediately)
    return _answer(secret, token if immediately else None)


def _answer(secret: Secret, version_id: str | None) -> Response:
    answer = {"ARN": secret["ARN"], "Name": secret["Name"]}
    if version_id is not None:
        answer["VersionId"] = version_id
    response: Response = json_response(answer)
    return response


def _describe_secret(original: Any, data: Data) -> Response:
    response: Response = original(data)
    if response[0] >= 400:
        return response
    _, secret = secretsmanager._resolve(data.get("SecretId"))
    answer = json.loads(response[2])
    if not secret.get("RotationEnabled"):
        # MiniStack stores False for a secret whose rotation was never configured.
        if not secret.get("RotationLambdaARN"):
            answer.pop("RotationEnabled", None)
    elif secret.get("LastRotatedDate") is not None:
        answer["LastRotatedDate"] = secret["LastRotatedDate"]
    described: Response = json_response(answer)
    return described


# --- CloudFormation ----------------------------------------------------------------------------


def _create(logical_id: str, properties: dict[str, Any], stack_name: str) -> Created:
    arn = _rotate(properties)
    return arn, {"Id": arn}


def _update(physical_id: str, old: dict[str, Any], new: dict[str, Any], stack_name: str) -> Created:
    arn = _rotate(new)
    return arn, {"Id": arn}


def _delete(physical_id: str, properties: dict[str, Any]) -> None:
    secret = find({"SecretId": physical_id})
    if secret is not None:
        rotation_attempts.cancel(secret)


def _rotate(properties: dict[str, Any]) -> str:
    immediately = properties.get("RotateImmediatelyOnUpdate")
    request: Data = {
        "SecretId": properties["SecretId"],
        "RotateImmediately": immediately is None or str(immediately).lower() == "true",
    }
    for name in ("RotationLambdaARN", "RotationRules"):
        if properties.get(name):
            request[name] = properties[name]
    status, _, body = secretsmanager._rotate_secret(request)
    answer = json.loads(body)
    if status >= 400:
        code = answer["__type"].rpartition("#")[2]
        raise ValueError(f"{answer['message']} ({_TYPE}, {code})")
    return str(answer["ARN"])
