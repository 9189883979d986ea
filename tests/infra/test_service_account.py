from __future__ import annotations

import json
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import assertions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs

from openreplay_cw_stack import ServiceAccount, ServiceAccountAccess
from tests.infra.conftest import ENCRYPTION_KEY_ARN, a_stack, only, resources, template_of


def policies_of_user(template: assertions.Template) -> list[dict[str, Any]]:
    (group_id,) = resources(template, "AWS::IAM::Group")
    return [
        policy["Properties"]["PolicyDocument"]
        for policy in resources(template, "AWS::IAM::ManagedPolicy").values()
        if {"Ref": group_id} in policy["Properties"].get("Groups", [])
    ]


def test_the_key_may_read_the_linked_log_group_and_nothing_else(
    template: assertions.Template,
) -> None:
    (linked,) = [one for one in resources(template, "AWS::Logs::LogGroup") if "Linked" in one]
    (document,) = policies_of_user(template)
    assert document["Statement"] == [
        {
            "Sid": "ReadTheLinkedLogGroup",
            "Effect": "Allow",
            "Action": "logs:FilterLogEvents",
            "Resource": {"Fn::GetAtt": [linked, "Arn"]},
        }
    ]
    assert "Policies" not in only(template, "AWS::IAM::User")
    assert "ManagedPolicyArns" not in only(template, "AWS::IAM::User")
    assert resources(template, "AWS::IAM::Policy") == {}


def test_an_imported_group_is_named_with_its_streams(stack: cdk.Stack) -> None:
    for number, arn in enumerate(
        [
            "arn:aws:logs:eu-west-1:123456789012:log-group:/linked",
            "arn:aws:logs:eu-west-1:123456789012:log-group:/linked:*",
        ]
    ):
        group = logs.LogGroup.from_log_group_arn(stack, f"Linked{number}", arn)
        ServiceAccount(stack, f"Account{number}", log_group=group)
    named = [
        policy["Properties"]["PolicyDocument"]["Statement"][0]["Resource"]
        for policy in resources(template_of(stack), "AWS::IAM::ManagedPolicy").values()
    ]
    assert named == ["arn:aws:logs:eu-west-1:123456789012:log-group:/linked:*"] * 2


def test_describe_on_request() -> None:
    template = template_of(a_stack(service_account_access=ServiceAccountAccess.SCOPED_AND_DESCRIBE))
    (document,) = policies_of_user(template)
    actions = [statement["Action"] for statement in document["Statement"]]
    assert actions == ["logs:FilterLogEvents", "logs:DescribeLogGroups"]


def test_the_whole_read_only_access_on_request() -> None:
    template = template_of(
        a_stack(service_account_access=ServiceAccountAccess.CLOUD_WATCH_READ_ONLY)
    )
    assert policies_of_user(template) == []
    (arn,) = only(template, "AWS::IAM::Group")["ManagedPolicyArns"]
    assert json.dumps(arn).endswith(':iam::aws:policy/CloudWatchReadOnlyAccess"]]}')
    assert {"Ref": "AWS::Partition"} in arn["Fn::Join"][1]


def test_the_secret_holds_the_four_values_of_the_form(template: assertions.Template) -> None:
    parts = only(template, "AWS::SecretsManager::Secret", "ServiceAccount")["SecretString"][
        "Fn::Join"
    ][1]
    text = "".join(part if isinstance(part, str) else json.dumps(part)[1:-1] for part in parts)
    assert [key for key in text.split('"') if key.islower() and "_" in key] == [
        "access_key_id",
        "secret_access_key",
        "log_group_name",
    ]
    assert '"region":"' in text


def test_the_secret_access_key_stands_in_the_template_only_inside_the_secret(
    template: assertions.Template,
) -> None:
    document = template.to_json()
    secrets = resources(template, "AWS::SecretsManager::Secret")
    (secret_id,) = [name for name in secrets if "ServiceAccount" in name]
    assert "SecretAccessKey" in json.dumps(document["Resources"].pop(secret_id))
    assert "SecretAccessKey" not in json.dumps(document)


def test_a_new_serial_makes_a_new_key() -> None:
    serials = [
        only(template_of(a_stack(key_serial=serial)), "AWS::IAM::AccessKey")["Serial"]
        for serial in (1, 2)
    ]
    assert serials == [1, 2]


def test_names(template: assertions.Template, stack: cdk.Stack) -> None:
    assert only(template, "AWS::IAM::User")["UserName"] == "openreplay_cw"
    group = logs.LogGroup.from_log_group_name(stack, "Linked", "/linked")
    ServiceAccount(stack, "Account", log_group=group)
    assert "UserName" not in only(template_of(stack), "AWS::IAM::User")


def test_encryption_key() -> None:
    secret = only(
        template_of(a_stack(encryption_key=ENCRYPTION_KEY_ARN)),
        "AWS::SecretsManager::Secret",
        "ServiceAccount",
    )
    assert secret["KmsKeyId"] == ENCRYPTION_KEY_ARN


def test_grant_read_key(stack: cdk.Stack) -> None:
    group = logs.LogGroup.from_log_group_name(stack, "Linked", "/linked")
    reader = iam.Role(stack, "Reader", assumed_by=iam.AccountRootPrincipal())
    ServiceAccount(stack, "Account", log_group=group).grant_read_key(reader)
    template = template_of(stack)
    (secret_id,) = resources(template, "AWS::SecretsManager::Secret")
    template.has_resource_properties(
        "AWS::IAM::Policy",
        {
            "PolicyDocument": {
                "Statement": [
                    {
                        "Action": [
                            "secretsmanager:DescribeSecret",
                            "secretsmanager:GetSecretValue",
                        ],
                        "Resource": {"Ref": secret_id},
                    }
                ]
            }
        },
    )


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"key_serial": 0}, "key_serial must be 1 or more, not 0"),
        ({"user_name": ""}, "''"),
        ({"user_name": "a b"}, "'a b' is no IAM user name"),
        ({"user_name": "é"}, "'é' is no IAM user name"),
        ({"user_name": "a" * 65}, "1 to 64"),
    ],
)
def test_wrong_values_are_named(stack: cdk.Stack, keywords: dict[str, Any], words: str) -> None:
    group = logs.LogGroup.from_log_group_name(stack, "Linked", "/linked")
    with pytest.raises(ValueError, match=words):
        ServiceAccount(stack, "Account", log_group=group, **keywords)
    assert stack.node.try_find_child("Account") is None
