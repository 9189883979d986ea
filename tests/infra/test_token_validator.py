from __future__ import annotations

from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import assertions
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_secretsmanager as secretsmanager

from openreplay_cw_stack import TokenValidator
from openreplay_cw_stack.runtime.validator.settings import Settings
from openreplay_cw_stack.tagging import Reader, Verdict
from tests.infra.conftest import (
    ENCRYPTION_KEY_ARN,
    TOKEN_SECRET_ARN,
    a_stack,
    only,
    resources,
    template_of,
)


def statements(template: assertions.Template) -> dict[str, Any]:
    (policy,) = [
        one["Properties"]["PolicyDocument"]["Statement"]
        for name, one in resources(template, "AWS::IAM::ManagedPolicy").items()
        if "ValidatorPolicy" in name
    ]
    return {statement["Sid"]: statement for statement in policy}


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


def test_it_may_write_two_log_groups_and_park_payloads(template: assertions.Template) -> None:
    found = statements(template)
    groups = resources(template, "AWS::Logs::LogGroup")
    for sid, name in (("WriteLinkedLines", "LinkedLog"), ("WriteOwnLines", "ValidatorLog")):
        assert found[sid]["Action"] == ["logs:CreateLogStream", "logs:PutLogEvents"]
        (group,) = [one for one in groups if name in one]
        assert found[sid]["Resource"] == {"Fn::GetAtt": [group, "Arn"]}
    assert found["ParkWhatLambdaGaveUpOn"]["Action"] == "sqs:SendMessage"
    (parked,) = [one for one in resources(template, "AWS::SQS::Queue") if "ParkedLines" in one]
    assert found["ParkLines"]["Action"] == "sqs:SendMessage"
    assert found["ParkLines"]["Resource"] == {"Fn::GetAtt": [parked, "Arn"]}
    assert set(found) == {
        "WriteLinkedLines",
        "WriteOwnLines",
        "ParkLines",
        "ParkWhatLambdaGaveUpOn",
    }
    assert resources(template, "AWS::IAM::Policy") == {}


def test_what_lambda_gives_up_on_is_kept(template: assertions.Template) -> None:
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
        assert settings.linked_log_group.startswith("OpenReplayLinkedLogGroup")
        assert settings.own_log_group.startswith("OpenReplayValidatorLogGroup")
        assert settings.policy.readers == {Reader.SEARCH}
        assert settings.policy.accept_unsigned_ids
        assert settings.token_secret_arn is None
        assert "ParkedLines" in (settings.parked_lines_queue or "")
        assert not settings.detailed_metrics

    def test_everything_set(self) -> None:
        stack = a_stack(
            readers=[Reader.SEARCH, Reader.POLL],
            token_secret=TOKEN_SECRET_ARN,
            accept_unsigned_ids=True,
            detailed_metrics=True,
        )
        settings = Settings.from_environment(environment(template_of(stack)))
        assert settings.policy.readers == {Reader.SEARCH, Reader.POLL}
        assert settings.policy.accept_unsigned_ids
        assert settings.token_secret_arn == TOKEN_SECRET_ARN
        assert settings.detailed_metrics
        assert settings.deployment == stack.integration.validator.deployment

    def test_unsigned_ids_are_refused_with_a_secret(self) -> None:
        template = template_of(a_stack(token_secret=TOKEN_SECRET_ARN))
        settings = Settings.from_environment(environment(template))
        assert not settings.policy.accept_unsigned_ids


class TestTokenSecret:
    def test_it_is_read_by_its_arn(self) -> None:
        found = statements(template_of(a_stack(token_secret=TOKEN_SECRET_ARN)))
        assert found["ReadTheTokenSecret"]["Action"] == "secretsmanager:GetSecretValue"
        assert found["ReadTheTokenSecret"]["Resource"] == TOKEN_SECRET_ARN

    def test_one_known_by_name_is_read_whatever_its_suffix(self, stack: cdk.Stack) -> None:
        secret = secretsmanager.Secret.from_secret_name_v2(stack, "TokenSecret", "openreplay")
        group = logs.LogGroup.from_log_group_name(stack, "Linked", "/linked")
        TokenValidator(stack, "Validator", linked_log_group=group, token_secret=secret)
        resource = statements(template_of(stack))["ReadTheTokenSecret"]["Resource"]
        assert resource["Fn::Join"][1][-1].endswith(":secret:openreplay-??????")

    def test_its_key_may_be_used(self, stack: cdk.Stack) -> None:
        key = kms.Key.from_key_arn(stack, "Key", ENCRYPTION_KEY_ARN)
        secret = secretsmanager.Secret(stack, "TokenSecret", encryption_key=key)
        group = logs.LogGroup.from_log_group_name(stack, "Linked", "/linked")
        TokenValidator(stack, "Validator", linked_log_group=group, token_secret=secret)
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
    group = logs.LogGroup.from_log_group_name(stack, "Linked", "/linked")
    validator = TokenValidator(stack, "Validator", linked_log_group=group, deployment="Shop")
    metric = validator.metric_lines(Verdict.MISSPELLED_TAG, period=cdk.Duration.minutes(1))
    assert (metric.namespace, metric.metric_name) == ("OpenReplayCloudWatch", "Lines")
    assert dict(metric.dimensions or {}) == {"Deployment": "Shop", "Verdict": "misspelled_tag"}
    assert metric.statistic == "Sum"
    assert metric.period.to_seconds() == 60


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"readers": []}, "readers is empty"),
        ({"reserved_concurrency": 0}, "reserved_concurrency must be 1 or more, not 0"),
        ({"memory_size": 64}, "memory_size must be 128 to 10240 megabytes, not 64"),
        ({"memory_size": 20000}, "not 20000"),
        ({"timeout": cdk.Duration.minutes(16)}, "timeout must be 1 to 900 seconds, not 960"),
    ],
)
def test_wrong_values_are_named(stack: cdk.Stack, keywords: dict[str, Any], words: str) -> None:
    group = logs.LogGroup.from_log_group_name(stack, "Linked", "/linked")
    with pytest.raises(ValueError, match=words):
        TokenValidator(stack, "Validator", linked_log_group=group, **keywords)
    assert stack.node.try_find_child("Validator") is None
