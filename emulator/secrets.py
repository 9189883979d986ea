"""Secrets: versions, staging labels, and their creation by CloudFormation.

MiniStack 1.5.33 overwrites the version that a ClientRequestToken names. When PutSecretValue sets a
label, MiniStack leaves it on the previous version too. It returns versions without a value. In
CloudFormation, the Ref of a secret is its name, and ExcludePunctuation is ignored.

AWS uses ClientRequestToken as the version's id. For an existing version, it ignores the same value,
and rejects another value with ResourceExistsException. Labels move from their previous version
(Secrets Manager API Reference, "PutSecretValue"). Moving AWSCURRENT to the AWSPENDING version
removes AWSPENDING (User Guide, "Lambda rotation functions"). Ref is the secret's ARN
(CloudFormation Template Reference, "AWS::SecretsManager::Secret").
"""

from __future__ import annotations

import json
import string
from typing import Any

from ministack.core.responses import error_response_json, json_response
from ministack.services import secretsmanager
from ministack.services.cloudformation import provisioners

from emulator import patching

Data = dict[str, Any]
Secret = dict[str, Any]
Response = tuple[int, dict[str, str], bytes]
Created = tuple[str, dict[str, str]]

_TYPE = "AWS::SecretsManager::Secret"
_VALUES = ("SecretString", "SecretBinary")


def install() -> None:
    """Replace MiniStack's handlers."""
    patching.require(
        secretsmanager,
        [
            "_add_stage",
            "_find_stage_version",
            "_remove_stage",
            "_remove_stage_everywhere",
            "_resolve",
            "_secrets",
        ],
    )
    patching.wrap(secretsmanager, "_get_secret_value", _get_secret_value)
    patching.wrap(secretsmanager, "_put_secret_value", _put_secret_value)
    patching.wrap(secretsmanager, "_update_secret_version_stage", _update_secret_version_stage)
    patching.wrap_resource_type(_TYPE, create=_create, update=_update, delete=_delete)
    patching.wrap(provisioners, "_sm_secret_string", _secret_string)


def find(data: Data) -> Secret | None:
    """Return the secret that a request names, or None if its deletion is scheduled."""
    _, secret = secretsmanager._resolve(data.get("SecretId"))
    return None if secret is None or secret.get("DeletedDate") else secret


def labelled(secret: Secret, label: str) -> str | None:
    """Return the id of the version that has a label."""
    version_id, _ = secretsmanager._find_stage_version(secret, label)
    return None if version_id is None else str(version_id)


def error(code: str, message: str) -> Response:
    """Return an error response."""
    response: Response = error_response_json(code, message, 400)
    return response


def _has_value(version: dict[str, Any]) -> bool:
    """Return whether a version has a value. A version that a rotation has prepared has none."""
    return any(version.get(name) is not None for name in _VALUES)


def _get_secret_value(original: Any, data: Data) -> Response:
    secret = find(data)
    version_id, label = data.get("VersionId"), data.get("VersionStage") or "AWSCURRENT"
    if secret is not None:
        version = secret["Versions"].get(version_id or labelled(secret, label))
        if version is None or not _has_value(version):
            wanted = f"VersionId: {version_id}" if version_id else f"staging label: {label}"
            return error(
                "ResourceNotFoundException",
                f"Secrets Manager can't find the specified secret value for {wanted}",
            )
    response: Response = original(data)
    return response


def _put_secret_value(original: Any, data: Data) -> Response:
    secret = find(data)
    if secret is None:
        response: Response = original(data)
        return response
    existing = secret["Versions"].get(data.get("ClientRequestToken"))
    if existing is not None and _has_value(existing):
        return _repeated(secret, data, existing)
    return _new_version(original, secret, data, list(existing["Stages"]) if existing else [])


def _repeated(secret: Secret, data: Data, version: dict[str, Any]) -> Response:
    """Return the response for an existing version: a repeated request is ignored."""
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
    """Store a value, and move the labels to its version, which keeps those it has."""
    labels = list(data.get("VersionStages") or ["AWSCURRENT"])
    response: Response = original({**data, "VersionStages": labels})
    answer = json.loads(response[2])
    version_id = answer["VersionId"]
    if "AWSCURRENT" in labels:
        kept = [label for label in kept if label != "AWSPENDING"]
    for label in [*labels, *kept]:
        secretsmanager._remove_stage_everywhere(secret, label, except_version_id=version_id)
        secretsmanager._add_stage(secret, version_id, label)
    answer["VersionStages"] = list(secret["Versions"][version_id]["Stages"])
    stored: Response = json_response(answer)
    return stored


def _update_secret_version_stage(original: Any, data: Data) -> Response:
    response: Response = original(data)
    secret = find(data)
    if secret is not None and response[0] < 400 and data.get("VersionStage") == "AWSCURRENT":
        secretsmanager._remove_stage(secret, data.get("MoveToVersionId"), "AWSPENDING")
    return response


# --- CloudFormation ----------------------------------------------------------------------------


def _secret_string(original: Any, properties: dict[str, Any]) -> str:
    settings = dict(properties.get("GenerateSecretString") or {})
    if str(settings.get("ExcludePunctuation")).lower() == "true":
        settings["ExcludeCharacters"] = settings.get("ExcludeCharacters", "") + string.punctuation
    text: str = original({**properties, "GenerateSecretString": settings})
    return text


def _create(original: Any, logical_id: str, properties: dict[str, Any], stack_name: str) -> Created:
    return _with_arn(original(logical_id, properties, stack_name))


def _update(original: Any, physical_id: str, *arguments: Any, **keywords: Any) -> Created:
    return _with_arn(original(_name_of(physical_id), *arguments, **keywords))


def _delete(original: Any, physical_id: str, properties: dict[str, Any]) -> None:
    original(_name_of(physical_id), properties)


def _with_arn(created: Created) -> Created:
    _, attributes = created
    return attributes["Arn"], attributes


def _name_of(arn: str) -> str:
    return next((name for name, one in secretsmanager._secrets.items() if one["ARN"] == arn), arn)
