"""An account of AWS that gives the answers of a test, and a deployed stack in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timezone
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from openreplay_cw_stack.commands.deployed.account import Account
from openreplay_cw_stack.commands.deployed.deployment import Function
from openreplay_cw_stack.commands.deployed.stack import Resource, Stack
from openreplay_cw_stack.commands.report.findings import Finding, Known, Step

NOW = 1_795_464_000.0
TABLE_ARN = "arn:aws:dynamodb:eu-west-1:123456789012:table/Shop-Sessions"
RETRY_QUEUE, DEAD_LETTERS = "https://sqs/retry", "https://sqs/dead-letters"
VALIDATOR_ARN = "arn:aws:lambda:eu-west-1:123456789012:function:validator"
BRIDGE_ARN = "arn:aws:lambda:eu-west-1:123456789012:function:bridge"


def refusal(operation: str, code: str = "AccessDenied", message: str = "no") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


def days_ago(days: float) -> datetime:
    return datetime.fromtimestamp(NOW - 86_400 * days, timezone.utc)


class Client:
    """Answers by operation: a value, an exception to raise, or a function of the arguments."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.meta = SimpleNamespace(region_name="eu-west-1")
        self.answers = answers
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        def ask(**arguments: Any) -> Any:
            self.asked.append((operation, arguments))
            answer = self.answers[operation]
            if isinstance(answer, Exception):
                raise answer
            return answer(**arguments) if callable(answer) else answer

        return ask

    def get_paginator(self, operation: str) -> SimpleNamespace:
        def paginate(**arguments: Any) -> Iterator[Any]:
            answer = getattr(self, operation)(**arguments)
            yield from answer if isinstance(answer, list) else [answer]

        return SimpleNamespace(paginate=paginate)


def account(
    minutes: int = 60, *, lambda_: dict[str, Any] | None = None, **services: dict[str, Any]
) -> Account:
    """An account with these answers, by service; without CloudWatch's, no metric has a value."""
    services["lambda"] = lambda_ or {}
    clients = {name: Client(answers) for name, answers in services.items()}
    cloudwatch = clients.setdefault("cloudwatch", Client({}))
    cloudwatch.answers = {
        "get_metric_data": metric_data({}),
        "list_metrics": {"Metrics": []},
        **cloudwatch.answers,
    }
    return Account(NOW, minutes, make_client=lambda service, **settings: clients[service])


def function(room: str, environment: dict[str, str] | None = None) -> Function:
    construct = room.title()
    return Function(
        room=room,
        logical_id=f"OpenReplay{construct}Function0A1B2C3D",
        name=room,
        arn=BRIDGE_ARN if room == "bridge" else VALIDATOR_ARN,
        role=f"{room}-role",
        log_group=f"/{room}",
        environment={"DEPLOYMENT": "Shop", "SESSION_TABLE_ARN": TABLE_ARN, **(environment or {})},
    )


def resource(path: str, physical_id: str, kind: str) -> Resource:
    return Resource(f"OpenReplay{path}0A1B2C3D", physical_id, kind)


def stack(*resources: Resource, **changes: Any) -> Stack:
    values: dict[str, Any] = {
        "name": "Shop",
        "region": "eu-west-1",
        "status": "UPDATE_COMPLETE",
        "outputs": {},
        "parameters": {},
        "resources": resources,
    }
    return Stack(**{**values, **changes})


def metric_data(values: dict[str, float]) -> Callable[..., Any]:
    """GetMetricData, with sums by ``Name`` or ``Name/value`` of the last dimension."""

    def answer(*, MetricDataQueries: list[Any], **times: Any) -> dict[str, Any]:  # noqa: N803
        results = []
        for query in MetricDataQueries:
            metric = query["MetricStat"]["Metric"]
            last = metric["Dimensions"][-1]["Value"]
            name = metric["MetricName"]
            value = values.get(f"{name}/{last}", values.get(name))
            results.append({"Id": query["Id"], "Values": [] if value is None else [value]})
        return {"MetricDataResults": results}

    return answer


def configuration(room: str, deployment: str = "Shop") -> dict[str, Any]:
    return {
        "Handler": f"openreplay_cw_stack.runtime.{room}.handler.handler",
        "FunctionName": room,
        "FunctionArn": f"arn:aws:lambda:eu-west-1:123456789012:function:{room}",
        "Role": f"arn:aws:iam::123456789012:role/path/{room}-role",
        "Environment": {
            "Variables": {
                "DEPLOYMENT": deployment,
                "SESSION_TABLE_ARN": TABLE_ARN,
                "RETRY_QUEUE_URL": RETRY_QUEUE,
                "DEAD_LETTER_QUEUE_URL": DEAD_LETTERS,
                "LINE_RETENTION_SECONDS": "2592000",
            }
        },
    }


def deploy(
    monkeypatch: pytest.MonkeyPatch, *resources: tuple[str, str, str], **services: Any
) -> dict[str, Any]:
    """Put a stack behind ``boto3.client``; its clients by service.

    Args:
        monkeypatch: pytest's.
        resources: further ones, as logical id, physical id and type.
        services: clients by service.
    """
    functions = services.pop("lambda_", {})
    summaries = [
        {"LogicalResourceId": logical, "PhysicalResourceId": physical, "ResourceType": kind}
        for logical, physical, kind in (
            ("OpenReplayValidatorFunction0A1B2C3D", "validator", "AWS::Lambda::Function"),
            *resources,
        )
    ]
    clients = {
        "cloudformation": Client(
            {
                "describe_stacks": {"Stacks": [{"StackStatus": "CREATE_COMPLETE"}]},
                "list_stack_resources": {"StackResourceSummaries": summaries},
            }
        ),
        "lambda": Client({"get_function_configuration": configuration("validator"), **functions}),
        **services,
    }
    monkeypatch.setattr("boto3.client", lambda service, **settings: clients[service])
    return clients


def outcome(step: Step[Known]) -> tuple[list[Finding], Known]:
    """What a step finds, and what it returns."""
    findings = []
    while True:
        try:
            findings.append(next(step))
        except StopIteration as ended:
            returned: Known = ended.value
            return findings, returned


def statuses(findings: Iterable[Finding]) -> list[tuple[str, str]]:
    return [(finding.name, finding.status.value) for finding in findings]
