"""What a run leaves behind for the pictures of the manual, with ``RECORD=FOLDER``."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emulator import Emulator
from emulator.metric_sums import metric_sum
from openreplay_cw_stack.contract import metrics as names

FILE = "recording.json"
PATIENCE_SECONDS = 60.0
# OpenReplay's own, two of Elasticsearch's clients, and one with a wrong key
_SEARCHES = {names.ANSWERED_SEARCHES: 3, names.REFUSED_SEARCHES: 1}


def write(folder: Path, aws: Emulator, outputs: Mapping[str, str], now_ms: int) -> None:
    """Write the deployed dashboard, the sums of all custom metrics, and the time of the lines."""
    cloudwatch = aws.client("cloudwatch")
    _await_searches(cloudwatch)
    body = cloudwatch.get_dashboard(DashboardName=outputs["DashboardName"])["DashboardBody"]
    recorded = {"now_ms": now_ms, "dashboard": json.loads(body), "metrics": _sums(cloudwatch)}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE).write_text(json.dumps(recorded, indent=1))


def _await_searches(cloudwatch: Any) -> None:
    """Wait for the bridge's metrics: they come out of its log, after its responses."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        counted = {one: _sum(cloudwatch, one, {names.DEPLOYMENT: None}) for one in _SEARCHES}
        if counted == _SEARCHES:
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"the metrics count {counted} searches, not {_SEARCHES}")
        time.sleep(0.3)


def _sums(cloudwatch: Any) -> list[dict[str, Any]]:
    pages = cloudwatch.get_paginator("list_metrics").paginate(Namespace=names.NAMESPACE)
    found = []
    for metric in (one for page in pages for one in page["Metrics"]):
        dimensions = {one["Name"]: one["Value"] for one in metric["Dimensions"]}
        value = _sum(cloudwatch, metric["MetricName"], dimensions)
        found.append({"name": metric["MetricName"], "dimensions": dimensions, "sum": value})
    return found


def _sum(cloudwatch: Any, name: str, dimensions: Mapping[str, str | None]) -> int:
    return metric_sum(cloudwatch, names.NAMESPACE, name, dimensions)
