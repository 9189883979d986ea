"""What a deployment costs a month: quantities times list prices, item by item.

Every quantity is an average or an upper bound, said where it is one. Left out: free tiers, cold
starts (some 0.1 seconds for each new environment of a function), repeated payloads, and what you
pay for your own log groups anyway.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields

from openreplay_cw_stack.commands.cost.prices import DAYS, GIGABYTE, HOURS, Prices
from openreplay_cw_stack.tagging import metrics as names

EVENT_OVERHEAD_BYTES = 26
"""Counted for every log event. AWS API reference, "PutLogEvents"."""
FULL_CPU_MEGABYTES = 1769
"""Memory at which a function has one CPU; less has as much less. AWS Lambda Developer Guide,
"Configure Lambda function memory"."""
PLATFORM_LINE_BYTES = 264 + 3 * EVENT_OVERHEAD_BYTES
"""What Lambda itself writes to a function's log group for an invocation: START, END and REPORT.
AWS Lambda Developer Guide, "Working with Lambda function logs", has an example of each."""
BRIDGE_METRICS = (
    names.QUESTIONS,
    names.ANSWERS,
    names.HITS,
    names.EMPTY_ANSWERS,
    names.UNSETTLED_ANSWERS,
    names.ANSWER_TIME,
)
"""What the bridge publishes in a month in which it was asked, and nothing was wrong."""
WATCHED_LOG_GROUPS = 25
"""Tracked log groups whose delivery has alarms: the first ones."""
ALARM_METRICS_OF_LOG_GROUP = 2
"""An alarm looks at delivery errors and at throttling; a test holds it to the template."""
POLLS_OF_A_QUEUE = 5 * 3 * 60 * HOURS
"""A month's requests to a queue that feeds a function, while it is empty: five pollers, each waits
for 20 seconds. AWS Lambda Developer Guide, "Using Lambda with Amazon SQS", and Amazon SQS Developer
Guide, "Amazon SQS short and long polling"."""


@dataclass(frozen=True)
class Traffic:
    """A month's lines and questions.

    Attributes:
        tagged_lines: that the tracked log groups take in, in all.
        lines_per_payload: how many lines the validator is invoked with at once, on average: what a
            log stream takes in within moments.
        tagged_share: of the lines of the tracked log groups, above 0 and at most 1.
        filtered: whether the subscription filter leaves the other lines where they are. It always
            does; False shows what they would cost.
        linkable_share: of the tagged lines, 0 to 1.
        line_bytes: UTF-8 bytes of a line, on average.
        questions: sessions whose lines OpenReplay asks for.
        answer_bytes: of an answer, on average, headers and all. Assumed.
        parked_share: of the payloads, 0 to 1, that are given up on and put into a queue.
        alarm_emails: that alarms send.
    """

    tagged_lines: float = 1e6
    lines_per_payload: float = 20.0
    tagged_share: float = 0.1
    filtered: bool = True
    linkable_share: float = 1.0
    line_bytes: float = 630.0
    questions: float = 10_000.0
    answer_bytes: float = 20_000.0
    parked_share: float = 0.0
    alarm_emails: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what is no traffic.

        Raises:
            ValueError: a number is out of its range; the message names it.
        """
        for field in fields(self):
            value = float(getattr(self, field.name))
            if not math.isfinite(value) or value < 0:
                raise ValueError(f"{field.name} must be 0 or more, not {value:g}")
        if self.lines_per_payload < 1:
            raise ValueError(f"lines_per_payload must be 1 or more, not {self.lines_per_payload:g}")
        if not 0 < self.tagged_share <= 1:
            raise ValueError(
                f"tagged_share must be above 0 and at most 1, not {self.tagged_share:g}"
            )
        for name in ("linkable_share", "parked_share"):
            if getattr(self, name) > 1:
                raise ValueError(f"{name} must be 0 to 1, not {getattr(self, name):g}")

    @property
    def all_lines(self) -> float:
        """Lines of the tracked log groups, tagged or not."""
        return self.tagged_lines / self.tagged_share

    @property
    def delivered_lines(self) -> float:
        """Lines that the validator is handed."""
        return self.tagged_lines if self.filtered else self.all_lines

    @property
    def payloads(self) -> float:
        """Invocations of the validator."""
        return self.delivered_lines / self.lines_per_payload

    @property
    def payloads_with_tagged(self) -> float:
        """The share of payloads with a tagged line, where any line is as likely to be one."""
        if self.filtered:
            return 1.0
        return float(1 - (1 - self.tagged_share) ** self.lines_per_payload)

    @property
    def payloads_with_untagged(self) -> float:
        """The share of payloads with a line that has no tag."""
        if self.filtered:
            return 0.0
        return float(1 - self.tagged_share**self.lines_per_payload)


@dataclass(frozen=True)
class Counts:
    """What is deployed. The defaults are the default stack's, and a test holds them to it.

    Attributes:
        log_groups: that are tracked.
        verdicts: that occur, ``linkable`` among them.
        detailed_metrics: whether lines are published by log group and verdict, too.
        secrets: made by the stack.
        alarm_metrics: that its alarms look at, but for those of each log group; one that calculates
            looks at several.
        dashboards: of the stack.
        encryption_keys: customer managed.
        hourly_schedules: functions that look after something each hour: rotation, and each project
            that is told its key without a person.
        rotated_keys: that rotation replaces.
        polled_queues: that feed a function.
        streams: that lines come through on their way to the validator.
        http_api: whether the bridge is reached through API Gateway.
        memory_megabytes: of the validator and the bridge.
        linked_retention_days: of the linked log group.
        own_retention_days: of the functions' log groups.
    """

    log_groups: int = 1
    verdicts: int = 3
    detailed_metrics: bool = False
    secrets: int = 2
    alarm_metrics: int = 24
    dashboards: int = 1
    encryption_keys: int = 0
    hourly_schedules: int = 0
    rotated_keys: int = 0
    polled_queues: int = 1
    streams: int = 0
    http_api: bool = False
    memory_megabytes: int = 512
    linked_retention_days: float = 30.0
    own_retention_days: float = 14.0

    def __post_init__(self) -> None:
        """Refuse what cannot be deployed.

        Raises:
            ValueError: a number is below 0; the message names it.
        """
        for field in fields(self):
            value = float(getattr(self, field.name))
            if not math.isfinite(value) or value < 0:
                raise ValueError(f"{field.name} must be 0 or more, not {value:g}")


EVERYTHING = Counts(
    detailed_metrics=True,
    alarm_metrics=34,
    encryption_keys=1,
    hourly_schedules=2,
    rotated_keys=2,
    http_api=True,
)
"""The stack with every option that costs something, but for a stream; one project is told its key.
A test holds it to the template."""


@dataclass(frozen=True)
class Measured:
    """What lines and payloads take. Measured with the lines of ``benchmarks``, or assumed.

    Attributes:
        linked_line_overhead_bytes: what a linked line has more than the line: where it comes from,
            the session's id for its token, JSON's escapes. A test holds it.
        compressed_share: of a linked line's bytes, with gzip. A test holds it. What CloudWatch
            Logs gets is not ours to see.
        metric_bytes: printed for a payload with linked lines, with :data:`EVENT_OVERHEAD_BYTES` for
            each document. A test holds it, and the next.
        untagged_metric_bytes: printed for the lines without a tag.
        payload_cpu_seconds: of CPU, for each payload.
        tagged_line_cpu_seconds: of CPU, for each tagged line, signature check and request and all.
            Taken on a 2-core x86 machine that had other work, as were its neighbours.
        untagged_line_cpu_seconds: of CPU, for each line without a tag.
        payload_wait_seconds: until PutLogEvents has answered. Assumed.
        question_seconds: until the bridge has answered, which is waiting for CloudWatch Logs.
            Assumed.
        question_metric_bytes: printed for a question, as ``metric_bytes``.
        payload_bytes: of a payload in a stream, compressed, besides its lines.
        payload_line_bytes: of a line in it.
        look_seconds: of a function that looks each hour, with 256 megabytes. Assumed.
        look_calls: of Secrets Manager, with each look. Assumed.
    """

    linked_line_overhead_bytes: float = 221.0
    compressed_share: float = 0.17
    metric_bytes: float = 545.0
    untagged_metric_bytes: float = 261.0
    payload_cpu_seconds: float = 120e-6
    tagged_line_cpu_seconds: float = 10e-6
    untagged_line_cpu_seconds: float = 3.2e-6
    payload_wait_seconds: float = 0.03
    question_seconds: float = 1.0
    question_metric_bytes: float = 600.0
    payload_bytes: float = 300.0
    payload_line_bytes: float = 150.0
    look_seconds: float = 3.0
    look_calls: float = 10.0


LIST_PRICES = Prices()
DEFAULT_COUNTS = Counts()
MEASURED = Measured()
_LOOK_GIGABYTES = 256 / 1024
_MILLISECOND = 0.001
_RECORD_BYTES = 1024


@dataclass(frozen=True)
class Item:
    """One line of a bill.

    Attributes:
        part: ``fixed``, ``lines`` or ``questions``: what it grows with.
        name: what is paid for.
        quantity: of it in a month.
        unit: of the quantity.
        price: dollars a unit.
    """

    part: str
    name: str
    quantity: float
    unit: str
    price: float

    @property
    def dollars(self) -> float:
        """A month."""
        return self.quantity * self.price


def monthly_cost(
    traffic: Traffic,
    counts: Counts = DEFAULT_COUNTS,
    prices: Prices = LIST_PRICES,
    measured: Measured = MEASURED,
) -> list[Item]:
    """The bill of a month; items that cost nothing are left out.

    Args:
        traffic: of the month.
        counts: what is deployed.
        prices: list prices, or your own.
        measured: what lines and payloads take.
    """
    items = [
        *_fixed(counts, prices, measured, asked=traffic.questions > 0),
        *_of_lines(traffic, counts, prices, measured),
        *_of_questions(traffic, counts, prices, measured),
    ]
    return [item for item in items if item.quantity * item.price]


def total(items: Iterable[Item], part: str | None = None) -> float:
    """Dollars of all items, or of one part."""
    return math.fsum(item.dollars for item in items if part in (None, item.part))


def custom_metrics(counts: Counts, *, asked: bool) -> int:
    """How many custom metrics are published, if each occurs in every hour of the month.

    An upper bound: AWS counts the hours in which a metric was published, and zeroes are not. A
    metric is a name with one set of dimension values. "Amazon CloudWatch pricing", Metrics.

    Args:
        counts: what is deployed.
        asked: whether OpenReplay asks the bridge.
    """
    rejecting = counts.verdicts > 1
    of_lines = 0
    if counts.log_groups and counts.verdicts:
        by_group = counts.log_groups * (2 if rejecting else 1)
        crossed = counts.log_groups * counts.verdicts if counts.detailed_metrics else 0
        of_lines = counts.verdicts + by_group + crossed
    of_bridge = len(BRIDGE_METRICS) if asked else 0
    # KeyAge of each key, and KeyUses of the bridge's two versions while both are accepted.
    of_rotation = counts.rotated_keys + 2 if counts.rotated_keys else 0
    return of_lines + of_bridge + of_rotation


def _fixed(counts: Counts, prices: Prices, measured: Measured, *, asked: bool) -> list[Item]:
    looks = counts.hourly_schedules * HOURS
    look_calls = looks * measured.look_calls
    metrics = custom_metrics(counts, asked=asked)
    watched = min(counts.log_groups, WATCHED_LOG_GROUPS)
    alarm_metrics = counts.alarm_metrics + ALARM_METRICS_OF_LOG_GROUP * watched
    return [
        Item("fixed", "secrets", counts.secrets, "secrets", prices.secret),
        Item("fixed", "alarms", alarm_metrics, "metrics", prices.alarm_metric),
        Item("fixed", "dashboard", counts.dashboards, "dashboards", prices.dashboard),
        Item("fixed", "custom metrics", metrics, "metrics", prices.custom_metric),
        Item("fixed", "encryption key", counts.encryption_keys, "keys", prices.key),
        Item("fixed", "hourly schedules: requests", looks, "requests", prices.lambda_request),
        Item(
            "fixed",
            "hourly schedules: duration",
            looks * measured.look_seconds * _LOOK_GIGABYTES,
            "GB-seconds",
            prices.lambda_gigabyte_second,
        ),
        Item("fixed", "hourly schedules: secrets", look_calls, "calls", prices.secret_call),
        Item(
            "fixed",
            "hourly schedules: decryption",
            look_calls if counts.encryption_keys else 0,
            "requests",
            prices.key_request,
        ),
        Item(
            "fixed",
            "queues: polling",
            counts.polled_queues * POLLS_OF_A_QUEUE,
            "requests",
            prices.queue_request,
        ),
        Item("fixed", "streams", counts.streams * HOURS, "hours", prices.stream_hour),
    ]


def _of_lines(traffic: Traffic, counts: Counts, prices: Prices, measured: Measured) -> list[Item]:
    payloads = traffic.payloads
    linked_lines = traffic.tagged_lines * traffic.linkable_share
    linked_bytes = traffic.line_bytes + measured.linked_line_overhead_bytes + EVENT_OVERHEAD_BYTES
    linked = linked_lines * linked_bytes / GIGABYTE
    own_bytes = (
        PLATFORM_LINE_BYTES
        + traffic.payloads_with_tagged * measured.metric_bytes
        + traffic.payloads_with_untagged * measured.untagged_metric_bytes
    )
    own = payloads * own_bytes / GIGABYTE
    seconds = _payload_seconds(traffic, counts, measured)
    gigabyte_seconds = payloads * seconds * counts.memory_megabytes / 1024
    streamed = payloads * _record_bytes(traffic, measured) / GIGABYTE if counts.streams else 0
    # Sent, received and deleted.
    queue_requests = payloads * traffic.parked_share * 3
    return [
        Item("lines", "validator: requests", payloads, "requests", prices.lambda_request),
        Item(
            "lines",
            "validator: duration",
            gigabyte_seconds,
            "GB-seconds",
            prices.lambda_gigabyte_second,
        ),
        Item("lines", "validator: metrics and log", own, "GB", prices.logs_written),
        Item("lines", "linked lines: written", linked, "GB", prices.logs_written),
        _kept("linked lines: kept", linked, counts.linked_retention_days, prices, measured),
        _kept("validator: log kept", own, counts.own_retention_days, prices, measured),
        Item("lines", "stream: written", streamed, "GB", prices.stream_gigabyte_in),
        Item("lines", "stream: read", streamed, "GB", prices.stream_gigabyte_out),
        Item("lines", "queues: parked payloads", queue_requests, "requests", prices.queue_request),
        Item("lines", "alarms: emails", traffic.alarm_emails, "emails", prices.alarm_email),
    ]


def _payload_seconds(traffic: Traffic, counts: Counts, measured: Measured) -> float:
    """What is billed for an invocation, rounded up to the millisecond: half of one on average."""
    tagged = 1.0 if traffic.filtered else traffic.tagged_share
    cpu = measured.payload_cpu_seconds + traffic.lines_per_payload * (
        tagged * measured.tagged_line_cpu_seconds
        + (1 - tagged) * measured.untagged_line_cpu_seconds
    )
    cpus = min(1.0, counts.memory_megabytes / FULL_CPU_MEGABYTES)
    busy = cpu / cpus if cpus else 0.0
    waiting = traffic.payloads_with_tagged * measured.payload_wait_seconds
    return waiting + busy + _MILLISECOND / 2


def _record_bytes(traffic: Traffic, measured: Measured) -> float:
    """A record is billed in steps of 1 KB: half of one more on average.

    "Amazon Kinesis Data Streams pricing", On-Demand Mode.
    """
    compressed = measured.payload_bytes + traffic.lines_per_payload * measured.payload_line_bytes
    return max(float(_RECORD_BYTES), compressed + _RECORD_BYTES / 2)


def _kept(name: str, written: float, days: float, prices: Prices, measured: Measured) -> Item:
    quantity = written * measured.compressed_share * days / DAYS
    return Item("lines", name, quantity, "GB-months", prices.logs_kept)


def _of_questions(
    traffic: Traffic, counts: Counts, prices: Prices, measured: Measured
) -> list[Item]:
    questions = traffic.questions
    gigabyte_seconds = questions * measured.question_seconds * counts.memory_megabytes / 1024
    own = questions * (PLATFORM_LINE_BYTES + measured.question_metric_bytes) / GIGABYTE
    sent = questions * traffic.answer_bytes / GIGABYTE
    return [
        Item("questions", "bridge: requests", questions, "requests", prices.lambda_request),
        Item(
            "questions",
            "bridge: duration",
            gigabyte_seconds,
            "GB-seconds",
            prices.lambda_gigabyte_second,
        ),
        Item("questions", "bridge: metrics and log", own, "GB", prices.logs_written),
        # At most: the key is read again once a minute while there are questions.
        Item("questions", "bridge: secret", questions, "calls", prices.secret_call),
        Item(
            "questions",
            "bridge: decryption",
            questions if counts.encryption_keys else 0,
            "requests",
            prices.key_request,
        ),
        Item("questions", "bridge: answers sent", sent, "GB", prices.internet_gigabyte),
        Item(
            "questions",
            "bridge: HTTP API",
            questions if counts.http_api else 0,
            "requests",
            prices.http_api_request,
        ),
    ]
