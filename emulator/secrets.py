"""Secrets in CloudFormation.

In MiniStack 1.5.33 the Ref of an AWS::SecretsManager::Secret is the secret's name, so that a policy
whose resource is that Ref allows nothing; and of GenerateSecretString it honours the length and
the excluded characters alone.

AWS: CloudFormation Template Reference, "AWS::SecretsManager::Secret": Ref returns the ARN of the
secret, which ends in a hyphen and six random characters. "AWS::SecretsManager::Secret
GenerateSecretString": ExcludePunctuation, ExcludeNumbers, ExcludeLowercase, ExcludeUppercase,
IncludeSpace.
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
_CHARACTERS = {
    "ExcludeLowercase": string.ascii_lowercase,
    "ExcludeUppercase": string.ascii_uppercase,
    "ExcludeNumbers": string.digits,
    "ExcludePunctuation": string.punctuation,
}

Created = tuple[str, dict[str, str]]


def install() -> None:
    """Replace MiniStack's handlers."""
    patching.require(secretsmanager, ["_secrets"])
    patching.require(provisioners, ["_RESOURCE_HANDLERS"])
    handlers = provisioners._RESOURCE_HANDLERS.get(_TYPE, {})
    owner = f"ministack.services.cloudformation.provisioners {_TYPE}"
    for action, wrapper in (("create", _create), ("update", _update), ("delete", _delete)):
        patching.wrap_entry(handlers, owner, action, wrapper)
    patching.wrap(provisioners, "_sm_secret_string", _secret_string)


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
    if not settings or properties.get("SecretString"):
        text: str = original(properties)
        return text
    template = settings.get("SecretStringTemplate")
    if not template:
        return generate(settings)
    document = json.loads(template)
    document[settings["GenerateStringKey"]] = generate(settings)
    return json.dumps(document)


def _create(original: Any, *arguments: Any, **keywords: Any) -> Created:
    return _with_arn(original(*arguments, **keywords))


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
