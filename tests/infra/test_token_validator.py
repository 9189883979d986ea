from __future__ import annotations

from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import assertions
from aws_cdk import aws_kms as kms
from aws_cdk import aws_secretsmanager as secretsmanager

from openreplay_cw_stack import TokenValidator
from openreplay_cw_stack.runtime.validator.settings import Settings
from openreplay_cw_stack.tagging import Verdict
from tests.infra.conftest import (
    ENCRYPTION_KEY_ARN,
    TOKEN_SECRET_ARN,
    a_stack,
    only,
    resources,
    statements_of,
    template_of,
)
from tests.infra.test_session_table import a_table

DAY = 86_400


def a_validator(stack: cdk.Stack, **keywords: Any) -> TokenValidator:
    return TokenValidator(stack, "Validator", session_table=a_table(stack), **keywords)


def statements(template: assertions.Template) -> dict[str, Any]:
    return statements_of(template, "ValidatorPolicy")


def name_of(template: assertions.Template, kind: str, within: str) -> str:
    (found,) = [one for one in resources(template, kind) if within in one]
    return found


def environment(template: assertions.Template) -> dict[str, str]:
    """The function's environment, as the function sees it: references stand as their names."""
    variables = only(template, "AWS::Lambda::Function", "ValidatorFunction")["Environment"][
        "Variables"
    ]
    return {
        name: value if isinstance(value, str) else str(next(iter(value.values())))
        for name, value in variables.items()
    }


def test_the_function(template: assertions.Template) -> None:
    function = only(template, "AWS::Lambda::Function", "ValidatorFunction")
    assert function["Runtime"] == "python3.14"
    assert function["Architectures"] == ["arm64"]
    assert function["MemorySize"] == 512
    assert function["Timeout"] == 60
    assert function["ReservedConcurrentExecutions"] == 10
    assert function["Handler"] == "openreplay_cw_stack.runtime.validator.handler.handler"
    own = [one for one in resources(template, "AWS::Logs::LogGroup") if "ValidatorLogGroup" in one]
    assert function["LoggingConfig"] == {"LogGroup": {"Ref": own[0]}}


def test_the_handler_exists() -> None:
    from openreplay_cw_stack.runtime.validator import handler

    assert callable(handler.handler)


def test_it_may_do_what_it_does_and_nothing_else(template: assertions.Template) -> None:
    found = statements(template)
    table = name_of(template, "AWS::DynamoDB::Table", "SessionTable")
    own = name_of(template, "AWS::Logs::LogGroup", "ValidatorLog")
    retries = name_of(template, "AWS::SQS::Queue", "RetryQueue")
    dead_letters = name_of(template, "AWS::SQS::Queue", "DeadLetterQueue")
    assert {name: (one["Action"], one["Resource"]) for name, one in found.items()} == {
        "StoreLinkedLines": ("dynamodb:BatchWriteItem", {"Fn::GetAtt": [table, "Arn"]}),
        "SendToTheQueues": (
            "sqs:SendMessage",
            [{"Fn::GetAtt": [one, "Arn"]} for one in (dead_letters, retries)],
        ),
        "TakeFromTheRetryQueue": (
            [
                "sqs:ChangeMessageVisibility",
                "sqs:DeleteMessage",
                "sqs:GetQueueAttributes",
                "sqs:ReceiveMessage",
            ],
            {"Fn::GetAtt": [retries, "Arn"]},
        ),
        "WriteOwnLines": (
            ["logs:CreateLogStream", "logs:PutLogEvents"],
            {"Fn::GetAtt": [own, "Arn"]},
        ),
    }
    assert resources(template, "AWS::IAM::Policy") == {}


class TestRetryQueue:
    def test_messages_wait_encrypted_and_with_tls(self, template: assertions.Template) -> None:
        queue = only(template, "AWS::SQS::Queue", "RetryQueue")
        assert queue["MessageRetentionPeriod"] == 14 * DAY
        assert queue["SqsManagedSseEnabled"] is True
        policy = only(template, "AWS::SQS::QueuePolicy", "RetryQueue")["PolicyDocument"]
        (tls_only,) = policy["Statement"]
        assert tls_only["Effect"] == "Deny"
        assert tls_only["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}

    def test_the_function_gives_up_before_the_redrive_policy_does(
        self, template: assertions.Template
    ) -> None:
        policy = only(template, "AWS::SQS::Queue", "RetryQueue")["RedrivePolicy"]
        dead_letters = name_of(template, "AWS::SQS::Queue", "DeadLetterQueue")
        assert policy["deadLetterTargetArn"] == {"Fn::GetAtt": [dead_letters, "Arn"]}
        # The most that SQS takes.
        assert policy["maxReceiveCount"] == 1000
        settings = Settings.from_environment(environment(template))
        waited = sum(
            min(settings.first_pause_seconds * 2 ** min(failure, 9), settings.max_pause_seconds)
            for failure in range(policy["maxReceiveCount"])
        )
        assert waited > settings.retry_seconds == DAY

    @pytest.mark.parametrize(("ingest", "minutes"), [("direct", 1), ("kinesis", 5)])
    def test_the_same_function_takes_one_message_at_a_time(
        self, stack: cdk.Stack, ingest: str, minutes: int
    ) -> None:
        a_validator(stack, ingest=ingest)
        template = template_of(stack)
        source = only(template, "AWS::Lambda::EventSourceMapping", "RetrySource")
        function = name_of(template, "AWS::Lambda::Function", "ValidatorFunction")
        queue = name_of(template, "AWS::SQS::Queue", "RetryQueue")
        assert source == {
            "BatchSize": 1,
            "EventSourceArn": {"Fn::GetAtt": [queue, "Arn"]},
            "FunctionName": {"Ref": function},
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
            "ScalingConfig": {"MaximumConcurrency": 2},
        }
        visibility = only(template, "AWS::SQS::Queue", "RetryQueue")["VisibilityTimeout"]
        assert visibility == 6 * only(template, "AWS::Lambda::Function")["Timeout"] == 360 * minutes


def test_what_lambda_gives_up_is_kept(template: assertions.Template) -> None:
    (queue,) = [one for one in resources(template, "AWS::SQS::Queue") if "DeadLetter" in one]
    template.has_resource_properties(
        "AWS::Lambda::EventInvokeConfig",
        {
            "MaximumRetryAttempts": 2,
            "MaximumEventAgeInSeconds": 6 * 3600,
            "DestinationConfig": {"OnFailure": {"Destination": {"Fn::GetAtt": [queue, "Arn"]}}},
        },
    )
    assert only(template, "AWS::SQS::Queue", "DeadLetter")["MessageRetentionPeriod"] == 14 * 86400
    template.has_resource_properties(
        "AWS::SQS::QueuePolicy",
        {
            "PolicyDocument": {
                "Statement": [
                    {"Effect": "Deny", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
                ]
            }
        },
    )


class TestEnvironmentAndSettingsAgree:
    def test_defaults(self, template: assertions.Template) -> None:
        settings = Settings.from_environment(environment(template))
        assert settings.session_table_arn.startswith("['OpenReplaySessionTable")
        assert settings.retry_queue_url.startswith("OpenReplayValidatorRetryQueue")
        assert settings.dead_letter_queue_url.startswith("OpenReplayValidatorDeadLetterQueue")
        assert settings.line_retention_seconds == 30 * DAY
        defaults = Settings("", "", 0, "", "", accept_unsigned_ids=True)
        for name in (
            "token_secret_arn",
            "accept_unsigned_ids",
            "detailed_metrics",
            "first_pause_seconds",
            "max_pause_seconds",
            "retry_seconds",
        ):
            assert getattr(settings, name) == getattr(defaults, name), name

    def test_everything_set(self) -> None:
        stack = a_stack(
            token_secret=TOKEN_SECRET_ARN,
            accept_unsigned_ids=True,
            detailed_metrics=True,
        )
        settings = Settings.from_environment(environment(template_of(stack)))
        assert settings.accept_unsigned_ids
        assert settings.token_secret_arn == TOKEN_SECRET_ARN
        assert settings.detailed_metrics
        assert settings.deployment == stack.integration.validator.deployment

    @pytest.mark.parametrize("token_secret", [None, TOKEN_SECRET_ARN])
    @pytest.mark.parametrize("accept", [None, False, True])
    def test_unsigned_ids_are_accepted_on_request_or_without_a_secret(
        self, token_secret: str | None, accept: bool | None
    ) -> None:
        template = template_of(a_stack(token_secret=token_secret, accept_unsigned_ids=accept))
        settings = Settings.from_environment(environment(template))
        assert settings.accept_unsigned_ids is (token_secret is None if accept is None else accept)


class TestTokenSecret:
    def test_it_is_read_by_its_arn(self) -> None:
        found = statements(template_of(a_stack(token_secret=TOKEN_SECRET_ARN)))
        assert found["ReadTheTokenSecret"]["Action"] == "secretsmanager:GetSecretValue"
        assert found["ReadTheTokenSecret"]["Resource"] == TOKEN_SECRET_ARN

    def test_one_known_by_name_is_read_whatever_its_suffix(self, stack: cdk.Stack) -> None:
        secret = secretsmanager.Secret.from_secret_name_v2(stack, "TokenSecret", "openreplay")
        a_validator(stack, token_secret=secret)
        resource = statements(template_of(stack))["ReadTheTokenSecret"]["Resource"]
        assert resource["Fn::Join"][1][-1].endswith(":secret:openreplay-??????")

    def test_its_key_may_be_used(self, stack: cdk.Stack) -> None:
        key = kms.Key.from_key_arn(stack, "Key", ENCRYPTION_KEY_ARN)
        secret = secretsmanager.Secret(stack, "TokenSecret", encryption_key=key)
        a_validator(stack, token_secret=secret)
        found = statements(template_of(stack))["UseTheKeys"]
        assert found["Resource"] == ENCRYPTION_KEY_ARN
        assert found["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"]


def test_nothing_is_reserved_on_request() -> None:
    function = only(
        template_of(a_stack(reserved_concurrency=None)),
        "AWS::Lambda::Function",
        "ValidatorFunction",
    )
    assert "ReservedConcurrentExecutions" not in function


def test_encryption_key() -> None:
    template = template_of(a_stack(encryption_key=ENCRYPTION_KEY_ARN))
    for group in resources(template, "AWS::Logs::LogGroup").values():
        assert group["Properties"]["KmsKeyId"] == ENCRYPTION_KEY_ARN
    for queue in resources(template, "AWS::SQS::Queue").values():
        assert queue["Properties"]["KmsMasterKeyId"] == ENCRYPTION_KEY_ARN
    assert statements(template)["UseTheKeys"]["Resource"] == ENCRYPTION_KEY_ARN


def test_metrics(stack: cdk.Stack) -> None:
    validator = a_validator(stack, deployment="Shop")
    metric = validator.metric_lines(Verdict.MISSPELLED_TAG, period=cdk.Duration.minutes(1))
    assert (metric.namespace, metric.metric_name) == ("OpenReplayCloudWatch", "Lines")
    assert dict(metric.dimensions or {}) == {"Deployment": "Shop", "Verdict": "misspelled_tag"}
    assert metric.statistic == "Sum"
    assert metric.period.to_seconds() == 60
