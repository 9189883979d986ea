from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from openreplay_cw_stack.runtime.function_log import FunctionLog
from openreplay_cw_stack.runtime.validator.counting import (
    REJECTING_VERDICTS,
    Counts,
    metric_documents,
)
from openreplay_cw_stack.tagging import Verdict
from tests.runtime.payloads import LOG_GROUP, NOW_MS


def printed(counts: Counts, *, detailed: bool = False) -> list[str]:
    lines: list[str] = []
    log = FunctionLog("Shop", lambda: NOW_MS, lines.append)
    log.metrics(*metric_documents(counts, detailed=detailed))
    return lines


def documents(counts: Counts, *, detailed: bool = False) -> list[dict[str, Any]]:
    return [json.loads(line) for line in printed(counts, detailed=detailed)]


def published(counts: Counts, *, detailed: bool = False) -> dict[tuple[str, ...], int]:
    """What CloudWatch makes of the documents: value by metric name and dimension values."""
    metrics: dict[tuple[str, ...], int] = {}
    for document in documents(counts, detailed=detailed):
        for directive in document["_aws"]["CloudWatchMetrics"]:
            assert directive["Namespace"] == "OpenReplayCloudWatch"
            for dimensions in directive["Dimensions"]:
                values = tuple(f"{name}={document[name]}" for name in sorted(dimensions))
                for metric in directive["Metrics"]:
                    key = (metric["Name"], *values)
                    metrics[key] = document[metric["Name"]]
    return metrics


COUNTS = Counts(
    log_group=LOG_GROUP,
    verdicts=Counter(
        {
            Verdict.LINKABLE: 5,
            Verdict.MISSPELLED_TAG: 2,
            Verdict.BAD_SIGNATURE: 1,
            Verdict.UNTAGGED: 4,
        }
    ),
    dropped=Counter({"unreadable": 1}),
    totals=Counter({"CutLines": 1, "ExpiredLines": 0}),
    linked=4,
)

PLAIN = {
    ("Lines", "Deployment=Shop", "Verdict=linkable"): 5,
    ("Lines", "Deployment=Shop", "Verdict=misspelled_tag"): 2,
    ("Lines", "Deployment=Shop", "Verdict=bad_signature"): 1,
    ("Lines", "Deployment=Shop", "Verdict=untagged"): 4,
    ("LinkedLines", "Deployment=Shop", f"LogGroup={LOG_GROUP}"): 4,
    ("RejectedLines", "Deployment=Shop", f"LogGroup={LOG_GROUP}"): 3,
    ("DroppedLines", "Deployment=Shop", "Reason=unreadable"): 1,
    ("DroppedLines", "Deployment=Shop"): 1,
    ("CutLines", "Deployment=Shop"): 1,
}


def test_lines_by_verdict_and_by_group_and_no_zeroes() -> None:
    assert published(COUNTS) == PLAIN


def test_the_full_cross_only_on_request() -> None:
    cross: dict[tuple[str, ...], int] = {
        ("Lines", "Deployment=Shop", f"LogGroup={LOG_GROUP}", f"Verdict={verdict}"): lines
        for verdict, lines in COUNTS.verdicts.items()
    }
    assert published(COUNTS, detailed=True) == {**PLAIN, **cross}


def test_nothing_counted_nothing_printed() -> None:
    assert documents(Counts(log_group=LOG_GROUP)) == []


def test_a_payload_of_which_no_log_group_is_known() -> None:
    counts = Counts(totals=Counter({"UnusablePayloads": 1}))
    assert published(counts) == {("UnusablePayloads", "Deployment=Shop"): 1}


def test_documents_follow_the_specification() -> None:
    for document in documents(COUNTS, detailed=True):
        assert document["_aws"]["Timestamp"] == NOW_MS
        (directive,) = document["_aws"]["CloudWatchMetrics"]
        assert set(directive) == {"Namespace", "Dimensions", "Metrics"}
        for name in [name for one in directive["Dimensions"] for name in one]:
            assert isinstance(document[name], str)


def test_a_usual_invocation_prints_little() -> None:
    usual = Counts(log_group=LOG_GROUP, verdicts=Counter({Verdict.LINKABLE: 50}), linked=50)
    assert sum(len(line) + 1 for line in printed(usual)) <= 600


@pytest.mark.parametrize("verdict", list(Verdict))
def test_which_verdicts_reject(verdict: Verdict) -> None:
    assert (verdict in REJECTING_VERDICTS) == (verdict not in (Verdict.LINKABLE, Verdict.UNTAGGED))
