from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from emulator import Emulator
from tests.emulator.support import (
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


def resources(user: str, *actions: str, managed: tuple[str, ...] = ()) -> dict[str, Any]:
    """A user in a group that carries one inline policy and some managed ones."""
    document = {"Version": "2012-10-17", "Statement": [allow(list(actions), "*")]}
    return {
        "Group": {
            "Type": "AWS::IAM::Group",
            "Properties": {
                "ManagedPolicyArns": list(managed),
                "Policies": [{"PolicyName": "own", "PolicyDocument": document}] if actions else [],
            },
        },
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
    stack, user = unique("stack"), unique("user")
    log_group = create_group(aws)
    deployed = deploy(aws, stack, resources(user, "logs:FilterLogEvents"))
    name = outputs(deployed)["GroupRef"]
    assert may(aws, deployed, "filter_log_events", logGroupName=log_group)
    assert not may(aws, deployed, "describe_log_groups")
    delete_stack(aws, stack)
    iam = aws.client("iam")
    assert name not in [one["GroupName"] for one in iam.list_groups()["Groups"]]
    with pytest.raises(ClientError):
        iam.get_user(UserName=user)


def test_policies_change_in_place(aws: Emulator) -> None:
    stack, user = unique("stack"), unique("user")
    managed = aws.client("iam").create_policy(
        PolicyName=unique("policy"),
        PolicyDocument=policy(allow("logs:DescribeLogGroups", "*")),
    )["Policy"]["Arn"]
    first = deploy(aws, stack, resources(user, "logs:FilterLogEvents"))
    second = deploy(aws, stack, resources(user, managed=(managed,)))
    assert outputs(first)["GroupRef"] == outputs(second)["GroupRef"]
    assert may(aws, second, "describe_log_groups")
    assert not may(aws, second, "filter_log_events", logGroupName=create_group(aws))
    group = aws.client("iam").get_group(GroupName=outputs(second)["GroupRef"])
    assert group["Group"]["Arn"] == f"arn:aws:iam::{ACCOUNT}:group/{outputs(second)['GroupRef']}"
    assert [one["UserName"] for one in group["Users"]] == [user]
    delete_stack(aws, stack)
    attached = aws.client("iam").get_policy(PolicyArn=managed)["Policy"]["AttachmentCount"]
    assert attached == 0
