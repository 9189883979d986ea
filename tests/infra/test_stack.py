from __future__ import annotations

import json

import pytest
from aws_cdk import assertions

from tests.infra.conftest import ENCRYPTION_KEY_ARN, a_stack, resources, template_of


def test_outputs(template: assertions.Template) -> None:
    outputs = template.to_json()["Outputs"]
    assert set(outputs) == {
        "SessionTableName",
        "SessionTableArn",
        "RetryQueueUrl",
        "AlarmTopicArn",
        "BridgeUrl",
        "BridgeFormCommand",
        "BridgeSecretArn",
        "DeadLetterQueueUrl",
        "DashboardName",
        "UserName",
        "SecretArn",
        "ReadKeyCommand",
    }
    assert "SecretAccessKey" not in json.dumps(outputs)
    assert "{{resolve" not in json.dumps(outputs)


def test_outputs_of_the_smallest_stack() -> None:
    template = template_of(a_stack(service_account=False, dashboard=False, bridge=False))
    assert set(template.to_json()["Outputs"]) == {
        "SessionTableName",
        "SessionTableArn",
        "RetryQueueUrl",
        "AlarmTopicArn",
        "DeadLetterQueueUrl",
    }


def test_existing_log_groups_by_name_and_by_arn() -> None:
    template = template_of(
        a_stack(
            new_log_groups=[],
            log_groups=[
                "/aws/lambda/checkout",
                "arn:aws:logs:eu-west-1:123456789012:log-group:/ecs/shop:*",
            ],
            service_account_log_groups=["/aws/lambda/checkout"],
            encryption_key=ENCRYPTION_KEY_ARN,
            alarm_topic="arn:aws:sns:eu-west-1:123456789012:alarms",
        )
    )
    filters = resources(template, "AWS::Logs::SubscriptionFilter").values()
    assert {one["Properties"]["LogGroupName"] for one in filters} == {
        "/aws/lambda/checkout",
        "/ecs/shop",
    }
    own = resources(template, "AWS::Logs::LogGroup")
    assert len(own) == 3
    assert all("Validator" in name or "Bridge" in name for name in own)


def test_a_stack_without_log_groups_says_what_to_do() -> None:
    with pytest.raises(ValueError, match="-c log_groups="):
        a_stack(new_log_groups=[])


def test_it_is_for_any_account_and_region(template: assertions.Template) -> None:
    assert "aws:cdk:" not in json.dumps(template.to_json().get("Parameters", {}))
    assert a_stack().environment == "aws://unknown-account/unknown-region"
