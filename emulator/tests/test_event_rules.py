from __future__ import annotations

import json
import time
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from emulator import Emulator, EmulatorError
from emulator.tests.support import (
    FAILING,
    create_function,
    delete_stack,
    deploy,
    lines_of,
    outputs,
    unique,
    wait_for,
)

pytestmark = pytest.mark.emulator

TELLING = """
import json
def handler(event, context):
    print("EVENT " + json.dumps(event))
"""


def resources(function: str, target: dict[str, Any], **properties: Any) -> dict[str, Any]:
    return {
        "Rule": {
            "Type": "AWS::Events::Rule",
            "Properties": {
                "ScheduleExpression": "rate(1 day)",
                "Targets": [{"Id": "Target0", "Arn": function, **target}],
                **properties,
            },
        },
        "Permission": {
            "Type": "AWS::Lambda::Permission",
            "Properties": {
                "Action": "lambda:InvokeFunction",
                "FunctionName": function,
                "Principal": "events.amazonaws.com",
                "SourceArn": {"Fn::GetAtt": ["Rule", "Arn"]},
            },
        },
    }


def events(aws: Emulator, function: str) -> list[Any]:
    lines = lines_of(aws, function)
    return [json.loads(line[6:]) for line in lines if line.startswith("EVENT ")]


def test_a_stack_creates_a_rule_that_is_fired_with_its_input(aws: Emulator) -> None:
    function, stack = create_function(aws, TELLING), unique("stack")
    target = {"Input": json.dumps({"task": "sweep"})}
    name = outputs(deploy(aws, stack, resources(function, target)))["RuleRef"]
    described = aws.client("events").describe_rule(Name=name)
    assert described["ScheduleExpression"] == "rate(1 day)"
    assert events(aws, function) == []
    aws.fire_rule(name)
    wait_for(lambda: events(aws, function) == [{"task": "sweep"}])
    aws.fire_rule(f"{stack}-Rule")
    wait_for(lambda: events(aws, function) == [{"task": "sweep"}] * 2)
    deploy(aws, stack, resources(function, target, State="DISABLED"))
    with pytest.raises(EmulatorError, match="disabled"):
        aws.fire_rule(name)
    delete_stack(aws, stack)
    with pytest.raises(EmulatorError, match="0 rules"):
        aws.fire_rule(name)


def test_without_an_input_the_event_is_that_of_a_schedule(aws: Emulator) -> None:
    function, stack = create_function(aws, TELLING), unique("stack")
    name = outputs(deploy(aws, stack, resources(function, {})))["RuleRef"]
    aws.fire_rule(name)
    event = wait_for(lambda: events(aws, function))[0]
    assert event["source"] == "aws.events"
    assert event["detail-type"] == "Scheduled Event"
    assert [arn.rpartition("/")[2] for arn in event["resources"]] == [name]
    delete_stack(aws, stack)


def test_a_function_that_fails_is_retried_as_on_any_event(aws: Emulator) -> None:
    function, stack = create_function(aws, FAILING), unique("stack")
    name = outputs(deploy(aws, stack, resources(function, {})))["RuleRef"]
    aws.fire_rule(name)

    def attempts() -> list[str]:
        return [line for line in lines_of(aws, function) if line.startswith("ATTEMPT")]

    wait_for(lambda: len(attempts()) == 3)
    assert len(set(attempts())) == 1
    delete_stack(aws, stack)


def test_a_function_that_does_not_let_the_rule_in_is_not_invoked(aws: Emulator) -> None:
    function, stack = create_function(aws, TELLING), unique("stack")
    closed = resources(function, {})
    closed["Permission"]["Properties"]["SourceArn"] = "arn:aws:events:us-east-1:0:rule/other"
    name = outputs(deploy(aws, stack, closed))["RuleRef"]
    aws.fire_rule(name)

    def failures() -> float:
        now = datetime.now(timezone.utc)
        points = aws.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/Events",
            MetricName="FailedInvocations",
            Dimensions=[{"Name": "RuleName", "Value": name}],
            StartTime=now - timedelta(minutes=10),
            EndTime=now + timedelta(minutes=10),
            Period=3600,
            Statistics=["Sum"],
        )["Datapoints"]
        return float(sum(point["Sum"] for point in points))

    assert wait_for(failures) == 1
    time.sleep(0.3)
    assert events(aws, function) == []
    delete_stack(aws, stack)


def test_what_is_no_rule_is_refused(aws: Emulator) -> None:
    with pytest.raises(EmulatorError, match="Expected the name"):
        aws._control("POST", "event-rules", [])
