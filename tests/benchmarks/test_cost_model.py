from __future__ import annotations

from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk.assertions import Template

from benchmarks.cost_model import (
    DEFAULT_DEPLOYMENT,
    MEMORY_GIGABYTES,
    ROWS,
    Deployment,
    Quantities,
    Row,
    dollars,
    item_bytes,
    measured,
    monthly_dollars,
    question_dollars,
    write_units,
)
from openreplay_cw_stack import OpenReplayCloudWatchStack


def test_the_size_of_an_item_is_its_names_and_values() -> None:
    item: dict[str, dict[str, Any]] = {
        "session": {"S": "123"},  # 7 + 3
        "n": {"N": "1795464000"},  # 1 + 4 + 1: seven significant digits are four bytes
        "lines": {"B": b"x" * 100},  # 5 + 100
    }
    # A zero at the end is counted as a digit: the reading that costs more.
    assert item_bytes(item) == (7 + 3) + (1 + 5 + 1) + (5 + 100)


def test_a_character_of_several_bytes_counts_as_such() -> None:
    assert item_bytes({"é": {"S": "€"}}) == 2 + 3


@pytest.mark.parametrize(("size", "units"), [(1, 1), (1024, 1), (1025, 2), (2048, 2), (2049, 3)])
def test_a_write_unit_is_a_kilobyte(size: int, units: int) -> None:
    assert write_units({"b": {"B": b"x" * (size - 1)}}) == units


def test_a_million_lines_by_hand() -> None:
    line = Quantities(
        payloads=0.05,
        cpu_seconds=0.0001,
        calls=0.05,
        write_units=0.4,
        stored_bytes=300,
        log_bytes=50,
    )

    costs = dollars(line)

    assert costs["writes"] == pytest.approx(0.25)  # 400,000 units at 0.625 a million
    assert costs["requests"] == pytest.approx(0.01)  # 50,000 at 0.20 a million
    # 0.3 GB for 30 of 30.42 days at 0.25
    assert costs["30 days"] == pytest.approx(0.3 * 0.25 * 30 / (730 / 24))
    # 0.1 ms of CPU take 0.3455 ms with 512 of 1,769 MB; a twentieth of 10 ms, and of half a ms
    seconds = 0.0001 * 1769 / 512 + 0.05 * 0.01 + 0.05 * 0.0005
    assert costs["duration"] == pytest.approx(1e6 * seconds * 0.5 * 0.0000133334)
    # 0.05 GB written at 0.50, a fifth of that kept for 14 days at 0.03
    assert costs["own log"] == pytest.approx(0.05 * (0.50 + 14 / (730 / 24) * 0.2 * 0.03))


def test_two_million_lines_cost_twice_as_much() -> None:
    line = Quantities(1, 0.001, 1, 1, 500, 800)
    assert sum(dollars(line, 2e6).values()) == pytest.approx(2 * sum(dollars(line).values()))


def test_a_month_by_hand() -> None:
    deployed = Deployment(
        log_groups=2,
        verdicts=3,
        bridge_metrics=6,
        alarm_metrics=20,
        dashboards=1,
        secrets=2,
        polled_queues=1,
    )

    quantities = {name: number for name, (number, _) in monthly_dollars(deployed).items()}
    costs = {name: amount for name, (_, amount) in monthly_dollars(deployed).items()}

    assert quantities["custom metrics"] == 3 + 2 * 2 + 6
    assert quantities["metrics of alarms"] == 20 + 2 * 2
    assert quantities["requests to the empty retry queue"] == 657_000
    assert costs == {
        "custom metrics": pytest.approx(3.90),
        "metrics of alarms": pytest.approx(2.40),
        "dashboards": pytest.approx(3.00),
        "secrets": pytest.approx(0.80),
        "requests to the empty retry queue": pytest.approx(0.2628),
    }


@pytest.mark.slow
def test_the_default_deployment_is_that_of_the_template() -> None:
    stack = OpenReplayCloudWatchStack(cdk.App(), "Default", log_groups=["/aws/lambda/pay"])
    resources = [*Template.from_stack(stack).to_json()["Resources"].values()]

    def of_type(name: str) -> list[dict[str, Any]]:
        return [one for one in resources if one["Type"] == name]

    def metrics_of(alarm: dict[str, Any]) -> int:
        queries = alarm["Properties"].get("Metrics", [{"MetricStat": {}}])
        return sum("MetricStat" in query for query in queries)

    deployed = DEFAULT_DEPLOYMENT
    alarm_metrics = sum(map(metrics_of, of_type("AWS::CloudWatch::Alarm")))
    assert alarm_metrics == deployed.alarm_metrics + 2 * deployed.log_groups
    assert len(of_type("AWS::SecretsManager::Secret")) == deployed.secrets
    assert len(of_type("AWS::CloudWatch::Dashboard")) == deployed.dashboards
    assert len(of_type("AWS::Lambda::EventSourceMapping")) == deployed.polled_queues
    memory = {one["Properties"]["MemorySize"] for one in of_type("AWS::Lambda::Function")}
    assert memory == {1024 * MEMORY_GIGABYTES}


def test_questions_by_hand() -> None:
    costs = question_dollars(read_units=0.5, questions=1e6)

    assert costs["reads"] == pytest.approx(0.0625)
    assert costs["HTTP API"] == pytest.approx(1.00)
    assert costs["answers sent"] == pytest.approx(1.80)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.name}-{row.lines_of_a_session}")
def test_a_million_lines_are_within_their_bound(row: Row) -> None:
    assert sum(dollars(measured(row, rounds=1)).values()) <= row.at_most
