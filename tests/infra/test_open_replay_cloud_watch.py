from __future__ import annotations

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns

from openreplay_cw_stack import OpenReplayCloudWatch
from openreplay_cw_stack.tagging import Verdict
from tests.infra.conftest import an_app, only, resources, template_of
from tests.infra.test_session_table import a_table


def test_it_fits_into_a_stack_that_has_log_groups_of_its_own(stack: cdk.Stack) -> None:
    own = logs.LogGroup(stack, "Own")
    integration = OpenReplayCloudWatch(stack, "OpenReplay", log_groups=[own])
    integration.track(logs.LogGroup.from_log_group_name(stack, "Lambda", "/aws/lambda/checkout"))
    assert len(integration.log_groups) == 2
    filters = resources(template_of(stack), "AWS::Logs::SubscriptionFilter").values()
    groups = [one["Properties"]["LogGroupName"] for one in filters]
    assert stack.resolve(own.log_group_name) in groups
    assert "/aws/lambda/checkout" in groups


def test_new_log_groups_have_a_retention_and_are_kept(stack: cdk.Stack) -> None:
    OpenReplayCloudWatch(stack, "OpenReplay", new_log_groups=["/app/checkout"])
    groups = resources(template_of(stack), "AWS::Logs::LogGroup")
    (kept,) = [one for name, one in groups.items() if "LogGroupapp" in name]
    assert kept["Properties"]["RetentionInDays"] == 30
    assert kept["DeletionPolicy"] == "RetainExceptOnCreate"


def test_retention_and_removal_policy(stack: cdk.Stack) -> None:
    OpenReplayCloudWatch(
        stack,
        "OpenReplay",
        new_log_groups=["/app/checkout"],
        log_retention=logs.RetentionDays.ONE_YEAR,
        removal_policy=cdk.RemovalPolicy.DESTROY,
    )
    groups = resources(template_of(stack), "AWS::Logs::LogGroup")
    named = {one["Properties"].get("LogGroupName"): one for one in groups.values()}
    assert named["/app/checkout"]["Properties"]["RetentionInDays"] == 365
    assert named["/app/checkout"]["DeletionPolicy"] == "Delete"


def test_every_part_can_be_switched_off_or_replaced(stack: cdk.Stack) -> None:
    table = a_table(stack, "Existing")
    topic = sns.Topic.from_topic_arn(stack, "Topic", "arn:aws:sns:eu-west-1:123456789012:alarms")
    integration = OpenReplayCloudWatch(
        stack,
        "OpenReplay",
        new_log_groups=["/app/checkout"],
        session_table=table,
        service_account=False,
        bridge=False,
        alarm_topic=topic,
        dashboard=False,
    )
    template = template_of(stack)
    for kind in (
        "AWS::IAM::User",
        "AWS::IAM::Group",
        "AWS::IAM::AccessKey",
        "AWS::SecretsManager::Secret",
        "AWS::SNS::Topic",
        "AWS::CloudWatch::Dashboard",
        "AWS::ApiGatewayV2::Api",
    ):
        assert resources(template, kind) == {}
    parts = [integration.user, integration.secret, integration.dashboard, integration.bridge]
    assert parts == [None] * 4
    assert integration.session_table is table
    assert len(resources(template, "AWS::DynamoDB::Table")) == 1
    for alarm in resources(template, "AWS::CloudWatch::Alarm").values():
        assert alarm["Properties"]["AlarmActions"] == [topic.topic_arn]
    with pytest.raises(ValueError, match="service_account is False"):
        integration.grant_read_key(iam.User.from_user_name(stack, "Someone", "someone"))


def test_a_key_of_the_app_lets_cloudwatch_use_it(stack: cdk.Stack) -> None:
    key = kms.Key(stack, "Key")
    OpenReplayCloudWatch(stack, "OpenReplay", new_log_groups=["/app/checkout"], encryption_key=key)
    policy = only(template_of(stack), "AWS::KMS::Key")["KeyPolicy"]["Statement"]
    by_sid = {statement.get("Sid"): statement for statement in policy}
    logs_may = by_sid["LetCloudWatchLogsUseTheKey"]
    assert logs_may["Principal"]["Service"]["Fn::Join"][1] == [
        "logs.",
        {"Ref": "AWS::Region"},
        ".",
        {"Ref": "AWS::URLSuffix"},
    ]
    condition = logs_may["Condition"]["ArnLike"]["kms:EncryptionContext:aws:logs:arn"]
    assert condition["Fn::Join"][1][-1] == ":log-group:*"
    assert by_sid["LetCloudWatchAlarmsUseTheKey"]["Principal"] == {
        "Service": "cloudwatch.amazonaws.com"
    }


def test_metrics(stack: cdk.Stack) -> None:
    integration = OpenReplayCloudWatch(stack, "OpenReplay")
    linkable = integration.metric_linkable()
    assert dict(linkable.dimensions or {})["Verdict"] == "linkable"
    rejected = integration.metric_rejected(Verdict.BAD_SIGNATURE)
    assert dict(rejected.dimensions or {})["Verdict"] == "bad_signature"
    with pytest.raises(ValueError, match="use metric_linkable"):
        integration.metric_rejected(Verdict.LINKABLE)


def test_two_in_one_stack_keep_their_metrics_apart(stack: cdk.Stack) -> None:
    one, other = (
        OpenReplayCloudWatch(stack, name, service_account=False) for name in ("One", "Other")
    )
    assert one.validator.deployment != other.validator.deployment
    template_of(stack)


def test_alarms_of_the_account_may_publish_to_the_topic(stack: cdk.Stack) -> None:
    OpenReplayCloudWatch(stack, "OpenReplay", service_account=False)
    statements = only(template_of(stack), "AWS::SNS::TopicPolicy")["PolicyDocument"]["Statement"]
    allowed = [one for one in statements if one["Effect"] == "Allow"]
    assert allowed[0]["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert allowed[0]["Condition"] == {
        "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
    }


@pytest.mark.parametrize("region", ["eu-west-1", "cn-north-1", "us-gov-west-1"])
def test_no_partition_is_written_down(region: str) -> None:
    stack = cdk.Stack(an_app(), "Host", env=cdk.Environment(account="123456789012", region=region))
    OpenReplayCloudWatch(stack, "OpenReplay", new_log_groups=["/app/checkout"])
    text = str(template_of(stack).to_json())
    if region != "eu-west-1":
        assert "arn:aws:" not in text
