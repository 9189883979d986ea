"""The dashboard: where its widgets stand, what they say, and what they read."""

from __future__ import annotations

import functools
import re
from typing import Any

import pytest

from openreplay_cw_stack.contract import metrics as names
from openreplay_cw_stack.infra.observability.alarms import ALARMS_PAGE
from openreplay_cw_stack.infra.observability.dashboard import LOG_GROUPS_SHOWN
from openreplay_cw_stack.tagging import Verdict
from tests.infra.conftest import (
    EVERY_FUNCTION,
    SESSION_TABLE_ARN,
    TOKEN_SECRET_ARN,
    a_stack,
    template_of,
)
from tests.infra.observability.dashboard_body import body_of

SHAPES: dict[str, dict[str, Any]] = {
    "default": {},
    "everything": {
        "token_secret": TOKEN_SECRET_ARN,
        "detailed_metrics": True,
        **EVERY_FUNCTION,
    },
    "smallest": {
        "bridge": False,
        "service_account": False,
        "session_table": SESSION_TABLE_ARN,
    },
}


@functools.cache
def widgets_of(shape: str) -> list[dict[str, Any]]:
    body = body_of(template_of(a_stack(**SHAPES[shape])).to_json())
    # As long as the time that is shown needs it.
    assert body["periodOverride"] == "auto"
    widgets: list[dict[str, Any]] = body["widgets"]
    return widgets


def graphs_of(shape: str) -> list[dict[str, Any]]:
    return [one["properties"] for one in widgets_of(shape) if one["type"] == "metric"]


def expressions_of(shape: str) -> list[str]:
    rows = [row for graph in graphs_of(shape) for row in graph["metrics"]]
    options = [row[-1] for row in rows if isinstance(row[-1], dict)]
    return [one["expression"] for one in options if "expression" in one]


@pytest.mark.parametrize("shape", SHAPES)
def test_it_is_24_columns_of_which_none_is_empty(shape: str) -> None:
    taken = [
        (one["x"] + column, one["y"] + row)
        for one in widgets_of(shape)
        for column in range(one["width"])
        for row in range(one["height"])
    ]
    height = max(row for _, row in taken) + 1
    assert len(taken) == len(set(taken)) == 24 * height


@pytest.mark.parametrize("shape", SHAPES)
def test_every_part_says_what_to_look_at_and_names_its_page(shape: str) -> None:
    texts = [one["properties"]["markdown"] for one in widgets_of(shape) if one["type"] == "text"]
    parts = {
        "default": ["Lines with a tag", "Delivery", "Bridge", "What it costs"],
        "everything": ["Lines with a tag", "Delivery", "Bridge", "Keys", "What it costs"],
        "smallest": ["Lines with a tag", "Delivery", "What it costs"],
    }
    assert [one.split("\n")[0].removeprefix("## ") for one in texts] == parts[shape]
    for one in texts:
        assert one.endswith(".")
        assert re.search(r"docs/[\w-]+\.md", one)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_states_of_the_alarms_name_their_page(shape: str) -> None:
    (states,) = [one for one in widgets_of(shape) if one["type"] == "alarm"]
    assert f"{ALARMS_PAGE}#each-alarm" in states["properties"]["title"]


@pytest.mark.parametrize("shape", SHAPES)
def test_graphs_have_titles_labels_and_axes(shape: str) -> None:
    for graph in graphs_of(shape):
        assert graph["title"]
        labels = []
        for row in graph["metrics"]:
            options = row[-1]
            if options.get("visible") is False:
                continue
            labels.append(options["label"])
            assert len(options["label"]) <= 40 or "PROP" in options["label"]
        assert len(labels) == len(set(labels)), graph["title"]
        if graph["view"] == "timeSeries":
            sides = {row[-1].get("yAxis", "left") for row in graph["metrics"]}
            assert {side for side, axis in graph["yAxis"].items() if axis["label"]} == sides


def colors_of_verdicts(shape: str) -> dict[str, str]:
    (graph,) = [one for one in graphs_of(shape) if one["title"] == "Lines by verdict"]
    shown = [row[-1] for row in graph["metrics"] if row[-1].get("visible") is not False]
    return {one["label"]: one["color"] for one in shown}


def test_verdicts_have_the_colours_of_their_meaning() -> None:
    colors = colors_of_verdicts("everything")
    assert len(set(colors.values())) == len(colors) == len(Verdict)
    assert colors["Linkable"] == "#2ca02c"
    assert colors["Misspelled tag"] == "#ff7f0e"
    assert colors["Malformed token"] == "#d62728"
    # Without a token secret no signature is checked.
    unchecked = colors_of_verdicts("default")
    assert colors.keys() - unchecked.keys() == {"Bad signature", "Unsigned"}


def test_log_groups_are_searched_for_and_only_the_first_are_drawn() -> None:
    searches = [one for one in expressions_of("everything") if one.startswith("SORT")]
    assert [re.findall('MetricName="(.*?)"', one)[0] for one in searches] == [
        names.LINKED_LINES,
        names.REJECTED_LINES,
        names.LINES,
    ]
    for one in searches:
        assert one.endswith(f", SUM, DESC, {LOG_GROUPS_SHOWN})")
        assert re.search(r'Deployment="[\w-]+"', one)
    # The cross is published with detailed metrics only.
    default = [one for one in expressions_of("default") if one.startswith("SORT")]
    assert len(default) == 2


def test_it_shows_what_the_functions_publish() -> None:
    text = str([one["properties"] for one in widgets_of("everything")])
    shown = {
        *(names.LINES, names.LINKED_LINES, names.REJECTED_LINES, names.DROPPED_LINES),
        *(
            names.ANSWERED_SEARCHES,
            names.EMPTY_SEARCHES,
            names.UNSETTLED_SEARCHES,
            names.TIMED_OUT_SEARCHES,
        ),
        *(names.REFUSED_SEARCHES, names.FAILED_SEARCHES, names.HITS, names.SEARCH_TIME),
        names.FAILED_KEY_READS,
        *(names.KEY_AGE, names.NEW_KEY_UNUSED, names.REFUSED_ROTATIONS, names.FAILED_ROTATIONS),
        *(names.QUEUED_LINES, names.THROTTLED_WRITES, names.REFUSED_ITEMS),
        *(names.UNUSABLE_PAYLOADS, "Invocations", "AsyncEventAge", "Throttles"),
        *("ConsumedWriteCapacityUnits", "ConsumedReadCapacityUnits"),
    }
    for name in shown:
        assert f"'{name}'" in text or f'"{name}"' in text, name


def test_the_units_of_another_stacks_table_are_not_shown() -> None:
    assert "AWS/DynamoDB" in str(graphs_of("default"))
    assert "AWS/DynamoDB" not in str(graphs_of("smallest"))
