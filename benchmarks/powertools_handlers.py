"""Handlers with AWS Lambda Powertools for a payload of log lines, for comparison.

The data class of Powertools reads the payload. Its metrics count the tagged lines: once per
payload, or with one metric per tagged line, as in its documentation. Both are measured with and
without a boto3 client that forwards the tagged lines unchanged; its requests are not sent. No
handler judges lines or removes tokens.

The published ratios for "data class and EMF" are 4.3 to 5.9 at 100 % tagged and 1.7 to 1.8 at 10 %,
without the source of the handler. Counting once takes far less, so that handler probably did
something for each tagged line. The ratios of version 3.37 at 100 % and at 10 %, for 50 to 5000
lines unless stated otherwise:

* counting once: 1.1 to 1.4, and 1.1 to 1.5; the same with the ``event_source`` decorator, and with
* reading every property of an event; one metric per tagged line: 2.7 to 3.5, and 1.3 to 1.6; with
* forwarding and 500 or 5000 lines, 4.6 to 5.7, and 1.5 to 1.8; the line's size as a second metric:
* 4.7 to 6.0, and 1.4 to 1.7; ``single_metric`` per tagged line: 5.6 to 10, and 1.8 to 1.9;
* ``Logger`` per tagged line: 6.7 to 9.5, and 1.9.
"""

from __future__ import annotations

import io
import json
from contextlib import redirect_stdout
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import (
    AmazonCloudWatchEMFProvider,
)
from aws_lambda_powertools.utilities.data_classes import CloudWatchLogsEvent

_TAG = "openReplaySession"
_LINES_OF_A_CALL = 1000


def counting_once(event: dict[str, Any], client: Any = None) -> object:
    """Count the tagged lines, and add metrics once per payload.

    Args:
        event: the event of the invocation.
        client: forwards the tagged lines; None forwards nothing.
    """
    logs = CloudWatchLogsEvent(event).parse_logs_data()
    tagged = []
    untagged = 0
    for log_event in logs.log_events:
        if _TAG in log_event.message:
            tagged.append({"timestamp": log_event.timestamp, "message": log_event.message})
        else:
            untagged += 1
    _forward(client, logs.log_group, tagged)
    metrics = _metrics(logs.log_group)
    metrics.add_metric("Tagged", MetricUnit.Count, len(tagged))
    metrics.add_metric("Untagged", MetricUnit.Count, untagged)
    return json.dumps(metrics.serialize_metric_set())


def metric_a_line(event: dict[str, Any], client: Any = None) -> object:
    """Add a metric for each tagged line.

    Args:
        event: the event of the invocation.
        client: forwards the tagged lines; None forwards nothing.
    """
    logs = CloudWatchLogsEvent(event).parse_logs_data()
    tagged = []
    metrics = _metrics(logs.log_group)
    with redirect_stdout(io.StringIO()):  # It prints after every hundred metrics.
        for log_event in logs.log_events:
            if _TAG in log_event.message:
                tagged.append({"timestamp": log_event.timestamp, "message": log_event.message})
                metrics.add_metric("Tagged", MetricUnit.Count, 1)
        _forward(client, logs.log_group, tagged)
        if metrics.metric_set:
            metrics.flush_metrics()
    return tagged


def _metrics(log_group: str) -> AmazonCloudWatchEMFProvider:
    metrics = AmazonCloudWatchEMFProvider(namespace="Benchmark")
    metrics.add_dimension("LogGroup", log_group)
    return metrics


def _forward(client: Any, log_group: str, tagged: list[dict[str, Any]]) -> None:
    if client is None:
        return
    for first in range(0, len(tagged), _LINES_OF_A_CALL):
        client.put_log_events(
            logGroupName="/app/forwarded",
            logStreamName=log_group,
            logEvents=tagged[first : first + _LINES_OF_A_CALL],
        )
