"""Draws the deployed dashboard: its widgets in their places, with the counts of the demo's run.

CloudWatch draws curves over time. The demo lasts a minute, so each series is one bar here. A series
that AWS publishes, or that is not a count, has a label and no bar.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from openreplay_cw_stack.contract import metrics as names
from pictures.recording import Metric, Recording
from pictures.svg import BLACK, GREY, LETTER, document, rect, text, titled

_COLUMN, _ROW, _GRID = 40, 30, 24
_WIDE = 12 * LETTER
_PAGE, _TILE = "#f2f3f3", "#e6e9ec"
_NO_COLOUR = "#1f77b4"
_NOTE = (
    "The bars and numbers count the lines and searches of one run of make demo. "
    "Series in grey are times, or AWS's own metrics."
)


@dataclass(frozen=True)
class Series:
    """A series of a graph, and its count in the run, or None if the run has no count of it."""

    label: str
    colour: str
    axis: str
    count: int | None


def draw_dashboard(recording: Recording, part: str | None = None) -> str:
    """Return the dashboard as SVG.

    Args:
        recording: the run whose dashboard and counts are drawn.
        part: the heading of the only part to draw.
    """
    widgets = _part(recording.dashboard["widgets"], part)
    top = min(one["y"] for one in widgets)
    height = (max(one["y"] + one["height"] for one in widgets) - top) * _ROW + 24
    width = _GRID * _COLUMN
    parts = [rect(0, 0, width, height, _PAGE)]
    for widget in widgets:
        x, y = widget["x"] * _COLUMN, (widget["y"] - top) * _ROW
        drawn = list(_drawn(widget, recording.metrics))
        parts += [f'<g transform="translate({x} {y})">', *drawn, "</g>"]
    parts.append(text(10, height - 8, _NOTE, fill=GREY))
    shown = f"the part {part}" if part else "all widgets"
    return document(width, height, f"The CloudWatch dashboard, {shown}. {_NOTE}", parts)


def _part(widgets: Sequence[dict[str, Any]], part: str | None) -> list[dict[str, Any]]:
    """Return the widgets from a heading to the next, or all."""
    if part is None:
        return list(widgets)
    found: list[dict[str, Any]] = []
    for widget in widgets:
        if widget["type"] == "text":
            if found:
                break
            if not widget["properties"]["markdown"].startswith(f"## {part}\n"):
                continue
        elif not found:
            continue
        found.append(widget)
    if not found:
        raise LookupError(f"the dashboard has no part {part!r}")
    return found


def _drawn(widget: Mapping[str, Any], metrics: Sequence[Metric]) -> Iterator[str]:
    properties = widget["properties"]
    width, height = widget["width"] * _COLUMN, widget["height"] * _ROW
    if widget["type"] == "text":
        yield from _text(properties["markdown"], width)
        return
    yield rect(3, 3, width - 6, height - 6, "#ffffff", stroke="#d5dbdb", rx=2)
    units = " and ".join(axis["label"] for axis in properties.get("yAxis", {}).values())
    title = textwrap.wrap(properties["title"], int((width - 24) / (13 * LETTER * 1.12)))
    for number, line in enumerate(title):
        is_last = number == len(title) - 1
        yield titled(12, 21 + 15 * number, line, units if is_last else "")
    if widget["type"] == "alarm":
        yield from _alarms(properties["alarms"], width)
        return
    top = 34 + 15 * (len(title) - 1)
    series = list(series_of(properties["metrics"], metrics))
    if properties["view"] == "singleValue":
        yield from _numbers(series, width)
    else:
        yield from _bars(series, properties, width, top, height)


def _text(markdown: str, width: int) -> Iterator[str]:
    heading, _, sentence = markdown.partition("\n")
    yield text(10, 21, heading.removeprefix("## "), font_size=16, font_weight="bold", fill=BLACK)
    lines = textwrap.wrap(sentence.replace("*", ""), int((width - 20) / _WIDE))
    for number, line in enumerate(lines):
        yield text(10, 38 + 15 * number, line, fill=BLACK)


def _alarms(arns: Sequence[str], width: int) -> Iterator[str]:
    x, y = 12.0, 30
    for arn in arns:
        name = alarm_name(arn)
        wide = len(name) * 11 * LETTER + 12
        if x + wide > width - 12:
            x, y = 12.0, y + 19
        yield rect(x, y, wide - 4, 16, _TILE, rx=2)
        yield text(x + wide / 2 - 2, y + 12, name, font_size=11, text_anchor="middle", fill=BLACK)
        x += wide


def alarm_name(arn: str) -> str:
    """Return the name of an alarm in the manual, from its ARN or its logical id."""
    found = re.search(r"Monitoring(\w+?)[0-9A-F]{8}(?:-|$)", arn)
    return found[1] if found else arn


def _numbers(series: Sequence[Series], width: int) -> Iterator[str]:
    step = width / 2 - 8
    for number, one in enumerate(series):
        x, y = 12 + number % 2 * step, 48 + number // 2 * 35
        count = "–" if one.count is None else str(one.count)
        yield rect(x, y - 15, 3, 29, one.colour if one.count is not None else _TILE)
        yield text(x + 9, y, count, font_size=17, fill=BLACK if one.count is not None else GREY)
        yield text(x + 9, y + 13, one.label, font_size=11, fill=GREY)


def _bars(
    series: Sequence[Series], properties: Mapping[str, Any], width: int, top: int, height: int
) -> Iterator[str]:
    lines = (properties.get("annotations") or {}).get("horizontal") or []
    step = min(20.0, (height - top - 4) / max(1, len(series) + len(lines)))
    left = max([len(one.label) * _WIDE for one in series], default=0) + 20
    for number, one in enumerate(series):
        y = top + step * number
        has_count = one.count is not None
        yield text(
            left - 6, y + 11, one.label, text_anchor="end", fill=BLACK if has_count else GREY
        )
        if one.count is None:
            yield rect(left, y + 2, 2, 11, _TILE)
            continue
        longest = max(other.count or 0 for other in series if other.axis == one.axis) or 1
        long = (width - left - 50) * one.count / longest
        yield rect(left, y, max(2, long), min(14, step - 3), one.colour)
        yield text(left + max(2, long) + 6, y + 11, str(one.count), fill=BLACK)
    for number, line in enumerate(lines, len(series)):
        unit = properties["yAxis"][line.get("yAxis", "left")]["label"]
        label = f"{line['label']} at {line['value']:g} {unit}"
        y = top + step * number
        yield f'<path d="M12 {y + 8:g}h24" stroke="{line["color"]}" stroke-dasharray="4"/>'
        yield text(42, y + 12, label, fill=GREY)


def series_of(rows: Sequence[Sequence[Any]], metrics: Sequence[Metric]) -> Iterator[Series]:
    """Yield the series of a widget that CloudWatch would show, with their counts in the run."""
    hidden = {row[-1]["id"]: row for row in rows if "id" in row[-1]}
    for row in rows:
        options = row[-1]
        if options.get("visible") is False:
            continue
        colour, axis = options.get("color", _NO_COLOUR), options.get("yAxis", "left")
        expression = str(options.get("expression", ""))
        filled = re.fullmatch(r"FILL\((\w+), 0\)", expression)
        search = re.match(r"SORT\(SEARCH\('\{([\w,]+)\} MetricName=\"(\w+)\"", expression)
        if search:
            for one in _found(search[2], search[1].split(",")[1:], metrics):
                yield Series(_label(options["label"], one), colour, axis, one.sum)
        elif "METRIC_COUNT" in expression:
            yield Series(options["label"], colour, axis, len(metrics))
        else:
            read = hidden[filled[1]] if filled else row
            yield Series(options["label"], colour, axis, _count(read, metrics))


def _found(name: str, dimensions: Sequence[str], metrics: Sequence[Metric]) -> list[Metric]:
    """Return the metrics that a search by name and dimensions finds, the largest first."""
    found = [one for one in metrics if one.name == name and set(one.dimensions) == set(dimensions)]
    return sorted(found, key=lambda one: (-one.sum, sorted(one.dimensions.items())))


def _label(label: str, metric: Metric) -> str:
    return re.sub(r"\$\{PROP\('Dim\.(\w+)'\)\}", lambda found: metric.dimensions[found[1]], label)


def _count(row: Sequence[Any], metrics: Sequence[Metric]) -> int | None:
    """Return the sum of a row's metric. The code does not publish zeroes."""
    options = row[-1]
    if row[0] != names.NAMESPACE or options.get("stat") != "Sum":
        return None
    dimensions = dict(zip(row[2:-1:2], row[3:-1:2], strict=True))
    return sum(
        one.sum for one in metrics if one.name == row[1] and dict(one.dimensions) == dimensions
    )
