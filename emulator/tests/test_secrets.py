from __future__ import annotations

import json
import re
import string
import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError

from emulator import Emulator
from emulator.tests.support import delete_stack, deploy, outputs, unique

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


def test_generated_text_has_no_punctuation_if_it_is_excluded(aws: Emulator) -> None:
    generated = {
        "SecretStringTemplate": json.dumps({"id": "x"}),
        "GenerateStringKey": "key",
        "PasswordLength": 400,
        "ExcludePunctuation": True,
    }
    stack = unique("stack")
    arn = outputs(deploy(aws, stack, secret(GenerateSecretString=generated)))["SecretRef"]
    document = json.loads(value_of(aws, arn))
    assert document["id"] == "x"
    assert len(document["key"]) == 400
    assert set(document["key"]) <= set(string.ascii_letters + string.digits)
    delete_stack(aws, stack)


# --- Versions ----------------------------------------------------------------------------------


def token() -> str:
    return str(uuid.uuid4())


def create(aws: Emulator) -> tuple[str, str]:
    created = aws.client("secretsmanager").create_secret(Name=unique("secret"), SecretString="one")
    return str(created["ARN"]), str(created["VersionId"])


def labels(aws: Emulator, arn: str) -> dict[str, set[str]]:
    described = aws.client("secretsmanager").describe_secret(SecretId=arn)
    return {version: set(found) for version, found in described["VersionIdsToStages"].items()}


def refused(code: str) -> Any:
    return pytest.raises(ClientError, match=rf"\({code}\)")


def test_the_token_is_the_version_and_a_repeated_request_is_ignored(aws: Emulator) -> None:
    secrets = aws.client("secretsmanager")
    second, third = token(), token()
    arn, first = create(aws)
    for _ in range(2):
        answer = secrets.put_secret_value(
            SecretId=arn, SecretString="two", ClientRequestToken=second
        )
        assert (answer["VersionId"], answer["VersionStages"]) == (second, ["AWSCURRENT"])
    assert labels(aws, arn) == {first: {"AWSPREVIOUS"}, second: {"AWSCURRENT"}}
    answer = secrets.put_secret_value(SecretId=arn, SecretString="three", ClientRequestToken=third)
    assert answer["VersionId"] == third
    assert labels(aws, arn) == {second: {"AWSPREVIOUS"}, third: {"AWSCURRENT"}}
    # Repeating the request for an older version does not make it current again.
    secrets.put_secret_value(SecretId=arn, SecretString="two", ClientRequestToken=second)
    assert secrets.get_secret_value(SecretId=arn)["SecretString"] == "three"
    for values in ({"SecretString": "other"}, {"SecretBinary": b"two"}):
        with refused("ResourceExistsException"):
            secrets.put_secret_value(SecretId=arn, ClientRequestToken=second, **values)


def test_labels_move_to_the_version_that_is_put(aws: Emulator) -> None:
    secrets = aws.client("secretsmanager")
    second, third = token(), token()
    arn, first = create(aws)
    for version in (second, third):
        secrets.put_secret_value(
            SecretId=arn,
            SecretString=version,
            ClientRequestToken=version,
            VersionStages=["AWSPENDING", "own"],
        )
    assert labels(aws, arn) == {first: {"AWSCURRENT"}, third: {"AWSPENDING", "own"}}


def test_reading_by_version_and_label(aws: Emulator) -> None:
    secrets = aws.client("secretsmanager")
    second = token()
    arn, first = create(aws)
    secrets.put_secret_value(SecretId=arn, SecretString="two", ClientRequestToken=second)

    def value(**which: str) -> str:
        return str(secrets.get_secret_value(SecretId=arn, **which)["SecretString"])

    assert value() == value(VersionStage="AWSCURRENT") == value(VersionId=second) == "two"
    assert value(VersionStage="AWSPREVIOUS") == value(VersionId=first) == "one"
    assert value(VersionId=first, VersionStage="AWSPREVIOUS") == "one"
    for which in ({"VersionStage": "AWSPENDING"}, {"VersionId": token()}):
        with refused("ResourceNotFoundException"):
            value(**which)


def test_moving_labels(aws: Emulator) -> None:
    secrets = aws.client("secretsmanager")
    second, third = token(), token()
    arn, first = create(aws)
    for version, label in ((second, "AWSPENDING"), (third, "own")):
        secrets.put_secret_value(
            SecretId=arn, SecretString=label, ClientRequestToken=version, VersionStages=[label]
        )

    def move(label: str, **how: str) -> None:
        secrets.update_secret_version_stage(SecretId=arn, VersionStage=label, **how)

    for label, how in (
        ("AWSCURRENT", {"MoveToVersionId": second}),
        ("AWSCURRENT", {"MoveToVersionId": second, "RemoveFromVersionId": third}),
        ("AWSPENDING", {"MoveToVersionId": third}),
        ("own", {"RemoveFromVersionId": first}),
        ("own", {}),
    ):
        with refused("InvalidParameterException"):
            move(label, **how)
    before = {first: {"AWSCURRENT"}, second: {"AWSPENDING"}, third: {"own"}}
    assert labels(aws, arn) == before
    move("AWSCURRENT", MoveToVersionId=second, RemoveFromVersionId=first)
    assert labels(aws, arn) == {first: {"AWSPREVIOUS"}, second: {"AWSCURRENT"}, third: {"own"}}
    # A second call changes nothing.
    move("AWSCURRENT", MoveToVersionId=second)
    move("AWSPENDING", MoveToVersionId=third)
    move("AWSPENDING", RemoveFromVersionId=third)
    move("own", RemoveFromVersionId=third)
    assert labels(aws, arn) == {first: {"AWSPREVIOUS"}, second: {"AWSCURRENT"}}
