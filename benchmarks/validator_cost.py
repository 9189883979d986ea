"""The validator's CPU time for a payload, from Lambda's event to the items of BatchWriteItem.

The floor is the minimum for reading any payload: base64, gzip, JSON. Everything else is a ratio to
the floor, measured alternately in one run, with signature checks and without network. *Items* ends
with the finished items, and has the bounds; *signed* includes the signed requests of boto3. For
comparison, the same run measures handlers of AWS Lambda Powertools
(benchmarks/powertools_handlers.py), and the forwarders of Datadog and Elastic if the environment
names their checkouts (benchmarks/forwarders.py). None of these judges lines, removes tokens, or
groups lines by session.
"""

from __future__ import annotations

import base64
import gc
import gzip
import json
import statistics
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any

from benchmarks import forwarders, powertools_handlers
from benchmarks.measuring import Bounds, cpu_seconds
from benchmarks.stand_ins import (
    TABLE_ARN,
    TakesEverything,
    client_to_nowhere,
    take,
    validator,
)
from benchmarks.subscription_payloads import (
    LINES,
    LINES_OF_A_SESSION,
    TAGGED_SHARES,
    encoded,
    json_line,
    python_logging,
    subscription_document,
)
from openreplay_cw_stack.runtime.validator.aws import DynamoDbTable

ROUNDS = 15
BOUNDS = {1.0: 7.0, 0.1: 2.2}
AIMS = {1.0: 6.0, 0.1: 1.8}
JSON_BOUND = 1.6
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "benchmark",
    "AWS_SESSION_TOKEN": "t" * 1000,
}


def run() -> None:
    """Print the ratios by lines and share of tagged lines."""
    bounds = Bounds()
    with ExitStack() as closing:
        peers = [
            closing.enter_context(forwarders.running(checkout))
            for checkout in forwarders.checkouts()
        ]
        print(
            "\na payload to the finished items: CPU time as a ratio to the floor, "
            f"{LINES_OF_A_SESSION} lines of a session together"
        )
        print(f"{'':84}Powertools:       a metric a line:")
        print(
            "  lines  tagged  bytes/line  floor us/line   items (lowest to highest)  bound"
            "          signed   count once  and boto3    alone  and boto3"
            + "".join(f"{peer.peer:>10}" for peer in peers)
        )
        for lines in LINES:
            for share in reversed(TAGGED_SHARES):
                _print_row(lines, share, peers, bounds)
    print(f"  aims: {AIMS[1.0]} at 100 %, {AIMS[0.1]} at 10 %")
    _print_json(bounds)
    if left_out := forwarders.left_out():
        print(left_out)
    bounds.conclude()


def _print_row(lines: int, share: float, peers: list[forwarders.Forwarder], bounds: Bounds) -> None:
    event = encoded(subscription_document(lines, share))
    table = TakesEverything()
    items = validator(table)
    signed = validator(DynamoDbTable(TABLE_ARN, client_to_nowhere("dynamodb", ENVIRONMENT)))
    client = client_to_nowhere("logs", ENVIRONMENT)
    works: dict[str, Callable[[], object]] = {
        "floor": lambda: floor(event),
        "items": lambda: take(items, event),
        "signed": lambda: take(signed, event),
        "counting once": lambda: powertools_handlers.counting_once(event),
        "counting once, boto3": lambda: powertools_handlers.counting_once(event, client),
        "metric a line": lambda: powertools_handlers.metric_a_line(event),
        "metric a line, boto3": lambda: powertools_handlers.metric_a_line(event, client),
    }
    for work in works.values():
        work()
    for peer in peers:
        peer.take(event, lines)
    if not table.items:
        raise RuntimeError("no item was finished")
    gc.collect()
    floors, ratios = _measure(works, peers)
    medians = {name: statistics.median(of_name) for name, of_name in ratios.items()}
    ratio = medians["items"]
    floor_us = statistics.median(floors) / lines * 1e6
    length = len(gzip.decompress(base64.b64decode(event["awslogs"]["data"]))) / lines
    held = bounds.check(f"{lines} lines, {share:.0%} tagged", ratio, BOUNDS[share])
    print(
        f"  {lines:>5} {share:>6.0%} {length:>10.0f} {floor_us:>13.2f}"
        f" {ratio:>11.2f} ({min(ratios['items']):.2f} to {max(ratios['items']):.2f})"
        f" {BOUNDS[share]:>9.1f} {held:>7} {medians['signed']:>8.2f}"
        f" {medians['counting once']:>12.2f} {medians['counting once, boto3']:>10.2f}"
        f" {medians['metric a line']:>8.2f} {medians['metric a line, boto3']:>10.2f}"
        + "".join(f"{medians[peer.peer]:>10.1f}" for peer in peers)
    )


def _print_json(bounds: Bounds) -> None:
    """Print the cost of a JSON line that is parsed for its token field."""
    lines = LINES[1]
    works = {}
    for name, program in (("text", python_logging), ("json", json_line)):
        event = encoded(subscription_document(lines, 1.0, programs=[program]))
        works[name] = partial(take, validator(TakesEverything()), event)
        works[name]()
    ratios = []
    for _ in range(ROUNDS):
        seconds = {name: cpu_seconds(work, rounds=1, at_least=0.02) for name, work in works.items()}
        ratios.append(seconds["json"] / seconds["text"])
    ratio = statistics.median(ratios)
    held = bounds.check("a JSON line over a line of text", ratio, JSON_BOUND)
    print(
        f"  a JSON line with the token field over a line of text: {ratio:.2f} "
        f"({min(ratios):.2f} to {max(ratios):.2f}), at most {JSON_BOUND}   {held}"
    )


def _measure(
    works: dict[str, Callable[[], object]], peers: list[forwarders.Forwarder]
) -> tuple[list[float], dict[str, list[float]]]:
    """Return the floor's seconds and the ratios to it. Each round measures all of them in turn."""
    floors = []
    ratios: dict[str, list[float]] = {name: [] for name in [*works, *(one.peer for one in peers)]}
    for _ in range(ROUNDS):
        seconds = {name: cpu_seconds(work, rounds=1, at_least=0.02) for name, work in works.items()}
        floors.append(seconds["floor"])
        for name, taken in seconds.items():
            ratios[name].append(taken / seconds["floor"])
        for peer in peers:
            ratios[peer.peer].append(peer.ratio())
    return floors, ratios


def floor(event: dict[str, Any]) -> object:
    """Do what every reader of a payload must do."""
    return json.loads(gzip.decompress(base64.b64decode(event["awslogs"]["data"])))
