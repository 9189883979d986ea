from __future__ import annotations

from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import assertions
from aws_cdk import aws_logs as logs

from openreplay_cw_stack import OpenReplayCloudWatch, TokenValidator
from openreplay_cw_stack.runtime.redelivery.settings import Settings
from tests.infra.conftest import (
    ENCRYPTION_KEY_ARN,
    a_stack,
    environment_of,
    only,
    resources,
    template_of,
)

DAY = 86_400


def statements(template: assertions.Template) -> dict[str, Any]:
    policy = only(template, "AWS::IAM::ManagedPolicy", "RedeliveryPolicy")
    return {one["Sid"]: one for one in policy["PolicyDocument"]["Statement"]}


def queue_named(template: assertions.Template, name: str) -> str:
    (found,) = [one for one in resources(template, "AWS::SQS::Queue") if name in one]
    return found


def test_parked_lines_wait_for_two_weeks_encrypted_and_with_tls(
    template: assertions.Template,
) -> None:
    queue = only(template, "AWS::SQS::Queue", "ParkedLines")
    assert queue["MessageRetentionPeriod"] == 14 * DAY
    assert queue["SqsManagedSseEnabled"] is True
    policy = only(template, "AWS::SQS::QueuePolicy", "ParkedLines")["PolicyDocument"]
    (tls_only,) = policy["Statement"]
    assert tls_only["Effect"] == "Deny"
    assert tls_only["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_they_are_given_up_on_after_about_a_day(template: assertions.Template) -> None:
    policy = only(template, "AWS::SQS::Queue", "ParkedLines")["RedrivePolicy"]
    dead_letters = queue_named(template, "DeadLetterQueue")
    assert policy["deadLetterTargetArn"] == {"Fn::GetAtt": [dead_letters, "Arn"]}
    settings = Settings.from_environment(environment_of(template, "RedeliveryFunction"))
    waited = sum(
        min(settings.first_pause_seconds * 2**failure, settings.longest_pause_seconds)
        for failure in range(policy["maxReceiveCount"])
    )
    assert 0.9 * DAY < waited < 1.1 * DAY


def test_few_are_written_at_once_and_a_failed_one_alone_comes_back(
    template: assertions.Template,
) -> None:
    source = only(template, "AWS::Lambda::EventSourceMapping")
    assert source["BatchSize"] == 5
    assert source["ScalingConfig"] == {"MaximumConcurrency": 2}
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    function = only(template, "AWS::Lambda::Function", "RedeliveryFunction")
    visibility = only(template, "AWS::SQS::Queue", "ParkedLines")["VisibilityTimeout"]
    assert visibility >= 6 * function["Timeout"]


def test_it_may_do_what_it_does_and_nothing_else(template: assertions.Template) -> None:
    found = statements(template)
    assert set(found) == {"WriteLinkedLines", "WriteOwnLines", "TakeParkedLines"}
    parked = queue_named(template, "ParkedLines")
    assert found["TakeParkedLines"]["Resource"] == {"Fn::GetAtt": [parked, "Arn"]}
    assert found["TakeParkedLines"]["Action"] == [
        "sqs:ChangeMessageVisibility",
        "sqs:DeleteMessage",
        "sqs:GetQueueAttributes",
        "sqs:ReceiveMessage",
    ]
    (linked,) = [one for one in resources(template, "AWS::Logs::LogGroup") if "LinkedLog" in one]
    assert found["WriteLinkedLines"]["Resource"] == {"Fn::GetAtt": [linked, "Arn"]}


def test_a_key_of_your_own_encrypts_and_may_be_used() -> None:
    template = template_of(a_stack(encryption_key=ENCRYPTION_KEY_ARN))
    queue = only(template, "AWS::SQS::Queue", "ParkedLines")
    assert queue["KmsMasterKeyId"] == ENCRYPTION_KEY_ARN
    assert statements(template)["UseTheKey"]["Action"] == "kms:Decrypt"
    assert statements(template)["UseTheKey"]["Resource"] == ENCRYPTION_KEY_ARN


class TestAlarms:
    def test_lines_that_have_waited_for_a_quarter_of_an_hour(
        self, template: assertions.Template
    ) -> None:
        """Messages that wait for their next attempt are hidden, and count as well."""
        alarm = only(template, "AWS::CloudWatch::Alarm", "MonitoringParkedLines")
        total, *parts = alarm["Metrics"]
        assert total["Expression"] == "SUM([visible, hidden])"
        stats = {one["Id"]: one["MetricStat"] for one in parts}
        assert {name: one["Metric"]["MetricName"] for name, one in stats.items()} == {
            "visible": "ApproximateNumberOfMessagesVisible",
            "hidden": "ApproximateNumberOfMessagesNotVisible",
        }
        assert {(one["Period"], one["Stat"]) for one in stats.values()} == {(300, "Minimum")}
        parked = queue_named(template, "ParkedLines")
        for one in stats.values():
            (dimension,) = one["Metric"]["Dimensions"]
            assert dimension["Value"] == {"Fn::GetAtt": [parked, "QueueName"]}
        assert (alarm["EvaluationPeriods"], alarm["Threshold"]) == (3, 0)
        assert alarm["ComparisonOperator"] == "GreaterThanThreshold"
        assert alarm["AlarmActions"]

    def test_errors_of_the_function(self, template: assertions.Template) -> None:
        alarm = only(template, "AWS::CloudWatch::Alarm", "FunctionErrors")
        (function,) = [
            one
            for one in resources(template, "AWS::Lambda::Function")
            if "RedeliveryFunction" in one
        ]
        watched = [
            one["MetricStat"]["Metric"]["Dimensions"]
            for one in alarm["Metrics"]
            if "MetricStat" in one
        ]
        assert [{"Name": "FunctionName", "Value": {"Ref": function}}] in watched


class TestItsOwnLogGroup:
    def test_it_cannot_be_tracked(self, stack: cdk.Stack) -> None:
        integration = OpenReplayCloudWatch(stack, "OpenReplay", service_account=False)
        with pytest.raises(ValueError, match="the redelivery's own"):
            integration.track(integration.validator.redelivery.log_group)

    def test_neither_with_the_validator_alone(self, stack: cdk.Stack) -> None:
        group = logs.LogGroup.from_log_group_name(stack, "Linked", "/linked")
        validator = TokenValidator(stack, "Validator", linked_log_group=group)
        with pytest.raises(ValueError, match="the redelivery's own"):
            validator.subscribe(validator.redelivery.log_group)
