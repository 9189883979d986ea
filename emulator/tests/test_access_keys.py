from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from botocore.exceptions import ClientError

from emulator import Emulator, EmulatorError
from emulator.tests.support import (
    allow,
    delete_stack,
    deploy,
    failure_reasons,
    iam_evaluated,
    outputs,
    policy,
    unique,
    wait_for,
)

pytestmark = pytest.mark.emulator


def keys(aws: Emulator, user: str) -> dict[str, str]:
    """The status of each key of a user."""
    listed = aws.client("iam").list_access_keys(UserName=user)["AccessKeyMetadata"]
    return {key["AccessKeyId"]: key["Status"] for key in listed}


def resources(user: str, *others: str, **properties: Any) -> dict[str, Any]:
    """A stack's users and the key of the first of them."""
    users = {
        name.replace("-", ""): {"Type": "AWS::IAM::User", "Properties": {"UserName": name}}
        for name in (user, *others)
    }
    reference = {"UserName": {"Ref": user.replace("-", "")}}
    key = {"Type": "AWS::IAM::AccessKey", "Properties": {**reference, **properties}}
    return {**users, "Key": key}


def key_of(stack: dict[str, Any]) -> tuple[str, str]:
    found = outputs(stack)
    return found["KeyRef"], found["KeySecret"]


def caller(aws: Emulator, key: tuple[str, str]) -> str:
    client = aws.client("sts", access_key_id=key[0], secret_access_key=key[1])
    return str(client.get_caller_identity()["Arn"])


def code_of(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


def test_a_stack_creates_a_key_that_works_and_deletes_it(aws: Emulator) -> None:
    stack, user = unique("stack"), unique("user")
    key = key_of(deploy(aws, stack, resources(user)))
    assert keys(aws, user) == {key[0]: "Active"}
    assert (key[0][:4], len(key[0]), len(key[1])) == ("AKIA", 20, 40)
    assert caller(aws, key).endswith(f":user/{user}")
    delete_stack(aws, stack)
    iam = aws.client("iam")
    with pytest.raises(ClientError) as error:
        iam.get_user(UserName=user)
    assert code_of(error) == "NoSuchEntity"
    with pytest.raises(ClientError) as error:
        iam.get_access_key_last_used(AccessKeyId=key[0])
    assert code_of(error) == "NoSuchEntity"


def test_a_new_serial_replaces_the_key(aws: Emulator) -> None:
    stack, user = unique("stack"), unique("user")
    old = key_of(deploy(aws, stack, resources(user, Serial=1)))
    new = key_of(deploy(aws, stack, resources(user, Serial=2)))
    assert old[0] != new[0]
    assert old[1] != new[1]
    assert keys(aws, user) == {new[0]: "Active"}


def test_another_user_replaces_the_key(aws: Emulator) -> None:
    stack, one, two = unique("stack"), unique("a"), unique("b")
    old = key_of(deploy(aws, stack, resources(one, two)))
    new = key_of(deploy(aws, stack, resources(two, one)))
    assert old[0] != new[0]
    assert (keys(aws, one), keys(aws, two)) == ({}, {new[0]: "Active"})


def test_a_replacement_needs_a_free_slot(aws: Emulator) -> None:
    stack, user = unique("stack"), unique("user")
    key = key_of(deploy(aws, stack, resources(user, Serial=1)))
    other = aws.client("iam").create_access_key(UserName=user)["AccessKey"]["AccessKeyId"]
    updated = deploy(aws, stack, resources(user, Serial=2))
    assert updated["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert "Cannot exceed quota for AccessKeysPerUser: 2" in failure_reasons(aws, stack)
    assert keys(aws, user) == {key[0]: "Active", other: "Active"}


def test_a_key_needs_an_existing_user(aws: Emulator) -> None:
    stack = unique("stack")
    key = {"Type": "AWS::IAM::AccessKey", "Properties": {"UserName": "nobody"}}
    assert deploy(aws, stack, {"Key": key})["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "cannot be found" in failure_reasons(aws, stack)


def test_two_keys_a_user_inactive_ones_included(aws: Emulator) -> None:
    iam, user = aws.client("iam"), unique("user")
    iam.create_user(UserName=user)
    first = iam.create_access_key(UserName=user)["AccessKey"]["AccessKeyId"]
    iam.create_access_key(UserName=user)
    iam.update_access_key(UserName=user, AccessKeyId=first, Status="Inactive")
    with pytest.raises(ClientError, match="AccessKeysPerUser: 2") as error:
        iam.create_access_key(UserName=user)
    assert code_of(error) == "LimitExceeded"
    iam.delete_access_key(UserName=user, AccessKeyId=first)
    iam.create_access_key(UserName=user)


def test_a_user_with_keys_cannot_be_deleted(aws: Emulator) -> None:
    iam, user = aws.client("iam"), unique("user")
    iam.create_user(UserName=user)
    key = iam.create_access_key(UserName=user)["AccessKey"]["AccessKeyId"]
    with pytest.raises(ClientError) as error:
        iam.delete_user(UserName=user)
    assert code_of(error) == "DeleteConflict"
    iam.delete_access_key(UserName=user, AccessKeyId=key)
    iam.delete_user(UserName=user)


def test_a_stack_cannot_delete_a_user_with_a_key_of_another_origin(aws: Emulator) -> None:
    stack, user = unique("stack"), unique("user")
    deploy(aws, stack, resources(user))
    other = aws.client("iam").create_access_key(UserName=user)["AccessKey"]["AccessKeyId"]
    delete_stack(aws, stack)
    assert "must delete access keys first" in failure_reasons(aws, stack)
    assert keys(aws, user) == {other: "Active"}


def test_when_a_key_was_last_used(aws: Emulator) -> None:
    iam, user = aws.client("iam"), unique("user")
    iam.create_user(UserName=user)
    key = iam.create_access_key(UserName=user)["AccessKey"]

    def last_used() -> dict[str, Any]:
        answer = iam.get_access_key_last_used(AccessKeyId=key["AccessKeyId"])
        assert answer["UserName"] == user
        found: dict[str, Any] = answer["AccessKeyLastUsed"]
        return found

    assert last_used() == {"Region": "N/A", "ServiceName": "N/A"}
    aws.client(
        "logs", access_key_id=key["AccessKeyId"], secret_access_key=key["SecretAccessKey"]
    ).describe_log_groups()
    used = last_used()
    assert (used["ServiceName"], used["Region"]) == ("logs", "us-east-1")
    assert datetime.now(timezone.utc) - used["LastUsedDate"] < timedelta(minutes=1)


@pytest.fixture
def user(aws: Emulator) -> str:
    """A user with all permissions."""
    iam, name = aws.client("iam"), unique("user")
    iam.create_user(UserName=name)
    document = policy(allow("*", "*"))
    iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=document)
    return name


def new_key(aws: Emulator, user: str) -> tuple[str, str]:
    key = aws.client("iam").create_access_key(UserName=user)["AccessKey"]
    return key["AccessKeyId"], key["SecretAccessKey"]


def refusals(aws: Emulator, key: tuple[str, str]) -> tuple[str, ...]:
    """The error codes of a JSON service, IAM and STS for a key; "" for none."""
    found = []
    for service, call in (
        ("logs", "describe_log_groups"),
        ("iam", "list_users"),
        ("sts", "get_caller_identity"),
    ):
        client = aws.client(service, access_key_id=key[0], secret_access_key=key[1])
        try:
            getattr(client, call)()
            found.append("")
        except ClientError as error:
            found.append(str(error.response["Error"]["Code"]))
    return tuple(found)


ACCEPTED = ("", "", "")
UNKNOWN = ("UnrecognizedClientException", "InvalidClientTokenId", "InvalidClientTokenId")


def test_inactive_and_deleted_keys_are_refused(aws: Emulator, user: str) -> None:
    iam, key = aws.client("iam"), new_key(aws, user)
    with iam_evaluated(aws):
        assert refusals(aws, key) == ACCEPTED
        iam.update_access_key(UserName=user, AccessKeyId=key[0], Status="Inactive")
        assert refusals(aws, key) == UNKNOWN
        iam.update_access_key(UserName=user, AccessKeyId=key[0], Status="Active")
        assert refusals(aws, key) == ACCEPTED
        iam.delete_access_key(UserName=user, AccessKeyId=key[0])
        assert refusals(aws, key) == UNKNOWN


def test_a_new_key_can_take_its_time(aws: Emulator, user: str) -> None:
    aws.delay_new_access_keys(3600)
    try:
        key = new_key(aws, user)
        assert refusals(aws, key) == ACCEPTED, "nothing is verified while the evaluation is off"
        with iam_evaluated(aws):
            assert refusals(aws, key) == UNKNOWN
            aws.delay_new_access_keys(0)
            assert refusals(aws, key) == ACCEPTED
            aws.delay_new_access_keys(3600)
            assert refusals(aws, key) == UNKNOWN
            aws.delay_new_access_keys(0.5)
            wait_for(lambda: refusals(aws, key) == ACCEPTED)
    finally:
        aws.delay_new_access_keys(0)


def test_what_is_no_delay_is_refused(aws: Emulator) -> None:
    with pytest.raises(EmulatorError, match="seconds"):
        aws._control("POST", "new-access-keys", {"seconds": "many"})
