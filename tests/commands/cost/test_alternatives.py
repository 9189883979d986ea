from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from openreplay_cw_stack.commands.cost.alternatives import alternatives
from openreplay_cw_stack.commands.cost.model import Counts, Traffic
from openreplay_cw_stack.commands.cost.prices import Prices

TRAFFIC = Traffic(tagged_lines=10e6, tagged_share=0.1, line_bytes=1000, questions=10_000)


def dollars(traffic: Traffic, counts: Counts = Counts(), **prices: float) -> dict[str, float]:  # noqa: B008
    return {one.name: one.dollars for one in alternatives(traffic, counts, Prices(**prices))}


def test_by_hand() -> None:
    found = dollars(TRAFFIC)
    # 10 GB at 0.10 and 10 million events at 1.70; all lines are ten times as many.
    assert found["Datadog, tagged lines only"] == pytest.approx(1 + 17)
    assert found["Datadog, every line"] == pytest.approx(180)
    # Two nodes all month, and 30 of 30.4 days' lines, twice, with what an index adds.
    storage = 10 * 30 / (730 / 24) * 1.45 * 2 * 0.122
    assert found["OpenSearch, 2 t3.small"] == pytest.approx(2 * 730 * 0.036 + storage)
    assert found["OpenSearch, 2 r6g.large"] == pytest.approx(2 * 730 * 0.167 + storage)
    # 100 GB a month: two days of it are scanned ten thousand times.
    scanned = 100 * 2 / (730 / 24) * 10_000
    assert found["Logs Insights on the raw log groups"] == pytest.approx(scanned * 0.005)
    assert found["polling the raw log groups"] == 0


def test_a_domain_has_a_least_size() -> None:
    found = dollars(Traffic(tagged_lines=0))
    assert found["OpenSearch, 2 t3.small"] == pytest.approx(2 * 730 * 0.036 + 2 * 10 * 0.122)
    assert found["Datadog, every line"] == 0


def test_lines_that_are_kept_longer_need_more_storage() -> None:
    longer = dollars(TRAFFIC, Counts(linked_retention_days=365))
    assert longer["OpenSearch, 2 t3.small"] > dollars(TRAFFIC)["OpenSearch, 2 t3.small"]


@pytest.mark.parametrize(
    "name",
    [
        "datadog_gigabyte",
        "datadog_event",
        "opensearch_t3_small_hour",
        "opensearch_r6g_large_hour",
        "opensearch_gigabyte",
        "logs_scanned",
    ],
)
def test_every_price_counts(name: str) -> None:
    dearer: dict[str, Any] = {name: 1.0}
    assert sum(dollars(TRAFFIC, **dearer).values()) > sum(dollars(TRAFFIC).values())


def test_neither_our_payloads_nor_our_filter_matter() -> None:
    other = dataclasses.replace(TRAFFIC, lines_per_payload=1, filtered=False)
    assert dollars(other) == dollars(TRAFFIC)
