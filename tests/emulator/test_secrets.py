from __future__ import annotations

import json
import re
import string
from typing import Any

import pytest
from botocore.exceptions import ClientError

from emulator import Emulator
from tests.emulator.support import delete_stack, deploy, outputs, unique

pytestmark = pytest.mark.emulator


def secret(**properties: Any) -> dict[str, Any]:
    return {"Secret": {"Type": "AWS::SecretsManager::Secret", "Properties": properties}}


def value_of(aws: Emulator, arn: str) -> str:
    return str(aws.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"])


def test_ref_is_the_arn_through_updates_and_deletion(aws: Emulator) -> None:
    stack = unique("stack")
    arn = outputs(deploy(aws, stack, secret(SecretString="first")))["SecretRef"]
    assert re.fullmatch(r"arn:aws:secretsmanager:us-east-1:\d{12}:secret:.+-[0-9A-Za-z]{6}", arn)
    assert value_of(aws, arn) == "first"
    assert outputs(deploy(aws, stack, secret(SecretString="second")))["SecretRef"] == arn
    assert value_of(aws, arn) == "second"
    delete_stack(aws, stack)
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        value_of(aws, arn)


@pytest.mark.parametrize(
    ("settings", "alphabet"),
    [
        ({}, string.ascii_letters + string.digits + string.punctuation),
        ({"ExcludePunctuation": True}, string.ascii_letters + string.digits),
        (
            {"ExcludePunctuation": "true", "ExcludeNumbers": True, "ExcludeUppercase": True},
            string.ascii_lowercase,
        ),
        ({"ExcludePunctuation": True, "ExcludeLowercase": True, "ExcludeCharacters": "0O"}, None),
    ],
)
def test_generated_text_has_the_characters_that_were_asked_for(
    aws: Emulator, settings: dict[str, Any], alphabet: str | None
) -> None:
    template = json.dumps({"id": "x"})
    generated = {
        "SecretStringTemplate": template,
        "GenerateStringKey": "key",
        "PasswordLength": 400,
        **settings,
    }
    stack = unique("stack")
    arn = outputs(deploy(aws, stack, secret(GenerateSecretString=generated)))["SecretRef"]
    document = json.loads(value_of(aws, arn))
    assert document["id"] == "x"
    assert len(document["key"]) == 400
    allowed = set(alphabet or string.ascii_uppercase + string.digits) - (
        set("0O") if alphabet is None else set()
    )
    assert set(document["key"]) <= allowed
    delete_stack(aws, stack)


def test_an_empty_description_of_what_to_generate_generates(aws: Emulator) -> None:
    stack = unique("stack")
    arn = outputs(deploy(aws, stack, secret(GenerateSecretString={})))["SecretRef"]
    assert len(value_of(aws, arn)) == 32
    delete_stack(aws, stack)


def test_a_secret_without_a_value_has_no_version(aws: Emulator) -> None:
    stack = unique("stack")
    arn = outputs(deploy(aws, stack, secret(Description="empty")))["SecretRef"]
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        value_of(aws, arn)
    secrets = aws.client("secretsmanager")
    assert secrets.list_secret_version_ids(SecretId=arn)["Versions"] == []
    secrets.put_secret_value(SecretId=arn, SecretString="first")
    assert value_of(aws, arn) == "first"
    delete_stack(aws, stack)


def test_a_resource_policy_comes_and_goes_with_its_resource(aws: Emulator) -> None:
    def resources(effect: str) -> dict[str, Any]:
        statement = {"Effect": effect, "Principal": "*", "Action": "*", "Resource": "*"}
        policy = {"Version": "2012-10-17", "Statement": [statement]}
        properties = {"SecretId": {"Ref": "Secret"}, "ResourcePolicy": policy}
        policy_type = "AWS::SecretsManager::ResourcePolicy"
        return {
            **secret(SecretString="value"),
            "Policy": {"Type": policy_type, "Properties": properties},
        }

    def effect() -> str:
        found = aws.client("secretsmanager").get_resource_policy(SecretId=arn)
        return str(json.loads(found["ResourcePolicy"])["Statement"][0]["Effect"])

    stack = unique("stack")
    found = outputs(deploy(aws, stack, resources("Deny")))
    arn = found["SecretRef"]
    assert found["PolicyRef"] == arn
    assert effect() == "Deny"
    deploy(aws, stack, resources("Allow"))
    assert effect() == "Allow"
    deploy(aws, stack, secret(SecretString="value"))
    assert "ResourcePolicy" not in aws.client("secretsmanager").get_resource_policy(SecretId=arn)
    delete_stack(aws, stack)
