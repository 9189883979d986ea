from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from emulator import Emulator
from emulator.tests.support import (
    ACCOUNT,
    allow,
    create_group,
    delete_stack,
    deploy,
    iam_evaluated,
    outputs,
    policy,
    unique,
)

pytestmark = pytest.mark.emulator


def create_policy(aws: Emulator, action: str) -> str:
    created = aws.client("iam").create_policy(
        PolicyName=unique("policy"), PolicyDocument=policy(allow(action, "*"))
    )
    return str(created["Policy"]["Arn"])


def resources(user: str, *policies: str) -> dict[str, Any]:
    """A user in a group with managed policies."""
    return {
        "Group": {"Type": "AWS::IAM::Group", "Properties": {"ManagedPolicyArns": list(policies)}},
        "User": {
            "Type": "AWS::IAM::User",
            "Properties": {"UserName": user, "Groups": [{"Ref": "Group"}]},
        },
        "Key": {"Type": "AWS::IAM::AccessKey", "Properties": {"UserName": {"Ref": "User"}}},
    }


def may(aws: Emulator, stack: dict[str, Any], operation: str, **parameters: Any) -> bool:
    found = outputs(stack)
    logs = aws.client("logs", access_key_id=found["KeyRef"], secret_access_key=found["KeySecret"])
    with iam_evaluated(aws):
        try:
            getattr(logs, operation)(**parameters)
        except ClientError as error:
            if error.response["Error"]["Code"].startswith("AccessDenied"):
                return False
            raise
    return True


def test_a_member_may_what_the_group_may_and_the_stack_takes_all_away(aws: Emulator) -> None:
    stack, user, log_group = unique("stack"), unique("user"), create_group(aws)
    reading, listing = (create_policy(aws, f"logs:{one}") for one in ("Filter*", "Describe*"))
    first = deploy(aws, stack, resources(user, reading))
    name = outputs(first)["GroupRef"]
    assert may(aws, first, "filter_log_events", logGroupName=log_group)
    assert not may(aws, first, "describe_log_groups")
    second = deploy(aws, stack, resources(user, listing))
    assert outputs(second)["GroupRef"] == name
    assert may(aws, second, "describe_log_groups")
    assert not may(aws, second, "filter_log_events", logGroupName=log_group)
    iam = aws.client("iam")
    group = iam.get_group(GroupName=name)
    assert group["Group"]["Arn"] == f"arn:aws:iam::{ACCOUNT}:group/{name}"
    assert [one["UserName"] for one in group["Users"]] == [user]
    delete_stack(aws, stack)
    assert name not in [one["GroupName"] for one in iam.list_groups()["Groups"]]
    assert iam.get_policy(PolicyArn=listing)["Policy"]["AttachmentCount"] == 0
    with pytest.raises(ClientError):
        iam.get_user(UserName=user)


def test_a_policy_of_the_group_itself_is_refused(aws: Emulator) -> None:
    group = resources(unique("user"))
    group["Group"]["Properties"]["Policies"] = [{"PolicyName": "own", "PolicyDocument": {}}]
    assert deploy(aws, unique("stack"), group)["StackStatus"] == "ROLLBACK_COMPLETE"
