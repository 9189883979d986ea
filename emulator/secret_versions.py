"""Versions of secrets and their staging labels.

MiniStack 1.5.33 overwrites the version that a ClientRequestToken names whatever it holds; ignores
the token of CreateSecret and UpdateSecret; leaves a label that PutSecretValue is given on the
version that had it; gives out versions that have no value; does not compare VersionId with
VersionStage; takes AWSCURRENT off a secret altogether; and lists versions without labels.

AWS, AWS Secrets Manager API Reference:

- "PutSecretValue", "UpdateSecret", "CreateSecret": ClientRequestToken becomes the version's id. For
  a version that exists, the same value is ignored and another one is a ResourceExistsException. A
  version that a rotation prepared has no value yet, and takes one. Without VersionStages,
  AWSCURRENT moves to the new version and AWSPREVIOUS to the one that had it; labels that are given
  move from where they are. The first version of a secret always gets AWSCURRENT.
- "GetSecretValue": VersionId and VersionStage, if both are given, must refer to the same version.
- "UpdateSecretVersionStage": AWSCURRENT can be moved, not removed; a label that is on a version is
  moved only if RemoveFromVersionId names that one.
- "ListSecretVersionIds": versions without labels are listed with IncludeDeprecated only.
- Secrets Manager User Guide, "Lambda rotation functions": moving AWSCURRENT to the version that is
  AWSPENDING takes AWSPENDING off in the same call.

Versions without labels are kept here; AWS deletes old ones some time.
"""

from __future__ import annotations

import json
from typing import Any

from ministack.core.responses import error_response_json, json_response
from ministack.services import secretsmanager

from emulator import patching

Data = dict[str, Any]
Secret = dict[str, Any]
Response = tuple[int, dict[str, str], bytes]

_VALUES = ("SecretString", "SecretBinary")


def install() -> None:
    """Replace MiniStack's handlers."""
    patching.require(
        secretsmanager,
        ["_add_stage", "_find_stage_version", "_remove_stage", "_remove_stage_everywhere"],
    )
    for name, wrapper in (
        ("_create_secret", _create_secret),
        ("_get_secret_value", _get_secret_value),
        ("_list_secret_version_ids", _list_secret_version_ids),
        ("_put_secret_value", _put_secret_value),
        ("_update_secret", _update_secret),
        ("_update_secret_version_stage", _update_secret_version_stage),
    ):
        patching.wrap(secretsmanager, name, wrapper)


def find(data: Data) -> Secret | None:
    """Return the secret that a request names, unless it is to be deleted."""
    _, secret = secretsmanager._resolve(data.get("SecretId"))
    return None if secret is None or secret.get("DeletedDate") else secret


def labelled(secret: Secret, label: str) -> str | None:
    """Return the id of the version that has a label."""
    version_id, _ = secretsmanager._find_stage_version(secret, label)
    return None if version_id is None else str(version_id)


def has_value(version: dict[str, Any]) -> bool:
    """Say whether a version has a value. One that a rotation prepared does not."""
    return any(version.get(name) is not None for name in _VALUES)


def error(code: str, message: str) -> Response:
    """Return an answer that refuses a request."""
    response: Response = error_response_json(code, message, 400)
    return response


def _create_secret(original: Any, data: Data) -> Response:
    response: Response = original(data)
    secret = find({"SecretId": data.get("Name")})
    if response[0] >= 400 or secret is None:
        return response
    answer = json.loads(response[2])
    version_id = answer.pop("VersionId")
    version = secret["Versions"].pop(version_id)
    if has_value(version):
        answer["VersionId"] = data.get("ClientRequestToken") or version_id
        secret["Versions"][answer["VersionId"]] = version
    created: Response = json_response(answer)
    return created


def _get_secret_value(original: Any, data: Data) -> Response:
    secret = find(data)
    if secret is None:
        response: Response = original(data)
        return response
    version_id, label = data.get("VersionId"), data.get("VersionStage")
    found = version_id or labelled(secret, label or "AWSCURRENT")
    version = secret["Versions"].get(found)
    if version is None or not has_value(version):
        wanted = f"VersionId: {version_id}" if version_id else f"staging label: {label}"
        if not version_id and not label:
            wanted = "staging label: AWSCURRENT"
        return error(
            "ResourceNotFoundException",
            f"Secrets Manager can't find the specified secret value for {wanted}",
        )
    if label and label not in version["Stages"]:
        return error(
            "InvalidRequestException",
            "You provided a VersionStage that is not associated to the provided VersionId.",
        )
    answer: Response = original(data)
    return answer


def _list_secret_version_ids(original: Any, data: Data) -> Response:
    response: Response = original(data)
    if response[0] >= 400 or data.get("IncludeDeprecated"):
        return response
    answer = json.loads(response[2])
    answer["Versions"] = [one for one in answer["Versions"] if one["VersionStages"]]
    listed: Response = json_response(answer)
    return listed


def _put_secret_value(original: Any, data: Data) -> Response:
    secret = find(data)
    if secret is None:
        response: Response = original(data)
        return response
    given = [name for name in _VALUES if data.get(name) is not None]
    if len(given) != 1:
        message = (
            "You can't specify both a binary secret value and a string secret value in the same "
            "secret."
            if given
            else "You must provide either SecretString or SecretBinary."
        )
        return error("InvalidRequestException", message)
    version_id = data.get("ClientRequestToken")
    existing = secret["Versions"].get(version_id)
    if existing is not None and has_value(existing):
        return _repeated(secret, data, existing)
    return _new_version(original, secret, data, list(existing["Stages"]) if existing else [])


def _repeated(secret: Secret, data: Data, version: dict[str, Any]) -> Response:
    """Answer for a version that exists: a repeated request is ignored."""
    if any(version.get(name) != data.get(name) for name in _VALUES):
        return error(
            "ResourceExistsException",
            f"You can't use ClientRequestToken {data['ClientRequestToken']} because that value is "
            f"already in use for a version of secret {secret['ARN']}.",
        )
    response: Response = json_response(
        {
            "ARN": secret["ARN"],
            "Name": secret["Name"],
            "VersionId": data["ClientRequestToken"],
            "VersionStages": list(version["Stages"]),
        }
    )
    return response


def _new_version(original: Any, secret: Secret, data: Data, kept: list[str]) -> Response:
    """Store a value, and move the labels to it, next to those its version had."""
    labels = list(data.get("VersionStages") or ["AWSCURRENT"])
    if labelled(secret, "AWSCURRENT") is None and "AWSCURRENT" not in labels:
        labels.append("AWSCURRENT")
    response: Response = original({**data, "VersionStages": labels})
    answer = json.loads(response[2])
    version_id = answer["VersionId"]
    if "AWSCURRENT" in labels:
        kept = [label for label in kept if label != "AWSPENDING"]
    for label in [*labels, *kept]:
        secretsmanager._remove_stage_everywhere(secret, label, except_version_id=version_id)
        secretsmanager._add_stage(secret, version_id, label)
    secretsmanager._sync_replicas(secret)
    answer["VersionStages"] = list(secret["Versions"][version_id]["Stages"])
    stored: Response = json_response(answer)
    return stored


def _update_secret(original: Any, data: Data) -> Response:
    """Store a value as PutSecretValue does, and leave the rest to MiniStack."""
    rest = {name: value for name, value in data.items() if name not in _VALUES}
    values = {name: data[name] for name in _VALUES if data.get(name) is not None}
    if find(data) is None or not values:
        response: Response = original(rest)
        return response
    request: Data = {"SecretId": data["SecretId"], **values}
    if data.get("ClientRequestToken"):
        request["ClientRequestToken"] = data["ClientRequestToken"]
    stored: Response = secretsmanager._put_secret_value(request)
    if stored[0] >= 400:
        return stored
    original(rest)
    answer = json.loads(stored[2])
    del answer["VersionStages"]
    updated: Response = json_response(answer)
    return updated


def _update_secret_version_stage(original: Any, data: Data) -> Response:
    secret = find(data)
    label, target = data.get("VersionStage"), data.get("MoveToVersionId")
    if secret is not None and label:
        refusal = _refusal(secret, label, target, data.get("RemoveFromVersionId"))
        if refusal:
            return error("InvalidParameterException", refusal)
    response: Response = original(data)
    if secret is not None and response[0] < 400 and label == "AWSCURRENT":
        secretsmanager._remove_stage(secret, target, "AWSPENDING")
        secretsmanager._sync_replicas(secret)
    return response


def _refusal(secret: Secret, label: str, target: str | None, source: str | None) -> str:
    holder = labelled(secret, label)
    if label == "AWSCURRENT" and source and not target:
        return (
            "You can only move staging label AWSCURRENT to a different secret version. "
            "It can't be completely removed."
        )
    if target in secret["Versions"] and holder not in (None, target) and not source:
        return (
            f"The parameter RemoveFromVersionId can't be empty. Staging label {label} is currently "
            f"attached to version {holder}, so you must explicitly reference that version in "
            "RemoveFromVersionId."
        )
    return ""
