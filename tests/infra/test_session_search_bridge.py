from __future__ import annotations

import json
from typing import Any

import aws_cdk as cdk
from aws_cdk import assertions
from aws_cdk import aws_apigatewayv2 as apigatewayv2
from aws_cdk import aws_certificatemanager as certificatemanager
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sqs as sqs

from openreplay_cw_stack import SessionSearchBridge
from openreplay_cw_stack.runtime.bridge.settings import Settings
from tests.infra.conftest import (
    ENCRYPTION_KEY_ARN,
    a_stack,
    only,
    resources,
    statements_of,
    template_of,
)
from tests.infra.test_session_table import a_table


def a_bridge(stack: cdk.Stack, **keywords: Any) -> SessionSearchBridge:
    queue = sqs.Queue(stack, "Retries", enforce_ssl=True)
    return SessionSearchBridge(
        stack, "Bridge", session_table=a_table(stack), retry_queue=queue, **keywords
    )


def environment(template: assertions.Template) -> dict[str, str]:
    variables = only(template, "AWS::Lambda::Function", "Bridge")["Environment"]["Variables"]
    return {
        name: value if isinstance(value, str) else str(next(iter(value.values())))
        for name, value in variables.items()
    }


def statements(template: assertions.Template) -> dict[str, Any]:
    return statements_of(template, "BridgePolicy")


def test_the_function(template: assertions.Template) -> None:
    function = only(template, "AWS::Lambda::Function", "Bridge")
    assert function["Handler"] == "openreplay_cw_stack.runtime.bridge.handler.handler"
    assert function["ReservedConcurrentExecutions"] == 25
    assert (function["MemorySize"], function["Timeout"]) == (512, 29)


def test_the_handler_exists() -> None:
    from openreplay_cw_stack.runtime.bridge import handler

    assert callable(handler.handler)


def test_it_may_ask_one_table_read_its_key_and_see_how_long_one_queue_is(
    template: assertions.Template,
) -> None:
    found = statements(template)
    assert {name: one["Action"] for name, one in found.items()} == {
        "ReadLinkedLines": "dynamodb:Query",
        "SeeWhetherLinesWait": "sqs:GetQueueAttributes",
        "ReadTheApiKey": "secretsmanager:GetSecretValue",
        "WriteOwnLines": ["logs:CreateLogStream", "logs:PutLogEvents"],
    }
    assert "SessionTable" in found["ReadLinkedLines"]["Resource"]["Fn::GetAtt"][0]
    assert "RetryQueue" in found["SeeWhetherLinesWait"]["Resource"]["Fn::GetAtt"][0]
    assert "BridgeApiKey" in found["ReadTheApiKey"]["Resource"]["Ref"]
    assert "BridgeLogGroup" in found["WriteOwnLines"]["Resource"]["Fn::GetAtt"][0]
    assert resources(template, "AWS::IAM::Policy") == {}


def test_nothing_is_public(template: assertions.Template) -> None:
    assert resources(template, "AWS::Lambda::Url") == {}
    for permission in resources(template, "AWS::Lambda::Permission").values():
        assert permission["Properties"]["Principal"] != "*"


def test_the_key_is_generated_and_has_no_url(template: assertions.Template) -> None:
    secret = only(template, "AWS::SecretsManager::Secret", "Bridge")
    generated = secret["GenerateSecretString"]
    assert json.loads(generated["SecretStringTemplate"]) == {"api_key_id": "openreplay"}
    assert generated["GenerateStringKey"] == "api_key"
    assert generated["PasswordLength"] == 48
    assert generated["ExcludePunctuation"] is True
    assert "SecretString" not in secret


class TestEnvironmentAndSettingsAgree:
    def test_defaults(self, template: assertions.Template) -> None:
        settings = Settings.from_environment(environment(template))
        assert settings.session_table_arn.startswith("['OpenReplaySessionTable")
        assert settings.retry_queue_url.startswith("OpenReplayValidatorRetryQueue")
        assert settings.api_key_secret_arn.startswith("OpenReplayBridgeApiKey")
        defaults = Settings("", "", "", "")
        for name in (
            "allowed_source_ranges",
            "settle_ms",
            "session_lifetime_ms",
            "hold_until_over",
            "show_log_group",
            "deadline_seconds",
        ):
            assert getattr(settings, name) == getattr(defaults, name), name

    def test_everything_set(self, stack: cdk.Stack) -> None:
        a_bridge(
            stack,
            allowed_source_ranges=["203.0.113.0/24", "2001:db8::1"],
            settle=cdk.Duration.seconds(0),
            session_lifetime=cdk.Duration.hours(5),
            hold_until_over=True,
            show_log_group=False,
            deployment="Shop",
        )
        settings = Settings.from_environment(environment(template_of(stack)))
        assert [str(one) for one in settings.allowed_source_ranges] == [
            "203.0.113.0/24",
            "2001:db8::1/128",
        ]
        assert (settings.settle_ms, settings.deadline_seconds) == (0, 10.0)
        assert settings.session_lifetime_ms == 5 * 3_600_000
        assert settings.hold_until_over
        assert not settings.show_log_group
        assert settings.deployment == "Shop"


class TestHttpApi:
    def test_throttled_and_logged(self, stack: cdk.Stack) -> None:
        bridge = a_bridge(stack)
        template = template_of(stack)
        stage = only(template, "AWS::ApiGatewayV2::Stage")
        assert stage["DefaultRouteSettings"] == {
            "ThrottlingBurstLimit": 30,
            "ThrottlingRateLimit": 10,
        }
        assert stage["StageName"] == "$default"
        log_format = json.loads(stage["AccessLogSettings"]["Format"])
        assert "$context.status" in log_format.values()
        # The session stands in the body, credentials in a header.
        text = " ".join(log_format.values())
        for secret in ("query", "header", "authorizer", "body"):
            assert secret not in text.lower()
        assert bridge.url
        integration = only(template, "AWS::ApiGatewayV2::Integration")
        assert integration["PayloadFormatVersion"] == "2.0"

    def test_only_the_api_may_invoke_the_function(self, stack: cdk.Stack) -> None:
        a_bridge(stack)
        for permission in resources(template_of(stack), "AWS::Lambda::Permission").values():
            assert permission["Properties"]["Principal"] == "apigateway.amazonaws.com"
            assert "SourceArn" in permission["Properties"]

    def test_a_domain_of_ones_own(self, stack: cdk.Stack) -> None:
        certificate = certificatemanager.Certificate.from_certificate_arn(
            stack, "Certificate", "arn:aws:acm:eu-west-1:123456789012:certificate/1"
        )
        domain = apigatewayv2.DomainName(
            stack, "Domain", domain_name="logs.example.com", certificate=certificate
        )
        bridge = a_bridge(stack, bridge_domain_name=domain)
        template = template_of(stack)
        assert only(template, "AWS::ApiGatewayV2::Api")["DisableExecuteApiEndpoint"] is True
        assert len(resources(template, "AWS::ApiGatewayV2::ApiMapping")) == 1
        assert "Domain" in json.dumps(stack.resolve(bridge.url))


def test_encryption_key() -> None:
    template = template_of(a_stack(encryption_key=ENCRYPTION_KEY_ARN))
    assert only(template, "AWS::SecretsManager::Secret", "Bridge")["KmsKeyId"] == ENCRYPTION_KEY_ARN
    assert statements(template)["UseTheKey"]["Action"] == "kms:Decrypt"


def test_grant_read_api_key(stack: cdk.Stack) -> None:
    reader = iam.Role(stack, "Reader", assumed_by=iam.AccountRootPrincipal())
    a_bridge(stack).grant_read_api_key(reader)
    document = json.dumps(only(template_of(stack), "AWS::IAM::Policy", "Reader"))
    assert "secretsmanager:GetSecretValue" in document


def test_metrics(stack: cdk.Stack) -> None:
    metric = a_bridge(stack, deployment="Shop").metric("SearchTime", statistic="p95")
    assert dict(metric.dimensions or {}) == {"Deployment": "Shop"}
    assert (metric.metric_name, metric.statistic) == ("SearchTime", "p95")
