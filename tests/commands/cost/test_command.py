from __future__ import annotations

import json
import math
from typing import Any

import pytest

from openreplay_cw_stack.commands import main
from openreplay_cw_stack.commands.cost.model import EVERYTHING, Counts, Traffic, monthly_cost, total


def printed(capsys: pytest.CaptureFixture[str], *options: str) -> str:
    assert main(["cost", *options]) == 0
    return capsys.readouterr().out


def as_json(capsys: pytest.CaptureFixture[str], *options: str) -> Any:
    return json.loads(printed(capsys, *options, "--json"))


def test_it_is_the_model_that_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(
        capsys,
        *("--lines-per-month", "5000000", "--lines-per-payload", "20", "--log-groups", "12"),
    )
    items = monthly_cost(Traffic(tagged_lines=5e6, lines_per_payload=20), Counts(log_groups=12))
    rows = text.splitlines()
    for item in items:
        (row,) = [row for row in rows if row.startswith(f"  {item.name}  ")]
        assert f" {item.dollars:,.2f} " in row
        assert item.unit.removesuffix("s") in row
    (row,) = [row for row in rows if row.startswith("in all")]
    assert row.split()[-1] == f"{total(items):,.2f}"
    assert "Datadog, every line" in text
    assert "1 dashboard at 3" in text
    assert "2 secrets at 0.4" in text


def test_every_option_reaches_the_model(capsys: pytest.CaptureFixture[str]) -> None:
    usual = as_json(capsys)["total"]
    for option, value in (
        ("--lines-per-month", "2e6"),
        ("--lines-per-payload", "1"),
        ("--linkable-share", "0.5"),
        ("--bytes-per-line", "1000"),
        ("--questions-per-month", "1e6"),
        ("--log-groups", "2"),
        ("--verdicts", "5"),
        ("--secrets", "1"),
        ("--alarm-metrics", "20"),
        ("--dashboards", "0"),
        ("--encryption-keys", "1"),
        ("--hourly-schedules", "1"),
        ("--rotated-keys", "1"),
        ("--polled-queues", "3"),
        ("--streams", "1"),
        ("--memory-megabytes", "128"),
        ("--linked-retention-days", "365"),
        ("--price", "dashboard=0"),
    ):
        assert as_json(capsys, option, value)["total"] != usual, option
    for switch in ("--detailed-metrics", "--http-api", "--everything", "--unfiltered"):
        assert as_json(capsys, switch)["total"] > usual, switch
    alternatives = as_json(capsys, "--tagged-share", "0.5")["alternatives"]
    assert alternatives != as_json(capsys)["alternatives"]


def test_everything_with_something_else(capsys: pytest.CaptureFixture[str]) -> None:
    document = as_json(capsys, "--everything", "--dashboards", "0")
    items = [one for one in monthly_cost(Traffic(), EVERYTHING) if one.name != "dashboard"]
    assert math.isclose(document["total"], total(items))


def test_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    document = as_json(capsys)
    assert math.isclose(document["total"], sum(document["parts"].values()))
    assert math.isclose(document["total"], sum(one["dollars"] for one in document["items"]))
    assert document["region"] == "us-east-1"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--lines-per-month", "-1"], "tagged_lines must be 0 or more"),
        (["--lines-per-month", "nan"], "tagged_lines must be 0 or more"),
        (["--tagged-share", "0"], "tagged_share must be above 0"),
        (["--log-groups", "-2"], "log_groups must be 0 or more"),
        (["--price", "nonsense=1"], "there is no price nonsense"),
        (["--price", "dashboard"], "takes dollars, not ''"),
        (["--price", "dashboard=-1"], "0 or more"),
        (["--price", "dashboard=nan"], "0 or more"),
    ],
)
def test_wrong_options(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cost", *options]) == 2
    assert message in capsys.readouterr().err


def test_help_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["cost", "--help"])
    assert ended.value.code == 0
    assert "0.1 for 10 %" in capsys.readouterr().out
