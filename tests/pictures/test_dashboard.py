"""The picture of the dashboard has the widgets of the dashboard, and the counts of the run."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from openreplay_cw_stack.contract import metrics as names
from openreplay_cw_stack.tagging import Verdict
from pictures import LINES
from pictures.dashboard import Series, alarm_name, draw_dashboard, series_of
from pictures.recording import Metric, Recording
from pictures.svg import texts_of
from tests.docs.pages import DOCS, ROOT
from tests.infra.observability.dashboard_body import body_of

TEMPLATE: dict[str, Any] = json.loads((ROOT / "tests/infra/snapshots/full.json").read_text())
BODY = body_of(TEMPLATE)
# Each metric of the widgets, as the deployment of the template would count it.
DEPLOYMENT = {
    row[3]
    for widget in BODY["widgets"]
    for row in widget["properties"].get("metrics", [])
    if row[0] == names.NAMESPACE
}.pop()


def counted(name: str, count: int, **dimensions: str) -> Metric:
    return Metric(name, {names.DEPLOYMENT: DEPLOYMENT, **dimensions}, count)


METRICS = (
    counted(names.LINES, 12, Verdict="linkable"),
    counted(names.LINES, 5, Verdict="misspelled_tag"),
    counted(names.LINKED_LINES, 3, LogGroup="/shop/search"),
    counted(names.LINKED_LINES, 9, LogGroup="/shop/checkout"),
    counted(names.HITS, 15),
    counted(names.SEARCH_TIME, 40),
)
RECORDING = Recording("", BODY, METRICS)


def series_in(title: str) -> dict[str, Series]:
    """The series of a widget, by their labels."""
    (properties,) = [
        one["properties"] for one in BODY["widgets"] if one["properties"].get("title") == title
    ]
    return {one.label: one for one in series_of(properties["metrics"], METRICS)}


def test_every_widget_is_drawn_with_its_texts() -> None:
    texts = texts_of(draw_dashboard(RECORDING))
    whole = " ".join(texts)
    for widget in BODY["widgets"]:
        properties = widget["properties"]
        for row in properties.get("metrics", []):
            if row[-1].get("visible") is not False and "PROP" not in row[-1]["label"]:
                assert row[-1]["label"] in texts
        for side in properties.get("yAxis", {}).values():
            assert side["label"] in whole
        assert set(properties.get("title", "").split()) <= set(whole.split())
    assert "PROP" not in whole


def test_the_counts_are_those_of_the_run() -> None:
    verdicts = series_in("Lines by verdict")
    assert len(verdicts) == len(Verdict)
    assert verdicts["Linkable"] == Series("Linkable", "#2ca02c", "left", 12)
    assert verdicts["Misspelled tag"].count == 5
    # Zeroes are not published.
    assert verdicts["Empty token"].count == 0
    assert series_in("Lines in the time shown")["Linkable"].count == 12


def test_log_groups_stand_in_the_order_of_their_lines() -> None:
    groups = series_in("Linked lines by log group")
    assert {label: one.count for label, one in groups.items()} == {
        "/shop/checkout": 9,
        "/shop/search": 3,
    }
    assert list(groups) == ["/shop/checkout", "/shop/search"]
    assert series_in("Rejected lines by log group") == {}


def test_what_is_no_count_of_ours_has_no_number() -> None:
    returned = series_in("Lines returned, and response times")
    assert returned["Lines returned"].count == 15
    assert returned["Time, median"].count is None
    assert returned["Time, median"].axis == "right"
    assert series_in("How late lines reach the validator")["Oldest payload"].count is None
    assert {one.count for one in series_in("In the time shown").values()} == {None, len(METRICS)}


def test_the_longest_bar_is_the_largest_count() -> None:
    svg = draw_dashboard(RECORDING, part=LINES)
    bars = re.findall(r'<rect x="\S+" y="\S+" width="(\S+)" height="14" fill="(\S+)"/>', svg)
    widths = {colour: float(width) for width, colour in reversed(bars)}
    assert widths["#ff7f0e"] == pytest.approx(widths["#2ca02c"] * 5 / 12, abs=0.1)


def test_a_part_ends_at_the_next_heading() -> None:
    texts = texts_of(draw_dashboard(RECORDING, part=LINES))
    assert texts[0] == LINES
    assert "Delivery" not in texts
    with pytest.raises(LookupError, match="no part 'Weather'"):
        draw_dashboard(RECORDING, part="Weather")


def test_alarms_have_the_names_of_the_manual() -> None:
    (alarms,) = [one["properties"]["alarms"] for one in BODY["widgets"] if one["type"] == "alarm"]
    manual = set(re.findall(r"^### (\w+)$", (DOCS / "alarms.md").read_text(), re.MULTILINE))
    assert {alarm_name(one) for one in alarms} <= manual
    deployed = (
        "arn:aws:cloudwatch:eu-west-1:1:alarm:Shop-OpenReplayMonitoringDeadLettersCCFDFF05-9E"
    )
    assert alarm_name(deployed) == "DeadLetters"
