"""Schedules that invoke a function every hour."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from openreplay_cw_stack.infra.internal.acknowledgements import acknowledge, in_packs

if TYPE_CHECKING:
    from aws_cdk import aws_events as events

_NEXT_HOUR = "The invocation of the next hour makes up for one that could not be started"


def invoke_each_hour(scope: Construct, function: lambda_.Function, description: str) -> events.Rule:
    """Invoke a function every hour, with the event ``{"task": "look"}``."""
    # Imported lazily: the default stack has no such function.
    from aws_cdk import aws_events as events
    from aws_cdk import aws_events_targets as targets

    rule = events.Rule(
        scope,
        "EachHour",
        description=description,
        schedule=events.Schedule.rate(cdk.Duration.hours(1)),
    )
    rule.add_target(
        targets.LambdaFunction(
            function,
            event=events.RuleTargetInput.from_object({"task": "look"}),
            retry_attempts=0,
        )
    )
    acknowledge(rule, in_packs("EventBusDLQ", _NEXT_HOUR, ["Serverless"]))
    return rule
