"""What a payload costs the validator, from Lambda's event to the finished PutLogEvents request.

The floor is what nobody can do without who reads a payload at all: base64, gzip, JSON. Everything
else is a ratio to it, taken in turns in one run, with signatures checked and the network left out.
Peers in the same run: handlers of AWS Lambda Powertools (benchmarks/powertools_handlers.py), and
the forwarders of Datadog and Elastic where the environment names their checkouts
(benchmarks/forwarders.py). None of them judges, or takes a token out.
"""

from __future__ import annotations

import base64
import gc
import gzip
import json
import statistics
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from benchmarks import forwarders, powertools_handlers
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
    with ExitStack() as closing:
        peers = [
            closing.enter_context(forwarders.running(checkout))
            for checkout in forwarders.checkouts()
        ]
        print("\na payload to the finished PutLogEvents request: CPU time as a ratio to the floor")
        print(f"{'':92}Powertools:        a metric a line:")
        print(
            "  lines  tagged  bytes/line  floor us/line   validator (lowest to highest)  bound"
            "          count once  and boto3    alone  and boto3"
            + "".join(f"{peer.peer:>10}" for peer in peers)
        )
        for lines in LINES:
            for share in reversed(TAGGED_SHARES):
                _print_row(lines, share, peers)
    if left_out := forwarders.left_out():
        print(left_out)


def _print_row(lines: int, share: float, peers: list[forwarders.Forwarder]) -> None:
    event = encoded(subscription_document(lines, share))
    session = Nowhere()
    validator = _validator(session)
    client = powertools_handlers.client_to_nowhere(ENVIRONMENT)
    works: dict[str, Callable[[], object]] = {
        "floor": lambda: _floor(event),
        "validator": lambda: validator.validate(event),
        "counting once": lambda: powertools_handlers.counting_once(event),
        "counting once, boto3": lambda: powertools_handlers.counting_once(event, client),
        "metric a line": lambda: powertools_handlers.metric_a_line(event),
        "metric a line, boto3": lambda: powertools_handlers.metric_a_line(event, client),
    }
    for work in works.values():
        work()
    for peer in peers:
        peer.take(event, lines)
    if not session.requests:
        raise RuntimeError("no request was finished")
    gc.collect()
    floors, ratios = _measure(works, peers)
    medians = {name: statistics.median(of_name) for name, of_name in ratios.items()}
    ratio = medians["validator"]
    floor_us = statistics.median(floors) / lines * 1e6
    length = len(gzip.decompress(base64.b64decode(event["awslogs"]["data"]))) / lines
    held = "held" if ratio <= BOUNDS[share] else "MISSED"
    print(
        f"  {lines:>5} {share:>6.0%} {length:>10.0f} {floor_us:>13.2f}"
        f" {ratio:>11.2f} ({min(ratios['validator']):.2f} to {max(ratios['validator']):.2f})"
        f" {BOUNDS[share]:>13.1f} {held:>7}"
        f" {medians['counting once']:>12.2f} {medians['counting once, boto3']:>10.2f}"
        f" {medians['metric a line']:>8.2f} {medians['metric a line, boto3']:>10.2f}"
        + "".join(f"{medians[peer.peer]:>10.1f}" for peer in peers)
    )


def _measure(
    works: dict[str, Callable[[], object]], peers: list[forwarders.Forwarder]
) -> tuple[list[float], dict[str, list[float]]]:
    """The seconds of the floor, and each one's ratios to it, all of them in turn in every round."""
    floors = []
    ratios: dict[str, list[float]] = {name: [] for name in [*works, *(one.peer for one in peers)]}
    for _ in range(ROUNDS):
        seconds = {name: cpu_seconds(work, rounds=1) for name, work in works.items()}
        floors.append(seconds["floor"])
        for name, taken in seconds.items():
            ratios[name].append(taken / seconds["floor"])
        for peer in peers:
            ratios[peer.peer].append(peer.ratio())
    return floors, ratios


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
