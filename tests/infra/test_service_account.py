from __future__ import annotations

import json
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import assertions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs

from openreplay_cw_stack import OpenReplayCloudWatch, ServiceAccount, ServiceAccountAccess
from openreplay_cw_stack.infra.service_account import POLICY_CHARACTERS_ALLOWED
from tests.infra.conftest import (
    ENCRYPTION_KEY_ARN,
    a_stack,
    an_app,
    only,
    resources,
    template_of,
)


def a_group(stack: cdk.Stack, name: str) -> logs.ILogGroup:
    return logs.LogGroup.from_log_group_name(stack, f"Group{name}", name)


def policies_of_user(template: assertions.Template) -> list[dict[str, Any]]:
    (group_id,) = resources(template, "AWS::IAM::Group")
    return [
        policy["Properties"]["PolicyDocument"]
        for policy in resources(template, "AWS::IAM::ManagedPolicy").values()
        if {"Ref": group_id} in policy["Properties"].get("Groups", [])
    ]


def test_the_key_may_read_the_tracked_log_groups_and_nothing_else(
    template: assertions.Template,
) -> None:
    (tracked,) = [one for one in resources(template, "AWS::Logs::LogGroup") if "app" in one]
    (document,) = policies_of_user(template)
    assert document["Statement"] == [
        {
            "Sid": "ReadLogGroups",
            "Effect": "Allow",
            "Action": "logs:FilterLogEvents",
            "Resource": {"Fn::GetAtt": [tracked, "Arn"]},
        }
    ]
    assert "Policies" not in only(template, "AWS::IAM::User")
    assert "ManagedPolicyArns" not in only(template, "AWS::IAM::User")
    assert resources(template, "AWS::IAM::Policy") == {}


def test_an_imported_group_is_named_with_its_streams(stack: cdk.Stack) -> None:
    for number, arn in enumerate(
        [
            "arn:aws:logs:eu-west-1:123456789012:log-group:/app",
            "arn:aws:logs:eu-west-1:123456789012:log-group:/app:*",
        ]
    ):
        group = logs.LogGroup.from_log_group_arn(stack, f"Group{number}", arn)
        ServiceAccount(stack, f"Account{number}", service_account_log_groups=[group])
    named = [
        policy["Properties"]["PolicyDocument"]["Statement"][0]["Resource"]
        for policy in resources(template_of(stack), "AWS::IAM::ManagedPolicy").values()
    ]
    assert named == ["arn:aws:logs:eu-west-1:123456789012:log-group:/app:*"] * 2


def test_describe_on_request() -> None:
    template = template_of(a_stack(service_account_access=ServiceAccountAccess.SCOPED_AND_DESCRIBE))
    (document,) = policies_of_user(template)
    actions = [statement["Action"] for statement in document["Statement"]]
    assert actions == ["logs:DescribeLogGroups", "logs:FilterLogEvents"]


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
    ServiceAccount(stack, "Account", service_account_log_groups=[a_group(stack, "/app")])
    assert "UserName" not in only(template_of(stack), "AWS::IAM::User")


def test_encryption_key() -> None:
    secret = only(
        template_of(a_stack(encryption_key=ENCRYPTION_KEY_ARN)),
        "AWS::SecretsManager::Secret",
        "ServiceAccount",
    )
    assert secret["KmsKeyId"] == ENCRYPTION_KEY_ARN


def test_grant_read_key(stack: cdk.Stack) -> None:
    reader = iam.Role(stack, "Reader", assumed_by=iam.AccountRootPrincipal())
    account = ServiceAccount(stack, "Account", service_account_log_groups=[a_group(stack, "/app")])
    account.grant_read_key(reader)
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


def read_by(template: assertions.Template) -> list[Any]:
    """What the policy of the service account names, and nothing else."""
    (document,) = policies_of_user(template)
    (statement,) = document["Statement"]
    resource = statement["Resource"]
    return resource if isinstance(resource, list) else [resource]


class TestLogGroups:
    def test_each_tracked_one_also_of_those_tracked_later(self) -> None:
        stack = a_stack(new_log_groups=["/new"], log_groups=["/old"])
        stack.integration.track(a_group(stack, "/later"))
        template = template_of(stack)
        named = read_by(template)
        (created,) = [one["Fn::GetAtt"][0] for one in named if "Fn::GetAtt" in one]
        assert "LogGroupnew" in created
        imported = {one["Fn::Join"][1][-1] for one in named if "Fn::Join" in one}
        assert imported == {":log-group:/old:*", ":log-group:/later:*"}
        assert len(named) == 3

    def test_exactly_the_ones_that_are_named(self) -> None:
        stack = a_stack(service_account_log_groups=["/a", "/b"])
        stack.integration.track(a_group(stack, "/later"))
        ends = [one["Fn::Join"][1][-1] for one in read_by(template_of(stack))]
        assert ends == [":log-group:/a:*", ":log-group:/b:*"]

    def test_the_first_one_is_in_the_secret(self) -> None:
        template = template_of(a_stack(service_account_log_groups=["/a", "/b"]))
        secret = only(template, "AWS::SecretsManager::Secret", "ServiceAccount")
        assert '"log_group_name":"/a"' in json.dumps(secret["SecretString"]).replace("\\", "")

    def test_one_is_named_once(self) -> None:
        arn = "arn:aws:logs:eu-west-1:123456789012:log-group:/a"
        with pytest.raises(ValueError, match="the service account already reads /a"):
            a_stack(service_account_log_groups=["/a", arn])

    def test_the_account_does_not_tell_them(self) -> None:
        account: dict[str, Any] = {"new_log_groups": [], "track_account": True}
        with pytest.raises(ValueError, match="name the log groups that OpenReplay reads, or set"):
            a_stack(**account)
        named = template_of(a_stack(**account, service_account_log_groups=["/a"]))
        assert len(read_by(named)) == 1
        without = template_of(a_stack(**account, service_account=False))
        assert resources(without, "AWS::IAM::User") == {}

    def test_none_at_all_end_the_synth(self, stack: cdk.Stack) -> None:
        OpenReplayCloudWatch(stack, "OpenReplay")
        with pytest.raises(
            RuntimeError, match="the service account has no log group to read: track"
        ):
            template_of(stack)

    def test_without_a_service_account_none_are_named(self) -> None:
        with pytest.raises(
            ValueError, match="it has no effect with service_account=false; omit one"
        ):
            a_stack(service_account=False, service_account_log_groups=["/a"])


class TestPolicySize:
    """IAM User Guide, "IAM and AWS STS quotas": 6,144 characters without white space."""

    def test_as_many_as_a_policy_holds(self) -> None:
        for length in (20, 512):
            names = [f"/{number:0{length - 1}}" for number in range(99)]
            held = next(
                count for count in range(1, 99) if self.characters(names[: count + 1]) > 6144
            )
            template_of(a_stack(new_log_groups=[], log_groups=names[:held]))
            with pytest.raises(
                RuntimeError, match=r"characters, and IAM allows 6144: name only the"
            ):
                template_of(a_stack(new_log_groups=[], log_groups=names[: held + 1]))
            few = a_stack(new_log_groups=[], log_groups=names, service_account_log_groups=names[:2])
            template_of(few)

    def characters(self, names: list[str]) -> int:
        stack = cdk.Stack(an_app(), "Host")
        groups = [a_group(stack, name) for name in names]
        return ServiceAccount(
            stack, "Account", service_account_log_groups=groups
        ).policy_characters()

    def test_it_is_never_longer_than_it_is_said_to_be(self) -> None:
        """With the longest partition and region that there are, and names chosen when deployed."""
        place = cdk.Environment(account="123456789012", region="us-gov-west-1")
        app = an_app()
        stack = cdk.Stack(app, "Host", env=place)
        groups = [a_group(stack, "/imported"), logs.LogGroup(stack, "Chosen")]
        account = ServiceAccount(
            stack,
            "Account",
            service_account_log_groups=groups,
            service_account_access=ServiceAccountAccess.SCOPED_AND_DESCRIBE,
            allowed_source_ranges=["203.0.113.0/24"],
        )
        said = account.policy_characters()
        (document,) = policies_of_user(template_of(stack))
        (chosen,) = resources(template_of(stack), "AWS::Logs::LogGroup")
        prefix = "arn:aws-us-gov:logs:us-gov-west-1:123456789012:log-group:"
        for statement in document["Statement"]:
            if statement["Sid"] == "ReadLogGroups":
                assert len(statement["Resource"]) == 2
                statement["Resource"] = [
                    f"{prefix}/imported:*",
                    f"{prefix}Host-{chosen}-1A2B3C4D5E6F:*",
                ]
        length = len(json.dumps(document, separators=(",", ":")))
        assert length <= said <= length + 30
        assert said < POLICY_CHARACTERS_ALLOWED


def test_source_ranges_are_a_condition_of_the_key() -> None:
    ranges = ["203.0.113.0/24", "2001:db8::/32"]
    template = template_of(
        a_stack(
            allowed_source_ranges=ranges,
            service_account_access=ServiceAccountAccess.SCOPED_AND_DESCRIBE,
        )
    )
    (document,) = policies_of_user(template)
    assert len(document["Statement"]) == 2
    for statement in document["Statement"]:
        assert statement["Condition"] == {"IpAddress": {"aws:SourceIp": ranges}}


def test_synthesis_says_that_later_versions_do_not_use_the_key() -> None:
    words = assertions.Match.string_like_regexp("v1.21 and later do not use this access key")
    for keywords, expected in (({}, 1), ({"service_account": False}, 0)):
        annotations = assertions.Annotations.from_stack(a_stack(**keywords))
        assert len(annotations.find_info("*", words)) == expected
        assert annotations.find_warning("*", assertions.Match.any_value()) == []


def test_what_is_said_can_be_acknowledged() -> None:
    stack = a_stack()
    assert stack.integration.service_account is not None
    cdk.Annotations.of(stack.integration.service_account).acknowledge_info(
        "openreplay-cw-stack:service-account", "OpenReplay v1.20 reads with it"
    )
    annotations = assertions.Annotations.from_stack(stack)
    assert annotations.find_info("*", assertions.Match.any_value()) == []
