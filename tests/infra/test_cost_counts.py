"""What the cost model takes for granted of the stack is what the stack has."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aws_cdk import assertions

from openreplay_cw_stack import BridgeEndpoint
from openreplay_cw_stack.commands.cost.model import (
    ALARM_METRICS_OF_LOG_GROUP,
    EVERYTHING,
    WATCHED_LOG_GROUPS,
    Counts,
)
from openreplay_cw_stack.infra import alarms
from tests.infra.conftest import (
    ENCRYPTION_KEY_ARN,
    EVERY_FUNCTION,
    TOKEN_SECRET_ARN,
    a_stack,
    default_template,
    resources,
    template_of,
)


def everything() -> assertions.Template:
    return template_of(
        a_stack(
            token_secret=TOKEN_SECRET_ARN,
            encryption_key=ENCRYPTION_KEY_ARN,
            detailed_metrics=True,
            bridge_endpoint=BridgeEndpoint.HTTP_API,
            **EVERY_FUNCTION,
        )
    )


def properties(template: assertions.Template, kind: str) -> list[dict[str, Any]]:
    return [one["Properties"] for one in resources(template, kind).values()]


def alarm_metrics(template: assertions.Template) -> int:
    """What the alarms are billed by: the metrics that they read, not the results of math."""
    alarms = properties(template, "AWS::CloudWatch::Alarm")
    assert alarms
    return sum(
        sum("MetricStat" in one for one in alarm["Metrics"]) if "Metrics" in alarm else 1
        for alarm in alarms
    )


@pytest.mark.parametrize(
    ("template", "counts"),
    [(default_template, Counts()), (everything, EVERYTHING)],
    ids=["default", "everything"],
)
def test_the_counts_are_the_templates(template: Any, counts: Counts) -> None:
    found = template()
    mappings = properties(found, "AWS::Lambda::EventSourceMapping")
    functions = properties(found, "AWS::Lambda::Function")
    environments = [one["Environment"]["Variables"] for one in functions if "Environment" in one]
    hourly = properties(found, "AWS::Events::Rule")
    assert all(rule["ScheduleExpression"] == "rate(1 hour)" for rule in hourly)
    assert counts == Counts(
        log_groups=len(resources(found, "AWS::Logs::SubscriptionFilter")),
        verdicts=counts.verdicts,  # of the traffic
        detailed_metrics=any("DETAILED_METRICS" in one for one in environments),
        secrets=len(resources(found, "AWS::SecretsManager::Secret")),
        alarm_metrics=alarm_metrics(found)
        - ALARM_METRICS_OF_LOG_GROUP * len(resources(found, "AWS::Logs::SubscriptionFilter")),
        dashboards=len(resources(found, "AWS::CloudWatch::Dashboard")),
        encryption_keys=int(ENCRYPTION_KEY_ARN in json.dumps(found.to_json())),
        hourly_schedules=len(hourly),
        rotated_keys=len(resources(found, "AWS::SecretsManager::RotationSchedule")),
        polled_queues=sum("kinesis" not in str(one["EventSourceArn"]).lower() for one in mappings),
        streams=len(resources(found, "AWS::Kinesis::Stream")),
        http_api=bool(resources(found, "AWS::ApiGatewayV2::Api")),
        memory_megabytes=max(one["MemorySize"] for one in functions if "MemorySize" in one),
        linked_retention_days=retention(found, "LinkedLogGroup"),
        own_retention_days=retention(found, "ValidatorLogGroup"),
    )


def retention(template: assertions.Template, part: str) -> int:
    (days,) = [
        one["Properties"]["RetentionInDays"]
        for name, one in resources(template, "AWS::Logs::LogGroup").items()
        if part in name
    ]
    return int(days)


def test_as_many_log_groups_are_watched_as_the_model_counts() -> None:
    assert WATCHED_LOG_GROUPS == alarms.WATCHED_LOG_GROUPS
