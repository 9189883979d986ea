from __future__ import annotations

import json
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import assertions
from aws_cdk import aws_apigatewayv2 as apigatewayv2
from aws_cdk import aws_certificatemanager as certificatemanager
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs

from openreplay_cw_stack import BridgeEndpoint, SessionSearchBridge
from openreplay_cw_stack.runtime.bridge.settings import Settings
from tests.infra.conftest import ENCRYPTION_KEY_ARN, a_stack, an_app, only, resources, template_of


def a_bridge(stack: cdk.Stack, **keywords: Any) -> SessionSearchBridge:
    group = logs.LogGroup.from_log_group_name(stack, "Linked", "/linked")
    return SessionSearchBridge(stack, "Bridge", linked_log_group=group, **keywords)


def environment(template: assertions.Template) -> dict[str, str]:
    variables = only(template, "AWS::Lambda::Function", "Bridge")["Environment"]["Variables"]
    return {
        name: value if isinstance(value, str) else str(next(iter(value.values())))
        for name, value in variables.items()
    }


def statements(template: assertions.Template) -> dict[str, Any]:
    document = only(template, "AWS::IAM::ManagedPolicy", "Bridge")["PolicyDocument"]
    return {statement["Sid"]: statement for statement in document["Statement"]}


def test_the_function(template: assertions.Template) -> None:
    function = only(template, "AWS::Lambda::Function", "Bridge")
    assert function["Handler"] == "openreplay_cw_stack.runtime.bridge.handler.handler"
    assert function["ReservedConcurrentExecutions"] == 5
    assert (function["MemorySize"], function["Timeout"]) == (512, 29)


def test_the_handler_exists() -> None:
    from openreplay_cw_stack.runtime.bridge import handler

    assert callable(handler.handler)


def test_it_may_read_the_linked_log_group_and_its_key(template: assertions.Template) -> None:
    found = statements(template)
    assert set(found) == {"ReadTheLinkedLogGroup", "WriteOwnLines", "ReadTheApiKey"}
    assert found["ReadTheLinkedLogGroup"]["Action"] == "logs:FilterLogEvents"
    assert "LinkedLogGroup" in found["ReadTheLinkedLogGroup"]["Resource"]["Fn::GetAtt"][0]
    assert "BridgeLogGroup" in found["WriteOwnLines"]["Resource"]["Fn::GetAtt"][0]
    assert "BridgeApiKey" in found["ReadTheApiKey"]["Resource"]["Ref"]
    assert resources(template, "AWS::IAM::Policy") == {}


def test_a_function_url_needs_both_permissions(template: assertions.Template) -> None:
    permissions = [
        one["Properties"]
        for name, one in resources(template, "AWS::Lambda::Permission").items()
        if "Bridge" in name
    ]
    assert {one["Action"] for one in permissions} == {
        "lambda:InvokeFunctionUrl",
        "lambda:InvokeFunction",
    }
    by_action = {one["Action"]: one for one in permissions}
    assert by_action["lambda:InvokeFunctionUrl"]["FunctionUrlAuthType"] == "NONE"
    assert by_action["lambda:InvokeFunction"]["InvokedViaFunctionUrl"] is True
    assert {one["Principal"] for one in permissions} == {"*"}


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
        assert settings.linked_log_group.startswith("OpenReplayLinkedLogGroup")
        assert settings.api_key_secret_arn.startswith("OpenReplayBridgeApiKey")
        defaults = Settings("", "", "")
        for name in (
            "allowed_source_ranges",
            "settle_ms",
            "session_lifetime_ms",
            "session_window_ms",
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
            session_window=cdk.Duration.days(3),
            hold_until_over=True,
            show_log_group=False,
            deadline=cdk.Duration.seconds(5),
            deployment="Shop",
        )
        settings = Settings.from_environment(environment(template_of(stack)))
        assert [str(one) for one in settings.allowed_source_ranges] == [
            "203.0.113.0/24",
            "2001:db8::1/128",
        ]
        assert (settings.settle_ms, settings.deadline_seconds) == (0, 5.0)
        assert settings.session_lifetime_ms == 5 * 3_600_000
        assert settings.session_window_ms == 72 * 3_600_000
        assert settings.hold_until_over
        assert not settings.show_log_group
        assert settings.deployment == "Shop"


class TestHttpApi:
    def test_throttled_and_logged(self, stack: cdk.Stack) -> None:
        bridge = a_bridge(stack, endpoint=BridgeEndpoint.HTTP_API)
        template = template_of(stack)
        assert resources(template, "AWS::Lambda::Url") == {}
        stage = only(template, "AWS::ApiGatewayV2::Stage")
        assert stage["DefaultRouteSettings"] == {
            "ThrottlingBurstLimit": 30,
            "ThrottlingRateLimit": 10,
        }
        assert stage["StageName"] == "$default"
        log_format = json.loads(stage["AccessLogSettings"]["Format"])
        assert "$context.status" in log_format.values()
        assert bridge.api is not None
        integration = only(template, "AWS::ApiGatewayV2::Integration")
        assert integration["PayloadFormatVersion"] == "2.0"

    def test_only_the_api_may_invoke_the_function(self, stack: cdk.Stack) -> None:
        a_bridge(stack, endpoint=BridgeEndpoint.HTTP_API)
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
        bridge = a_bridge(stack, endpoint=BridgeEndpoint.HTTP_API, domain_name=domain)
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
    metric = a_bridge(stack, deployment="Shop").metric("AnswerTime", statistic="p95")
    assert dict(metric.dimensions or {}) == {"Deployment": "Shop"}
    assert (metric.metric_name, metric.statistic) == ("AnswerTime", "p95")


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"settle": cdk.Duration.hours(2)}, "settle must be 0 to 3600 seconds, not 7200"),
        ({"deadline": cdk.Duration.seconds(11)}, "deadline must be 1 to 10 seconds, not 11"),
        ({"session_lifetime": cdk.Duration.seconds(5)}, "session_lifetime must be 60"),
        ({"session_lifetime": cdk.Duration.days(3)}, "at most session_window"),
        ({"reserved_concurrency": 0}, "reserved_concurrency must be 1 or more, not 0"),
        ({"memory_size": 1}, "memory_size must be 128 to 10240 megabytes, not 1"),
        ({"allowed_source_ranges": ["here"]}, "'here' in allowed_source_ranges"),
        ({"allowed_source_ranges": ["203.0.113.9/24"]}, "has host bits set"),
    ],
)
def test_wrong_values_are_named(stack: cdk.Stack, keywords: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        a_bridge(stack, **keywords)
    assert stack.node.try_find_child("Bridge") is None


def test_a_region_without_function_urls_is_named() -> None:
    place = cdk.Environment(account="123456789012", region="us-gov-west-1")
    stack = cdk.Stack(an_app(), "Host", env=place)
    with pytest.raises(ValueError, match="no function URLs in us-gov-west-1: set endpoint="):
        a_bridge(stack)
    a_bridge(cdk.Stack(an_app(), "Other", env=place), endpoint=BridgeEndpoint.HTTP_API)


def test_a_domain_needs_an_http_api(stack: cdk.Stack) -> None:
    domain = apigatewayv2.DomainName.from_domain_name_attributes(
        stack, "D", name="x", regional_domain_name="x", regional_hosted_zone_id="x"
    )
    with pytest.raises(ValueError, match=r"set endpoint=BridgeEndpoint\.HTTP_API"):
        a_bridge(stack, domain_name=domain)
