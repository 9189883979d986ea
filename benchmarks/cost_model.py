"""The cost of a million tagged lines, and the fixed cost of a deployment.

The quantities are measured with the real code and the lines of benchmarks/subscription_payloads.py:
write units and stored bytes of the items, CPU time up to boto3's signed requests, and bytes of the
printed metrics. The prices are the list prices of us-east-1 without free tiers, from AWS's public
pages on :data:`PRICES_OF`. Assumptions are marked as such.

Not included: cold starts, retries, and the cost of your own log groups.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.measuring import Bounds, cpu_seconds
from benchmarks.stand_ins import (
    TABLE_ARN,
    TakesEverything,
    client_to_nowhere,
    take,
    validator,
)
from benchmarks.subscription_payloads import encoded, subscription_document
from openreplay_cw_stack.contract.limits import ITEMS_PER_BATCH_WRITE
from openreplay_cw_stack.contract.session_table import Attributes
from openreplay_cw_stack.runtime.validator.aws import DynamoDbTable

PRICES_OF = "2026-11-28"
HOURS = 730.0
"""The hours of a month in the AWS Pricing Calculator."""
GIGABYTE = 1e9

WRITE_UNIT = 0.625e-6
"""One for each KB of an item. "Amazon DynamoDB pricing", on-demand capacity, Standard class."""
READ_UNIT = 0.125e-6
"""A read unit, for up to 4 KB, or 8 KB with eventual consistency. The same page."""
TABLE_GIGABYTE_MONTH = 0.25
"""Storage. The same page; deletion by time to live is free."""
LAMBDA_REQUEST = 0.20e-6
"""An invocation. "AWS Lambda pricing"."""
LAMBDA_GIGABYTE_SECOND = 0.0000133334
"""On arm64, in the first tier. The same page."""
LOGS_GIGABYTE = 0.50
"""Ingestion, class Standard. "Amazon CloudWatch pricing", Logs; Lambda's logs cost the same in
their first tier."""
LOGS_GIGABYTE_MONTH = 0.03
"""Storage, of compressed logs. The same page."""
CUSTOM_METRIC_MONTH = 0.30
"""A custom metric, for the first 10,000. The same page, Metrics."""
ALARM_METRIC_MONTH = 0.10
"""A metric read by an alarm of standard resolution. The same page, Alarms."""
DASHBOARD_MONTH = 3.00
"""The same page, Dashboards."""
SECRET_MONTH = 0.40
""""AWS Secrets Manager pricing"."""
SECRET_CALL = 0.05 / 10_000
"""The same page."""
QUEUE_REQUEST = 0.40e-6
"""A request to a standard queue. "Amazon SQS pricing"."""
HTTP_API_REQUEST = 1.00e-6
"""A request, for the first 300 million a month. "Amazon API Gateway pricing", HTTP APIs."""
INTERNET_GIGABYTE = 0.09
"""Transfer to the Internet, first tier. "Amazon EC2 On-Demand Pricing", Data Transfer."""

MEMORY_GIGABYTES = 0.5
FULL_CPU_GIGABYTES = 1769 / 1024
"""The memory of a function with one full CPU. AWS Lambda Developer Guide, "Configure Lambda
function memory"."""
CALL_SECONDS = 0.01
"""Assumption: the duration of BatchWriteItem. AWS promises "single-digit millisecond"
performance."""
LOG_EVENT_BYTES = 26
"""The overhead of every log event. AWS API reference, "PutLogEvents"."""
PLATFORM_BYTES = 264 + 3 * LOG_EVENT_BYTES
"""The lines that Lambda writes for an invocation: START, END and REPORT. AWS Lambda Developer
Guide, "Working with Lambda function logs"."""
OWN_LOG_DAYS = 14.0
LINE_DAYS = 30.0
COMPRESSED_SHARE = 0.2
"""Assumption: the compressed size of the function's own log, as a share of its size."""
STORED_ITEM_BYTES = 100
"""The storage overhead of every item. "Amazon DynamoDB pricing", data storage."""

ANSWER_BYTES = 20_000
"""Assumption: the size of a response, including headers."""
SEARCH_SECONDS = 0.1
"""Assumption: the duration of a search in the bridge."""
SEARCH_LOG_BYTES = 600.0
"""Assumption: the size of a search's printed metrics."""

LINES = 2000
"""The number of lines to measure for each row."""
ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "benchmark"}


@dataclass(frozen=True)
class Row:
    """A pattern in which lines arrive.

    Attributes:
        name: the name of the pattern.
        lines_per_payload: lines that a log stream receives at almost the same time.
        lines_of_a_session: successive lines of one session.
        at_most: the bound in dollars per million lines.
    """

    name: str
    lines_per_payload: int
    lines_of_a_session: int
    at_most: float


ROWS = (
    Row("sparse", 1, 1, 1.60),
    Row("usual", 20, 5, 0.45),
    Row("usual", 20, 1, 1.00),
    Row("dense", 500, 5, 0.40),
    Row("dense", 500, 1, 0.95),
)


@dataclass(frozen=True)
class Quantities:
    """The average quantities of one line.

    Attributes:
        payloads: payloads, and thus invocations.
        cpu_seconds: CPU time on this machine.
        calls: calls of BatchWriteItem.
        write_units: write units of 1 KB.
        stored_bytes: bytes of items, including the overhead of each.
        log_bytes: bytes in the function's own log.
        line_bytes: UTF-8 bytes of the original line.
    """

    payloads: float
    cpu_seconds: float
    calls: float
    write_units: float
    stored_bytes: float
    log_bytes: float
    line_bytes: float = 0.0


def dollars(line: Quantities, lines: float = 1e6) -> dict[str, float]:
    """Return the dollars for a number of lines, by purpose."""
    cpus = MEMORY_GIGABYTES / FULL_CPU_GIGABYTES
    # Lambda rounds each invocation up to a millisecond, which adds half of one on average.
    seconds = line.cpu_seconds / cpus + line.calls * CALL_SECONDS + line.payloads * 0.0005
    months = 24 / HOURS
    kept = OWN_LOG_DAYS * months * COMPRESSED_SHARE * LOGS_GIGABYTE_MONTH
    of_line = {
        "writes": line.write_units * WRITE_UNIT,
        "30 days": line.stored_bytes / GIGABYTE * TABLE_GIGABYTE_MONTH * LINE_DAYS * months,
        "requests": line.payloads * LAMBDA_REQUEST,
        "duration": seconds * MEMORY_GIGABYTES * LAMBDA_GIGABYTE_SECOND,
        "own log": line.log_bytes / GIGABYTE * (LOGS_GIGABYTE + kept),
    }
    return {name: one * lines for name, one in of_line.items()}


def item_bytes(attributes: Attributes) -> int:
    """Return an item's size. DynamoDB Developer Guide, "DynamoDB item sizes and formats"."""
    return sum(len(name.encode()) + _value_bytes(value) for name, value in attributes.items())


def _value_bytes(value: Mapping[str, Any]) -> int:
    ((kind, content),) = value.items()
    if kind == "N":
        # "approximately (1 byte per two significant digits) + (1 byte)"
        return math.ceil(len(content.lstrip("-0").replace(".", "")) / 2) + 1
    return len(content.encode() if isinstance(content, str) else content)


def write_units(attributes: Attributes) -> int:
    """Return the write units of an item: its size in KB, rounded up."""
    return max(1, math.ceil(item_bytes(attributes) / 1024))


def measured(row: Row, rounds: int = 5) -> Quantities:
    """Measure the average quantities of a line in a pattern."""
    document = subscription_document(LINES, 1.0, lines_of_a_session=row.lines_of_a_session)
    events = [
        encoded({**document, "logEvents": document["logEvents"][first : first + size]})
        for size in [row.lines_per_payload]
        for first in range(0, LINES, size)
    ]
    table = _Keeps()
    printed: list[str] = []
    function = validator(table, emit=printed.append)
    for event in events:
        take(function, event)
    signing = validator(DynamoDbTable(TABLE_ARN, client_to_nowhere("dynamodb", ENVIRONMENT)))
    some = events[: max(1, 200 // row.lines_per_payload)]

    def work() -> None:
        for event in some:
            take(signing, event)

    work()
    log_bytes = len(events) * PLATFORM_BYTES + sum(
        len(line.encode()) + LOG_EVENT_BYTES for line in printed
    )
    return Quantities(
        payloads=1 / row.lines_per_payload,
        cpu_seconds=cpu_seconds(work, rounds=rounds) / (len(some) * row.lines_per_payload),
        calls=table.calls / LINES,
        write_units=sum(map(write_units, table.kept)) / LINES,
        stored_bytes=sum(item_bytes(item) + STORED_ITEM_BYTES for item in table.kept) / LINES,
        log_bytes=log_bytes / LINES,
        line_bytes=sum(len(one["message"].encode()) for one in document["logEvents"]) / LINES,
    )


class _Keeps(TakesEverything):
    def __init__(self) -> None:
        super().__init__()
        self.kept: list[Attributes] = []
        self.calls = 0

    def write(self, items: Sequence[Attributes]) -> Sequence[Attributes]:
        if len(items) > ITEMS_PER_BATCH_WRITE:
            raise AssertionError("too many items in one call")
        self.calls += 1
        self.kept += items
        return []


@dataclass(frozen=True)
class Deployment:
    """The parts of a deployment with fixed costs. The defaults are those of the default stack.

    Attributes:
        log_groups: tracked log groups.
        verdicts: verdicts that occur.
        bridge_metrics: metrics that the bridge publishes without any problem.
        alarm_metrics: metrics that alarms read, in addition to two for each tracked log group.
        dashboards: dashboards of the stack.
        secrets: secrets of the stack.
        polled_queues: queues that a function reads.
    """

    log_groups: int = 1
    verdicts: int = 3
    bridge_metrics: int = 6
    alarm_metrics: int = 24
    dashboards: int = 1
    secrets: int = 2
    polled_queues: int = 1


DEFAULT_DEPLOYMENT = Deployment()

POLLS_OF_A_QUEUE = 5 * 3 * 60 * HOURS
"""The monthly requests to an empty queue that a function reads: five pollers that each wait 20
seconds. AWS Lambda Developer Guide, "Using Lambda with Amazon SQS"."""


def monthly_dollars(deployed: Deployment = DEFAULT_DEPLOYMENT) -> dict[str, tuple[float, float]]:
    """Return the fixed costs of a month: quantity and dollars, by name."""
    # The metrics of linked and rejected lines have the log group as a dimension.
    metrics = deployed.verdicts + 2 * deployed.log_groups + deployed.bridge_metrics
    alarms = deployed.alarm_metrics + 2 * deployed.log_groups
    polls = deployed.polled_queues * POLLS_OF_A_QUEUE
    quantities = {
        "custom metrics": (metrics, CUSTOM_METRIC_MONTH),
        "metrics of alarms": (alarms, ALARM_METRIC_MONTH),
        "dashboards": (deployed.dashboards, DASHBOARD_MONTH),
        "secrets": (deployed.secrets, SECRET_MONTH),
        "requests to the empty retry queue": (polls, QUEUE_REQUEST),
    }
    return {name: (number, number * price) for name, (number, price) in quantities.items()}


def question_dollars(read_units: float, questions: float) -> dict[str, float]:
    """Return the dollars for a number of searches, by purpose."""
    of_question = {
        "reads": read_units * READ_UNIT,
        "HTTP API": HTTP_API_REQUEST,
        "requests": LAMBDA_REQUEST,
        "duration": SEARCH_SECONDS * MEMORY_GIGABYTES * LAMBDA_GIGABYTE_SECOND,
        "own log": (SEARCH_LOG_BYTES + PLATFORM_BYTES) / GIGABYTE * LOGS_GIGABYTE,
        # An upper bound: the bridge does not look up the key and the queue on every search.
        "key and queue": SECRET_CALL + QUEUE_REQUEST,
        "answers sent": ANSWER_BYTES / GIGABYTE * INTERNET_GIGABYTE,
    }
    return {name: one * questions for name, one in of_question.items()}


def run() -> None:
    """Print the tables."""
    bounds = Bounds()
    for line in _report(bounds):
        print(line)
    bounds.conclude()


def _report(bounds: Bounds, measure: Callable[[Row], Quantities] = measured) -> Iterator[str]:
    yield f"\ndollars per million tagged lines, us-east-1, list prices of {PRICES_OF}"
    rows = [(row, measure(row)) for row in ROWS]
    parts = list(dollars(rows[0][1]))
    header = "".join(f"{part:>10}" for part in parts)
    yield f"  lines a payload   of a session {header}     total   at most"
    for row, line in rows:
        costs = dollars(line)
        total = sum(costs.values())
        held = bounds.check(f"{row.name}, {row.lines_of_a_session}", total, row.at_most)
        cells = "".join(f"{costs[part]:>10.3f}" for part in parts)
        yield (
            f"  {row.name:7} {row.lines_per_payload:>7} {row.lines_of_a_session:>14}  "
            f"{cells}{total:>10.2f}{row.at_most:>10.2f}   {held}"
        )
    yield "\nmeasured for each line"
    yield (
        "  lines a payload   of a session   write units   stored bytes   of a line's"
        "   CPU us   own log bytes"
    )
    for row, line in rows:
        yield (
            f"  {row.name:7} {row.lines_per_payload:>7} {row.lines_of_a_session:>14}"
            f" {line.write_units:>13.2f} {line.stored_bytes:>14.0f} {line.line_bytes:>13.0f}"
            f" {line.cpu_seconds * 1e6:>8.0f} {line.log_bytes:>15.0f}"
        )
    fixed = monthly_dollars()
    yield "\ndollars a month of a default deployment with one tracked log group, without traffic"
    for name, (number, amount) in fixed.items():
        yield f"  {name:34} {number:>9,.0f} {amount:>8.2f}"
    yield f"  {'in all':34} {'':>9} {sum(amount for _, amount in fixed.values()):>8.2f}"
    questions = question_dollars(1.0, 10_000)
    yield "\ndollars per 10,000 questions, each of a session with up to 8 KB of items"
    yield "  " + ", ".join(f"{name} {amount:.3f}" for name, amount in questions.items())
    yield f"  in all {sum(questions.values()):.2f}"
