"""The model's bytes are those of the validator, and its metrics the ones that are published."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from typing import Any

import pytest

from benchmarks.subscription_payloads import NOW_MS, subscription_document, subscription_event
from openreplay_cw_stack.commands.cost.model import (
    EVENT_OVERHEAD_BYTES,
    MEASURED,
    Counts,
    Traffic,
    custom_metrics,
)
from openreplay_cw_stack.runtime.validator import counting, delivery
from openreplay_cw_stack.runtime.validator.linking import Policy
from openreplay_cw_stack.runtime.validator.settings import Settings
from openreplay_cw_stack.runtime.validator.validator import Validator
from openreplay_cw_stack.tagging import Verdict

LINES = 500


class Writer:
    def __init__(self) -> None:
        self.lines: list[bytes] = []

    def create_stream(self, stream: str) -> None:
        pass

    def put(self, stream: str, messages: list[str], timestamp: int) -> dict[str, Any]:
        self.lines += [message.encode() for message in messages]
        return {}


def validated(tagged_share: float) -> tuple[list[bytes], list[str]]:
    """The linked lines of a payload, and what was printed for it."""
    writer, printed = Writer(), list[str]()
    Validator(
        settings=Settings(
            deployment="OpenReplayCloudWatch-1A2B3C4D",
            linked_log_group="/openreplay/linked",
            own_log_group="/openreplay/validator",
            policy=Policy(),
        ),
        writer=writer,
        token_secret=None,
        clock_ms=lambda: NOW_MS,
        emit=printed.append,
    ).validate(subscription_event(LINES, tagged_share))
    return writer.lines, printed


def bytes_of(lines: list[str]) -> int:
    return sum(len(line) + EVENT_OVERHEAD_BYTES for line in lines)


def test_the_overhead_is_that_of_delivery() -> None:
    assert EVENT_OVERHEAD_BYTES == delivery.EVENT_OVERHEAD_BYTES


def test_linked_lines() -> None:
    linked, _ = validated(1.0)
    source = [
        len(event["message"].encode()) for event in subscription_document(LINES, 1.0)["logEvents"]
    ]
    assert len(linked) == LINES
    assert sum(source) / LINES == pytest.approx(Traffic().line_bytes, rel=0.05)
    more = (sum(map(len, linked)) - sum(source)) / LINES
    assert more == pytest.approx(MEASURED.linked_line_overhead_bytes, rel=0.05)
    compressed = len(gzip.compress(b"\n".join(linked), 6))
    share = compressed / sum(map(len, linked))
    assert share == pytest.approx(MEASURED.compressed_share, rel=0.05)


def test_metrics_of_a_payload() -> None:
    _, of_tagged = validated(1.0)
    _, of_mixed = validated(0.1)
    assert bytes_of(of_tagged) == pytest.approx(MEASURED.metric_bytes, rel=0.1)
    more = bytes_of(of_mixed) - bytes_of(of_tagged)
    assert more == pytest.approx(MEASURED.untagged_metric_bytes, rel=0.1)


@pytest.mark.parametrize("detailed", [False, True])
@pytest.mark.parametrize("verdicts", [1, 2, 3])
@pytest.mark.parametrize("log_groups", [1, 4])
def test_custom_metrics_are_those_that_are_published(
    log_groups: int, verdicts: int, detailed: bool
) -> None:
    occurring = [Verdict.LINKABLE, Verdict.MALFORMED_TOKEN, Verdict.MISSPELLED_TAG][:verdicts]
    published = set()
    for number in range(log_groups):
        counts = counting.Counts(log_group=f"/app/{number}", verdicts=Counter(occurring), linked=1)
        for text in counting.metric_documents(
            counts, deployment="Test", detailed=detailed, now_ms=NOW_MS
        ):
            published |= set(metrics_in(json.loads(text)))
    model = Counts(log_groups=log_groups, verdicts=verdicts, detailed_metrics=detailed)
    assert len(published) == custom_metrics(model, asked=False)


def metrics_in(document: dict[str, Any]) -> list[tuple[str, ...]]:
    """Each as its name and the values of its dimensions."""
    return [
        (metric["Name"], *(f"{name}={document[name]}" for name in dimensions))
        for directive in document["_aws"]["CloudWatchMetrics"]
        for metric in directive["Metrics"]
        for dimensions in directive["Dimensions"]
    ]
