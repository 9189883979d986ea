from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openreplay_cw_stack.commands.cost.model import (
    DEFAULT_COUNTS,
    EVERYTHING,
    LIST_PRICES,
    Counts,
    Item,
    Measured,
    Traffic,
    custom_metrics,
    monthly_cost,
    total,
)
from openreplay_cw_stack.commands.cost.prices import Prices

NOTHING = Traffic(tagged_lines=0, questions=0)
LINES = st.floats(0, 1e10)
A_TRAFFIC = st.builds(
    Traffic,
    tagged_lines=LINES,
    lines_per_payload=st.floats(1, 10_000),
    tagged_share=st.floats(0.001, 1),
    filtered=st.booleans(),
    linkable_share=st.floats(0, 1),
    line_bytes=st.floats(0, 1e6),
    questions=st.floats(0, 1e7),
    parked_share=st.floats(0, 1),
    alarm_emails=st.floats(0, 1000),
)
A_STACK = st.builds(
    Counts,
    log_groups=st.integers(0, 500),
    verdicts=st.integers(0, 8),
    detailed_metrics=st.booleans(),
    alarm_metrics=st.integers(0, 50),
    encryption_keys=st.integers(0, 1),
    hourly_schedules=st.integers(0, 20),
    rotated_keys=st.integers(0, 2),
    polled_queues=st.integers(0, 2),
    streams=st.integers(0, 3),
    http_api=st.booleans(),
    memory_megabytes=st.integers(128, 10_240),
)


def costs(*given: Any) -> float:
    return total(monthly_cost(*given))


def of(items: list[Item], name: str) -> float:
    (item,) = [item for item in items if item.name == name]
    return item.dollars


def at_most(less: float, more: float) -> bool:
    return less <= more or math.isclose(less, more, rel_tol=1e-9)


# Properties


@given(A_TRAFFIC, A_STACK)
def test_the_parts_add_up(traffic: Traffic, counts: Counts) -> None:
    items = monthly_cost(traffic, counts)
    assert all(item.dollars > 0 for item in items)
    assert math.isclose(total(items), sum(item.quantity * item.price for item in items))
    parts = [total(items, part) for part in ("fixed", "lines", "questions")]
    assert math.isclose(total(items), sum(parts))
    assert len({item.name for item in items}) == len(items)


@given(A_TRAFFIC, A_STACK, LINES)
def test_more_lines_never_cost_less(traffic: Traffic, counts: Counts, more: float) -> None:
    grown = dataclasses.replace(traffic, tagged_lines=traffic.tagged_lines + more)
    assert at_most(costs(traffic, counts), costs(grown, counts))


@given(A_TRAFFIC, A_STACK)
def test_without_lines_and_questions_only_the_fixed_part_is_left(
    traffic: Traffic, counts: Counts
) -> None:
    idle = dataclasses.replace(traffic, tagged_lines=0, questions=0, alarm_emails=0)
    items = monthly_cost(idle, counts)
    assert {item.part for item in items} <= {"fixed"}
    asked = dataclasses.replace(traffic, tagged_lines=0, alarm_emails=0)
    assert total(monthly_cost(asked, counts), "lines") == 0


@given(A_TRAFFIC, A_STACK, LINES)
def test_the_fixed_part_is_the_same_for_any_lines(
    traffic: Traffic, counts: Counts, lines: float
) -> None:
    other = dataclasses.replace(traffic, tagged_lines=lines)
    assert total(monthly_cost(traffic, counts), "fixed") == total(
        monthly_cost(other, counts), "fixed"
    )


@given(A_TRAFFIC, A_STACK, st.floats(1, 100))
def test_fuller_payloads_never_cost_more(traffic: Traffic, counts: Counts, fuller: float) -> None:
    dense = dataclasses.replace(traffic, lines_per_payload=traffic.lines_per_payload * fuller)
    assert at_most(costs(dense, counts), costs(traffic, counts))


@given(A_TRAFFIC, A_STACK)
def test_the_filter_never_costs_more(traffic: Traffic, counts: Counts) -> None:
    filtered = dataclasses.replace(traffic, filtered=True)
    unfiltered = dataclasses.replace(traffic, filtered=False)
    assert at_most(costs(filtered, counts), costs(unfiltered, counts))


@given(A_TRAFFIC, A_STACK, st.floats(0, 100))
def test_the_lines_cost_in_proportion(traffic: Traffic, counts: Counts, factor: float) -> None:
    traffic = dataclasses.replace(traffic, alarm_emails=0)
    scaled = dataclasses.replace(traffic, tagged_lines=traffic.tagged_lines * factor)
    once, many = (total(monthly_cost(one, counts), "lines") for one in (traffic, scaled))
    assert math.isclose(many, once * factor, rel_tol=1e-9, abs_tol=1e-12)


@pytest.mark.parametrize(
    "name",
    [
        field.name
        for field in dataclasses.fields(Prices)
        if not field.name.startswith(("datadog", "opensearch")) and field.name != "logs_scanned"
    ],
)
def test_every_price_counts(name: str) -> None:
    traffic = Traffic(parked_share=0.01, alarm_emails=10)
    counts = dataclasses.replace(EVERYTHING, streams=1, polled_queues=1)
    dearer = dataclasses.replace(LIST_PRICES, **{name: getattr(LIST_PRICES, name) * 2})
    assert costs(traffic, counts, dearer) > costs(traffic, counts)
    free = Prices(**{field.name: 0.0 for field in dataclasses.fields(Prices)})
    assert monthly_cost(traffic, counts, free) == []


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Measured)])
def test_every_measured_number_counts(name: str) -> None:
    traffic = Traffic(filtered=False)
    counts = dataclasses.replace(EVERYTHING, streams=1)
    more = dataclasses.replace(Measured(), **{name: getattr(Measured(), name) * 2})
    assert costs(traffic, counts, LIST_PRICES, more) > costs(traffic, counts)


# By hand


def test_an_idle_default_stack() -> None:
    items = monthly_cost(NOTHING, Counts(alarm_metrics=6))
    # The alarm on deliveries reads two metrics of the log group.
    # Verdicts linkable and two others; linked and rejected lines of the one log group.
    assert {item.name: round(item.dollars, 10) for item in items} == {
        "secrets": 0.80,
        "alarms": 0.80,
        "dashboard": 3.00,
        "queues: polling": pytest.approx(657_000 * 0.40e-6),
        "custom metrics": 1.50,
    }


def test_a_million_lines_one_to_a_payload() -> None:
    items = monthly_cost(Traffic(tagged_lines=1e6, lines_per_payload=1, questions=0))
    # 0.20 dollars a million requests.
    assert of(items, "validator: requests") == pytest.approx(0.20)
    # 342 bytes of Lambda's own and 545 of metrics, at 0.50 dollars a gigabyte.
    assert of(items, "validator: metrics and log") == pytest.approx(1e6 * 887 / 1e9 * 0.5)
    # 630 bytes, 221 around them and 26 for an event.
    assert of(items, "linked lines: written") == pytest.approx(1e6 * 877 / 1e9 * 0.5)
    # 17 % of 0.877 GB, for 30 of the month's 30.4 days.
    assert of(items, "linked lines: kept") == pytest.approx(0.877 * 0.17 * 30 / 30.41667 * 0.03)
    # 130 us of 512 / 1769 of a CPU, 30 ms of waiting, half a millisecond of rounding: half a GB.
    seconds = 0.000130 * 1769 / 512 + 0.030 + 0.0005
    assert of(items, "validator: duration") == pytest.approx(1e6 * seconds / 2 * 0.0000133334)


def test_a_million_lines_without_the_filter() -> None:
    traffic = Traffic(
        tagged_lines=1e6, lines_per_payload=200, tagged_share=0.1, filtered=False, questions=0
    )
    assert traffic.payloads == pytest.approx(50_000)
    items = monthly_cost(traffic)
    assert of(items, "validator: requests") == pytest.approx(0.01)
    cpu = 120e-6 + 20 * 10e-6 + 180 * 3.2e-6
    seconds = cpu * 1769 / 512 + 0.030 + 0.0005
    assert of(items, "validator: duration") == pytest.approx(50_000 * seconds / 2 * 0.0000133334)
    # All but every thousand-millionth payload has lines of both kinds.
    assert of(items, "validator: metrics and log") == pytest.approx(50_000 * 1148 / 1e9 * 0.5)


def test_a_line_in_a_payload_has_a_tag_or_none() -> None:
    traffic = Traffic(tagged_lines=1e6, lines_per_payload=1, tagged_share=0.1, filtered=False)
    assert traffic.payloads == pytest.approx(10e6)
    items = monthly_cost(traffic)
    # Lambda's own 342 bytes each; 545 for each tenth, 261 for each other. One in ten waits.
    average = 342 + 0.1 * 545 + 0.9 * 261
    assert of(items, "validator: metrics and log") == pytest.approx(10e6 * average / 1e9 * 0.5)
    cpu = 120e-6 + 0.1 * 10e-6 + 0.9 * 3.2e-6
    seconds = cpu * 1769 / 512 + 0.1 * 0.030 + 0.0005
    assert of(items, "validator: duration") == pytest.approx(10e6 * seconds / 2 * 0.0000133334)


def test_what_dominates() -> None:
    """What the README says of it."""
    no_cpu = dataclasses.replace(
        Measured(),
        payload_cpu_seconds=0.0,
        tagged_line_cpu_seconds=0.0,
        untagged_line_cpu_seconds=0.0,
    )
    for lines in (1, 20, 500):
        traffic = Traffic(tagged_lines=1e6, lines_per_payload=lines, questions=0)
        items = monthly_cost(traffic)
        cpu = total(items) - costs(traffic, DEFAULT_COUNTS, LIST_PRICES, no_cpu)
        assert 0 < cpu < 0.005
        linked = of(items, "linked lines: written")
        share = linked / total(items, "lines")
        assert share < 0.4 if lines == 1 else share > 0.88
    fixed = monthly_cost(NOTHING, Counts(log_groups=12))
    watching = sum(of(fixed, name) for name in ("custom metrics", "dashboard", "alarms"))
    assert watching > 0.9 * total(fixed)


def test_only_linkable_lines_are_written() -> None:
    items = monthly_cost(Traffic(linkable_share=0.25))
    assert of(items, "linked lines: written") == pytest.approx(0.25 * 0.877 * 0.5)
    none = monthly_cost(Traffic(linkable_share=0))
    assert "linked lines: written" not in {item.name for item in none}


def test_questions() -> None:
    counts = Counts(http_api=True, encryption_keys=1)
    items = monthly_cost(Traffic(tagged_lines=0, questions=1e6, answer_bytes=20_000), counts)
    assert of(items, "bridge: requests") == pytest.approx(0.20)
    assert of(items, "bridge: HTTP API") == pytest.approx(1.00)
    assert of(items, "bridge: duration") == pytest.approx(1e6 * 0.5 * 0.0000133334)
    assert of(items, "bridge: secret") == pytest.approx(5.00)
    assert of(items, "bridge: decryption") == pytest.approx(3.00)
    assert of(items, "bridge: answers sent") == pytest.approx(20 * 0.09)


def test_a_stream() -> None:
    counts = Counts(streams=1)
    sparse = monthly_cost(Traffic(tagged_lines=1e6, lines_per_payload=1), counts)
    assert of(sparse, "streams") == pytest.approx(29.20)
    # 450 bytes are billed as one step of 1 KB.
    assert of(sparse, "stream: written") == pytest.approx(1e6 * 1024 / 1e9 * 0.08)
    dense = monthly_cost(Traffic(tagged_lines=1e6, lines_per_payload=200), counts)
    assert of(dense, "stream: read") == pytest.approx(5000 * (30_300 + 512) / 1e9 * 0.04)


def test_a_queue_that_feeds_a_function_costs_something_while_it_is_empty() -> None:
    items = monthly_cost(NOTHING, Counts(polled_queues=1))
    assert of(items, "queues: polling") == pytest.approx(657_000 * 0.40e-6)


def test_parked_payloads_are_sent_received_and_deleted() -> None:
    items = monthly_cost(Traffic(tagged_lines=1e6, lines_per_payload=1, parked_share=0.5))
    assert of(items, "queues: parked payloads") == pytest.approx(1.5 * 0.40)


def test_hourly_schedules() -> None:
    items = monthly_cost(NOTHING, Counts(hourly_schedules=2))
    assert of(items, "hourly schedules: requests") == pytest.approx(1460 * 0.20e-6)
    assert of(items, "hourly schedules: secrets") == pytest.approx(14_600 * 0.05 / 10_000)
    assert "hourly schedules: decryption" not in {item.name for item in items}


@pytest.mark.parametrize(
    ("counts", "asked", "metrics"),
    [
        (Counts(log_groups=1, verdicts=1), False, 1 + 1),
        (Counts(log_groups=12, verdicts=3), False, 3 + 24),
        (Counts(log_groups=12, verdicts=3, detailed_metrics=True), False, 3 + 24 + 36),
        (Counts(log_groups=12, verdicts=3), True, 3 + 24 + 6),
        (Counts(log_groups=0), False, 0),
        (Counts(verdicts=0), False, 0),
        (Counts(log_groups=0, rotated_keys=2), False, 4),
    ],
)
def test_custom_metrics(counts: Counts, asked: bool, metrics: int) -> None:
    assert custom_metrics(counts, asked=asked) == metrics


def test_a_price_of_yours() -> None:
    prices = Prices(dashboard=0.0, secret=1.0)
    items = monthly_cost(NOTHING, DEFAULT_COUNTS, prices)
    assert of(items, "secrets") == DEFAULT_COUNTS.secrets
    assert "dashboard" not in {item.name for item in items}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("tagged_lines", -1),
        ("tagged_lines", math.nan),
        ("tagged_lines", math.inf),
        ("lines_per_payload", 0.5),
        ("tagged_share", 0),
        ("tagged_share", 1.5),
        ("linkable_share", 2),
        ("parked_share", 1.1),
    ],
)
def test_what_is_no_traffic(field: str, value: float) -> None:
    changed: dict[str, Any] = {field: value}
    with pytest.raises(ValueError, match=field):
        Traffic(**changed)


def test_what_cannot_be_deployed() -> None:
    with pytest.raises(ValueError, match="log_groups must be 0 or more, not -1"):
        Counts(log_groups=-1)
