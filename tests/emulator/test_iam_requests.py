from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from emulator import Emulator
from tests.emulator.support import (
    ACCOUNT,
    allow,
    create_function,
    create_role,
    deploy,
    iam_evaluated,
    policy,
    unique,
)

pytestmark = pytest.mark.emulator


@pytest.fixture(autouse=True)
def _evaluated(aws: Emulator) -> Iterator[None]:
    with iam_evaluated(aws):
        yield


class Caller:
    """A user with one policy."""

    def __init__(self, aws: Emulator, path: str = "/") -> None:
        self._aws = aws
        self.name = unique("user")
        iam = aws.client("iam")
        self.arn = iam.create_user(UserName=self.name, Path=path)["User"]["Arn"]
        self.key = iam.create_access_key(UserName=self.name)["AccessKey"]

    def may(self, *statements: dict[str, Any]) -> None:
        self._aws.client("iam").put_user_policy(
            UserName=self.name, PolicyName="own", PolicyDocument=policy(*statements)
        )

    def client(self, service: str) -> Any:
        return self._aws.client(
            service,
            access_key_id=self.key["AccessKeyId"],
            secret_access_key=self.key["SecretAccessKey"],
        )


@contextlib.contextmanager
def denied() -> Iterator[None]:
    with pytest.raises(ClientError) as error:
        yield
    assert error.value.response["Error"]["Code"].startswith("AccessDenied")


def test_keys_are_their_users(aws: Emulator) -> None:
    caller, other = Caller(aws, "/service/"), Caller(aws)
    keys = ["iam:CreateAccessKey", "iam:GetAccessKeyLastUsed", "iam:*AccessKey*"]
    caller.may(allow(keys, caller.arn))
    assert ":user/service/" in caller.arn
    iam = caller.client("iam")
    iam.list_access_keys(UserName=caller.name)
    iam.get_access_key_last_used(AccessKeyId=caller.key["AccessKeyId"])
    created = iam.create_access_key(UserName=caller.name)["AccessKey"]["AccessKeyId"]
    iam.update_access_key(UserName=caller.name, AccessKeyId=created, Status="Inactive")
    iam.delete_access_key(UserName=caller.name, AccessKeyId=created)
    with denied():
        iam.get_access_key_last_used(AccessKeyId=other.key["AccessKeyId"])
    with denied():
        iam.list_access_keys(UserName=other.name)


def test_rules_of_the_default_bus(aws: Emulator) -> None:
    caller, name = Caller(aws), unique("rule")
    caller.may(allow("events:*", f"arn:aws:events:us-east-1:{ACCOUNT}:rule/{name}"))
    events = caller.client("events")
    events.put_rule(Name=name, ScheduleExpression="rate(1 day)")
    target = {"Id": "1", "Arn": f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:f"}
    events.put_targets(Rule=name, Targets=[target])
    events.disable_rule(Name=name)
    events.remove_targets(Rule=name, Ids=["1"])
    with denied():
        events.put_targets(Rule=f"{name}-other", Targets=[target])
    with denied():
        events.disable_rule(Name=f"{name}-other")


def test_a_stack_called_by_its_name_is_the_stack_with_its_id(aws: Emulator) -> None:
    topic = {"Topic": {"Type": "AWS::SNS::Topic"}}
    own, other = (deploy(aws, unique("stack"), topic) for _ in range(2))
    caller = Caller(aws)
    caller.may(allow("cloudformation:DescribeStacks", own["StackId"]))
    stacks = caller.client("cloudformation")
    for name in (own["StackName"], own["StackId"]):
        assert stacks.describe_stacks(StackName=name)["Stacks"][0]["StackId"] == own["StackId"]
    for name in (other["StackName"], other["StackId"]):
        with denied():
            stacks.describe_stacks(StackName=name)


def create_secret(aws: Emulator, **tags: str) -> str:
    listed = [{"Key": key, "Value": value} for key, value in tags.items()]
    created = aws.client("secretsmanager").create_secret(
        Name=unique("secret"), SecretString="value", Tags=listed
    )
    return str(created["ARN"])


def conditioned(actions: str, resource: str, **condition: Any) -> dict[str, Any]:
    return {**allow(actions, resource), "Condition": condition}


def test_conditions_on_secrets(aws: Emulator) -> None:
    own, other = create_secret(aws, team="mine"), create_secret(aws, team="yours")
    caller = Caller(aws)
    secrets = caller.client("secretsmanager")
    staged = {"secretsmanager:VersionStage": "AWSCURRENT"}
    tagged = {"secretsmanager:ResourceTag/team": "mine"}
    caller.may(conditioned("secretsmanager:GetSecretValue", "*", StringEquals={**staged, **tagged}))
    secrets.get_secret_value(SecretId=own, VersionStage="AWSCURRENT")
    for secret, options in (
        (own, {}),
        (own, {"VersionStage": "AWSPREVIOUS"}),
        (other, {"VersionStage": "AWSCURRENT"}),
    ):
        with denied():
            secrets.get_secret_value(SecretId=secret, **options)
    caller.may(
        conditioned(
            "secretsmanager:GetSecretValue", "*", StringEquals={"aws:ResourceTag/team": "mine"}
        )
    )
    secrets.get_secret_value(SecretId=own)
    with denied():
        secrets.get_secret_value(SecretId=other)


def test_the_rotation_function_of_a_secret_is_a_condition(aws: Emulator) -> None:
    secret = create_secret(aws)
    source = "def handler(event, context): raise RuntimeError('not now')"
    function = create_function(aws, source, role=create_role(aws), open_to_logs=False)
    aws.client("lambda").add_permission(
        FunctionName=function,
        StatementId="rotation",
        Action="lambda:InvokeFunction",
        Principal="secretsmanager.amazonaws.com",
    )
    caller = Caller(aws)
    rotating = {"secretsmanager:resource/AllowRotationLambdaArn": function}
    caller.may(conditioned("secretsmanager:DescribeSecret", secret, StringEquals=rotating))
    secrets = caller.client("secretsmanager")
    with denied():
        secrets.describe_secret(SecretId=secret)
    aws.client("secretsmanager").rotate_secret(
        SecretId=secret, RotationLambdaARN=function, RotateImmediately=False
    )
    secrets.describe_secret(SecretId=secret)


def test_the_keys_of_tags_are_a_condition(aws: Emulator) -> None:
    secret, caller = create_secret(aws), Caller(aws)
    caller.may(
        {
            **allow(["secretsmanager:TagResource", "secretsmanager:UntagResource"], secret),
            "Condition": {"ForAllValues:StringEquals": {"aws:TagKeys": ["rotation"]}},
        }
    )
    secrets = caller.client("secretsmanager")
    secrets.tag_resource(SecretId=secret, Tags=[{"Key": "rotation", "Value": json.dumps({})}])
    secrets.untag_resource(SecretId=secret, TagKeys=["rotation"])
    with denied():
        secrets.tag_resource(SecretId=secret, Tags=[{"Key": "owner", "Value": "me"}])
    with denied():
        secrets.untag_resource(SecretId=secret, TagKeys=["rotation", "owner"])
