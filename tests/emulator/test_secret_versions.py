from __future__ import annotations

import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError

from emulator import Emulator
from tests.emulator.support import unique

pytestmark = pytest.mark.emulator


def token() -> str:
    return str(uuid.uuid4())


def create(aws: Emulator, **options: Any) -> str:
    created = aws.client("secretsmanager").create_secret(Name=unique("secret"), **options)
    return str(created["ARN"])


def labels(aws: Emulator, arn: str) -> dict[str, set[str]]:
    described = aws.client("secretsmanager").describe_secret(SecretId=arn)
    return {version: set(found) for version, found in described["VersionIdsToStages"].items()}


def refused(code: str) -> Any:
    return pytest.raises(ClientError, match=rf"\({code}\)")


def test_the_token_is_the_version_and_a_repeated_request_is_ignored(aws: Emulator) -> None:
    secrets = aws.client("secretsmanager")
    first, second, third = token(), token(), token()
    arn = create(aws, SecretString="one", ClientRequestToken=first)
    for _ in range(2):
        answer = secrets.put_secret_value(
            SecretId=arn, SecretString="two", ClientRequestToken=second
        )
        assert (answer["VersionId"], answer["VersionStages"]) == (second, ["AWSCURRENT"])
    assert labels(aws, arn) == {first: {"AWSPREVIOUS"}, second: {"AWSCURRENT"}}
    answer = secrets.update_secret(SecretId=arn, SecretString="three", ClientRequestToken=third)
    assert answer["VersionId"] == third
    assert labels(aws, arn) == {second: {"AWSPREVIOUS"}, third: {"AWSCURRENT"}}
    # Repeating the request for an older version does not make it current again.
    secrets.put_secret_value(SecretId=arn, SecretString="two", ClientRequestToken=second)
    assert secrets.get_secret_value(SecretId=arn)["SecretString"] == "three"
    for values in ({"SecretString": "other"}, {"SecretBinary": b"two"}):
        with refused("ResourceExistsException"):
            secrets.put_secret_value(SecretId=arn, ClientRequestToken=second, **values)
    with refused("ResourceExistsException"):
        secrets.update_secret(SecretId=arn, SecretString="other", ClientRequestToken=second)


def test_values_are_one_of_two(aws: Emulator) -> None:
    secrets = aws.client("secretsmanager")
    arn = create(aws, SecretString="one")
    for values in ({}, {"SecretString": "a", "SecretBinary": b"b"}):
        with refused("InvalidRequestException"):
            secrets.put_secret_value(SecretId=arn, **values)
    secrets.put_secret_value(SecretId=arn, SecretBinary=b"\x00\xff")
    assert secrets.get_secret_value(SecretId=arn)["SecretBinary"] == b"\x00\xff"


def test_labels_move_to_the_version_that_is_put(aws: Emulator) -> None:
    secrets = aws.client("secretsmanager")
    first, second, third = token(), token(), token()
    arn = create(aws, SecretString="one", ClientRequestToken=first)
    for version in (second, third):
        secrets.put_secret_value(
            SecretId=arn,
            SecretString=version,
            ClientRequestToken=version,
            VersionStages=["AWSPENDING", "own"],
        )
    assert labels(aws, arn) == {first: {"AWSCURRENT"}, third: {"AWSPENDING", "own"}}
    listed = secrets.list_secret_version_ids(SecretId=arn)["Versions"]
    assert {one["VersionId"] for one in listed} == {first, third}
    listed = secrets.list_secret_version_ids(SecretId=arn, IncludeDeprecated=True)["Versions"]
    assert {one["VersionId"] for one in listed} == {first, second, third}


def test_the_first_version_is_current_whatever_its_labels(aws: Emulator) -> None:
    secrets = aws.client("secretsmanager")
    arn = create(aws)
    with refused("ResourceNotFoundException"):
        secrets.get_secret_value(SecretId=arn)
    version = secrets.put_secret_value(SecretId=arn, SecretString="one", VersionStages=["own"])
    assert labels(aws, arn) == {version["VersionId"]: {"AWSCURRENT", "own"}}


def test_reading_by_version_and_label(aws: Emulator) -> None:
    secrets = aws.client("secretsmanager")
    first, second = token(), token()
    arn = create(aws, SecretString="one", ClientRequestToken=first)
    secrets.put_secret_value(SecretId=arn, SecretString="two", ClientRequestToken=second)

    def value(**which: str) -> str:
        return str(secrets.get_secret_value(SecretId=arn, **which)["SecretString"])

    assert value() == value(VersionStage="AWSCURRENT") == value(VersionId=second) == "two"
    assert value(VersionStage="AWSPREVIOUS") == value(VersionId=first) == "one"
    assert value(VersionId=first, VersionStage="AWSPREVIOUS") == "one"
    with refused("InvalidRequestException"):
        value(VersionId=first, VersionStage="AWSCURRENT")
    for which in ({"VersionStage": "AWSPENDING"}, {"VersionId": token()}):
        with refused("ResourceNotFoundException"):
            value(**which)


def test_moving_labels(aws: Emulator) -> None:
    secrets = aws.client("secretsmanager")
    first, second, third = token(), token(), token()
    arn = create(aws, SecretString="one", ClientRequestToken=first)
    for version, label in ((second, "AWSPENDING"), (third, "own")):
        secrets.put_secret_value(
            SecretId=arn, SecretString=label, ClientRequestToken=version, VersionStages=[label]
        )

    def move(label: str, **how: str) -> None:
        secrets.update_secret_version_stage(SecretId=arn, VersionStage=label, **how)

    for label, how in (
        ("AWSCURRENT", {"MoveToVersionId": second}),
        ("AWSCURRENT", {"MoveToVersionId": second, "RemoveFromVersionId": third}),
        ("AWSCURRENT", {"RemoveFromVersionId": first}),
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
    # A second call finds nothing to do.
    move("AWSCURRENT", MoveToVersionId=second)
    move("AWSPENDING", MoveToVersionId=third)
    move("AWSPENDING", RemoveFromVersionId=third)
    move("own", RemoveFromVersionId=third)
    assert labels(aws, arn) == {first: {"AWSPREVIOUS"}, second: {"AWSCURRENT"}}


def test_tags(aws: Emulator) -> None:
    secrets = aws.client("secretsmanager")
    arn = create(aws, SecretString="one", Tags=[{"Key": "a", "Value": "1"}])
    tags = [{"Key": "a", "Value": "2"}, {"Key": "b", "Value": "3"}]
    secrets.tag_resource(SecretId=arn, Tags=tags)
    assert secrets.describe_secret(SecretId=arn)["Tags"] == tags
    secrets.untag_resource(SecretId=arn, TagKeys=["a", "unknown"])
    assert secrets.describe_secret(SecretId=arn)["Tags"] == tags[1:]
