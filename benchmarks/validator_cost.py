"""What a payload costs the validator, from Lambda's event to the finished PutLogEvents request.

The floor is what nobody can do without who reads a payload at all: base64, gzip, JSON. Everything
else is a ratio to it, taken in turns in one run, with signatures checked and the network left out.
Peers in the same run: a handler of AWS Lambda Powertools' data class and metrics that counts lines
with a tag; and the same handler that forwards them as they are through a boto3 client. Neither
judges, nor takes a token out.
"""

from __future__ import annotations

import base64
import gc
import gzip
import json
import statistics
from collections.abc import Callable, Iterator
from typing import Any

import boto3
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import (
    AmazonCloudWatchEMFProvider,
)
from aws_lambda_powertools.utilities.data_classes import CloudWatchLogsEvent
from botocore.awsrequest import AWSResponse

from benchmarks.measuring import cpu_seconds
from benchmarks.subscription_payloads import (
    LINES,
    NOW_MS,
    TAGGED_SHARES,
    TOKEN_SECRET,
    encoded,
    subscription_document,
)
from openreplay_cw_stack.runtime.validator.aws import CloudWatchLogsWriter
from openreplay_cw_stack.runtime.validator.linking import Policy
from openreplay_cw_stack.runtime.validator.logs_client import SigningClient
from openreplay_cw_stack.runtime.validator.settings import Settings
from openreplay_cw_stack.runtime.validator.token_secret import TokenSecret
from openreplay_cw_stack.runtime.validator.validator import Validator

ROUNDS = 15
BOUNDS = {1.0: 2.0, 0.1: 1.0}
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "benchmark",
    "AWS_SESSION_TOKEN": "t" * 1000,
}


class Answer:
    """An answer of CloudWatch Logs that took everything."""

    status_code = 200
    content = b"{}"


class Nowhere:
    """Takes finished requests and sends none."""

    def __init__(self) -> None:
        self.requests = 0

    def send(self, _request: Any) -> Answer:
        """Count a request."""
        self.requests += 1
        return Answer()


def run() -> None:
    """Print the ratios by lines and share of tagged lines."""
    print("\na payload to the finished PutLogEvents request: CPU time as a ratio to the floor")
    print(
        "  lines  tagged  bytes/line  floor us/line   validator (lowest to highest)  bound"
        "          Powertools   and boto3"
    )
    for lines in LINES:
        for share in reversed(TAGGED_SHARES):
            _print_row(lines, share)


def _print_row(lines: int, share: float) -> None:
    document = subscription_document(lines, share)
    event = encoded(document)
    session = Nowhere()
    validator = _validator(session)
    boto3_client = _boto3_client()
    works: dict[str, Callable[[], object]] = {
        "floor": lambda: _floor(event),
        "validator": lambda: validator.validate(event),
        "powertools": lambda: _powertools(event, None),
        "forwarding": lambda: _powertools(event, boto3_client),
    }
    for work in works.values():
        work()
    if not session.requests:
        raise RuntimeError("no request was finished")
    gc.collect()
    rounds = [
        {name: cpu_seconds(work, rounds=1) for name, work in works.items()} for _ in range(ROUNDS)
    ]
    ratios = {name: sorted(one[name] / one["floor"] for one in rounds) for name in works}
    ratio = statistics.median(ratios["validator"])
    floor_us = statistics.median(one["floor"] for one in rounds) / lines * 1e6
    length = len(gzip.decompress(base64.b64decode(event["awslogs"]["data"]))) / lines
    held = "held" if ratio <= BOUNDS[share] else "MISSED"
    print(
        f"  {lines:>5} {share:>6.0%} {length:>10.0f} {floor_us:>13.2f}"
        f" {ratio:>11.2f} ({ratios['validator'][0]:.2f} to {ratios['validator'][-1]:.2f})"
        f" {BOUNDS[share]:>13.1f} {held:>7}"
        f" {statistics.median(ratios['powertools']):>10.2f}"
        f" {statistics.median(ratios['forwarding']):>13.2f}"
    )


def _floor(event: dict[str, Any]) -> object:
    return json.loads(gzip.decompress(base64.b64decode(event["awslogs"]["data"])))


def _validator(session: Nowhere) -> Validator:
    client = SigningClient(
        "eu-central-1",
        "https://logs.eu-central-1.amazonaws.com",
        environment=ENVIRONMENT,
        session=session,
    )
    return Validator(
        settings=Settings(
            deployment="Benchmark",
            linked_log_group="/openreplay/linked",
            own_log_group="/openreplay/validator",
            policy=Policy(),
            token_secret_arn="arn",
        ),
        writer=CloudWatchLogsWriter("/openreplay/linked", client),
        token_secret=TokenSecret(lambda: TOKEN_SECRET, lambda: 0.0),
        clock_ms=lambda: NOW_MS,
        emit=lambda _line: None,
    )


def _boto3_client() -> Any:
    client = boto3.client(
        "logs",
        region_name="eu-central-1",
        aws_access_key_id=ENVIRONMENT["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=ENVIRONMENT["AWS_SECRET_ACCESS_KEY"],
    )
    client.meta.events.register("before-send.logs.PutLogEvents", _take)
    return client


class _Body:
    def stream(self) -> Iterator[bytes]:
        yield Answer.content


def _take(request: Any, **_: Any) -> AWSResponse:
    return AWSResponse(request.url, 200, {}, _Body())


def _powertools(event: dict[str, Any], client: Any) -> object:
    logs = CloudWatchLogsEvent(event).parse_logs_data()
    tagged = []
    untagged = 0
    for log_event in logs.log_events:
        if "openReplaySession" in log_event.message:
            tagged.append({"timestamp": NOW_MS, "message": log_event.message})
        else:
            untagged += 1
    if client is not None:
        for first in range(0, len(tagged), 1000):
            client.put_log_events(
                logGroupName="/openreplay/linked",
                logStreamName=logs.log_group,
                logEvents=tagged[first : first + 1000],
            )
    metrics = AmazonCloudWatchEMFProvider(namespace="Benchmark")
    metrics.add_dimension("LogGroup", logs.log_group)
    metrics.add_metric("Tagged", MetricUnit.Count, len(tagged))
    metrics.add_metric("Untagged", MetricUnit.Count, untagged)
    return json.dumps(metrics.serialize_metric_set())
