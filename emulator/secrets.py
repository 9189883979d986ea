"""Secrets in CloudFormation.

In MiniStack 1.5.33 the Ref of an AWS::SecretsManager::Secret is the secret's name, so that a policy
whose resource is that Ref allows nothing; of GenerateSecretString it honours the length and the
excluded characters alone, and nothing at all if it is empty, as CDK writes it by default; a secret
without a value gets an empty one. There is no AWS::SecretsManager::ResourcePolicy.

AWS: CloudFormation Template Reference, "AWS::SecretsManager::Secret": Ref returns the ARN of the
secret, which ends in a hyphen and six random characters; without SecretString and
GenerateSecretString it is empty, which is to say has no version. "AWS::SecretsManager::Secret
GenerateSecretString": ExcludePunctuation, ExcludeNumbers, ExcludeLowercase, ExcludeUppercase,
IncludeSpace. "AWS::SecretsManager::ResourcePolicy": Ref is the ARN of the secret.
"""

from __future__ import annotations

import json
import secrets
import string
from typing import Any

from ministack.services import secretsmanager
from ministack.services.cloudformation import provisioners

from emulator import patching

_TYPE = "AWS::SecretsManager::Secret"
_POLICY_TYPE = "AWS::SecretsManager::ResourcePolicy"
_CHARACTERS = {
    "ExcludeLowercase": string.ascii_lowercase,
    "ExcludeUppercase": string.ascii_uppercase,
    "ExcludeNumbers": string.digits,
    "ExcludePunctuation": string.punctuation,
}

Created = tuple[str, dict[str, str]]


def install() -> None:
    """Replace MiniStack's handlers."""
    patching.require(
        secretsmanager, ["_delete_resource_policy", "_put_resource_policy", "_resolve", "_secrets"]
    )
    patching.require(provisioners, ["_RESOURCE_HANDLERS", "_REPLACING_PROPERTIES"])
    handlers = provisioners._RESOURCE_HANDLERS.get(_TYPE, {})
    owner = f"ministack.services.cloudformation.provisioners {_TYPE}"
    for action, wrapper in (("create", _create), ("update", _update), ("delete", _delete)):
        patching.wrap_entry(handlers, owner, action, wrapper)
    patching.wrap(provisioners, "_sm_secret_string", _secret_string)
    provisioners._RESOURCE_HANDLERS[_POLICY_TYPE] = {
        "create": _create_policy,
        "update": _update_policy,
        "delete": _delete_policy,
    }
    provisioners._REPLACING_PROPERTIES[_POLICY_TYPE] = ("SecretId",)


def generate(settings: dict[str, Any]) -> str:
    """A password as GenerateSecretString describes it."""
    excluded = set(settings.get("ExcludeCharacters") or "")
    alphabet = "".join(
        characters for name, characters in _CHARACTERS.items() if not _is_true(settings.get(name))
    )
    if _is_true(settings.get("IncludeSpace")):
        alphabet += " "
    allowed = [character for character in alphabet if character not in excluded]
    length = int(settings.get("PasswordLength") or 32)
    return "".join(secrets.choice(allowed) for _ in range(length))


def _secret_string(original: Any, properties: dict[str, Any]) -> str:
    settings = properties.get("GenerateSecretString")
    if settings is None or properties.get("SecretString"):
        text: str = original(properties)
        return text
    template = settings.get("SecretStringTemplate")
    if not template:
        return generate(settings)
    document = json.loads(template)
    document[settings["GenerateStringKey"]] = generate(settings)
    return json.dumps(document)


def _create(original: Any, logical_id: str, properties: dict[str, Any], stack_name: str) -> Created:
    name, attributes = original(logical_id, properties, stack_name)
    if "GenerateSecretString" not in properties and "SecretString" not in properties:
        secretsmanager._secrets[name]["Versions"].clear()
    return _with_arn((name, attributes))


def _update(original: Any, physical_id: str, *arguments: Any, **keywords: Any) -> Created:
    return _with_arn(original(_name_of(physical_id), *arguments, **keywords))


def _delete(original: Any, physical_id: str, properties: dict[str, Any]) -> None:
    original(_name_of(physical_id), properties)


def _with_arn(created: Created) -> Created:
    _, attributes = created
    return attributes["Arn"], attributes


def _name_of(arn: str) -> str:
    return next((name for name, one in secretsmanager._secrets.items() if one["ARN"] == arn), arn)


def _is_true(value: object) -> bool:
    return value is True or str(value).lower() == "true"


# --- Resource policies -------------------------------------------------------------------------


def _create_policy(logical_id: str, properties: dict[str, Any], stack_name: str) -> Created:
    arn = _put_policy(properties)
    return arn, {"Id": arn}


def _update_policy(
    physical_id: str, old: dict[str, Any], new: dict[str, Any], stack_name: str
) -> Created:
    arn = _put_policy(new)
    return arn, {"Id": arn}


def _delete_policy(physical_id: str, properties: dict[str, Any]) -> None:
    if secretsmanager._resolve(physical_id)[1] is not None:
        secretsmanager._delete_resource_policy({"SecretId": physical_id})


def _put_policy(properties: dict[str, Any]) -> str:
    document = properties.get("ResourcePolicy")
    policy = document if isinstance(document, str) else json.dumps(document)
    request = {"SecretId": properties.get("SecretId"), "ResourcePolicy": policy}
    status, _, body = secretsmanager._put_resource_policy(request)
    answer = json.loads(body)
    if status >= 400:
        raise ValueError(f"{answer['message']} ({_POLICY_TYPE})")
    return str(answer["ARN"])
