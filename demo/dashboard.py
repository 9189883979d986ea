"""Draws the dashboard of a synthesised template as a web page, with made-up numbers.

    python -m demo.dashboard cdk.out/OpenReplayCloudWatch.template.json dashboard.html

The page has the positions, titles, labels, colours and axes of the widgets. The numbers simulate a
day in which one program begins to misspell its tags.
"""

from __future__ import annotations

import html
import json
import math
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COLUMN, ROW = 58, 50
POINTS = 96
# CloudWatch's own colours, for series without a colour.
_PALETTE = ("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f")
_GROUPS = ("/shop/checkout", "/shop/search", "/aws/lambda/billing", "/ecs/recommendations")
_STYLE = """
body{margin:12px;background:#f2f3f3;font:13px Helvetica,Arial,sans-serif;color:#16191f}
main{position:relative}section{position:absolute;box-sizing:border-box;padding:3px}
section>div{background:#fff;border:1px solid #d5dbdb;height:100%;box-sizing:border-box;
padding:6px 10px;overflow:hidden}section.text>div{background:none;border:0}
h2{font-size:17px;margin:6px 0 2px}h3{font-size:13px;margin:0 0 4px}p{margin:0}
.tile{display:inline-block;background:#e9f7e9;border-left:4px solid #2ca02c;padding:5px 9px;
margin:2px;font-size:12px}.number{display:inline-block;width:31%;margin:4px 0;font-size:11px}
.number b{display:block;font-size:21px;font-weight:400}.legend{font-size:11px;line-height:1.35}
.legend i{display:inline-block;width:9px;height:9px;margin:0 3px 0 10px}
"""


@dataclass(frozen=True)
class Series:
    """One line of a graph."""

    label: str
    color: str
    right: bool
    values: list[float]


def body_of(template: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body of the template's dashboard, with shortened references."""
    (properties,) = [
        one["Properties"]
        for one in template["Resources"].values()
        if one["Type"] == "AWS::CloudWatch::Dashboard"
    ]
    body: dict[str, Any] = json.loads(_resolved(properties["DashboardBody"]))
    return body


def _resolved(value: Any) -> str:
    if isinstance(value, str):
        return value
    if "Fn::Join" in value:
        separator, parts = value["Fn::Join"]
        return str(separator).join(map(_resolved, parts))
    (reference,) = value.values()
    return str(reference[0] if isinstance(reference, list) else reference)


def page(body: dict[str, Any]) -> str:
    """Return the dashboard as HTML."""
    drawn = "".join(map(_section, body["widgets"]))
    height = max(one["y"] + one["height"] for one in body["widgets"]) * ROW
    return (
        f"<!doctype html><meta charset=utf-8><title>Dashboard</title><style>{_STYLE}</style>"
        f'<main style="width:{24 * COLUMN}px;height:{height}px">{drawn}</main>'
    )


def _section(widget: dict[str, Any]) -> str:
    place = {"left": "x", "width": "width"}, {"top": "y", "height": "height"}
    css = ";".join(
        f"{name}:{widget[key] * unit}px"
        for names, unit in zip(place, (COLUMN, ROW), strict=True)
        for name, key in names.items()
    )
    draw = {"text": _text, "alarm": _alarms, "metric": _metric}[widget["type"]]
    return f'<section class="{widget["type"]}" style="{css}"><div>{draw(widget)}</div></section>'


def _text(widget: dict[str, Any]) -> str:
    heading, _, sentence = html.escape(widget["properties"]["markdown"]).partition("\n")
    sentence = re.sub(r"\*(.+?)\*", r"<em>\1</em>", sentence)
    return f"<h2>{heading.removeprefix('## ')}</h2><p>{sentence}</p>"


def _alarms(widget: dict[str, Any]) -> str:
    properties = widget["properties"]
    short = [re.sub(r"^\w*Monitoring|\w{8}$", "", one) for one in properties["alarms"]]
    tiles = "".join(f'<span class="tile">{html.escape(one)}</span>' for one in short)
    return f"<h3>{html.escape(properties['title'])}</h3>{tiles}"


def _metric(widget: dict[str, Any]) -> str:
    properties = widget["properties"]
    series = list(_series(properties["metrics"]))
    title = f"<h3>{html.escape(properties['title'])}</h3>"
    if properties["view"] == "singleValue":
        return title + "".join(map(_number, series))
    legend = "".join(
        f'<i style="background:{one.color}"></i>{html.escape(one.label)}' for one in series
    )
    return f'{title}{_chart(widget, series)}<div class="legend">{legend}</div>'


def _number(series: Series) -> str:
    total = sum(series.values)
    shown = max(series.values) if series.label == "Custom metrics" else total
    return f'<span class="number"><b>{_short(shown)}</b>{html.escape(series.label)}</span>'


def _series(metrics: list[list[Any]]) -> Iterator[Series]:
    """Yield the visible series. In a row, dots stand for the values of the row above."""
    above: list[Any] = []
    number = 0
    for row in metrics:
        names, options = (row[:-1], row[-1]) if isinstance(row[-1], dict) else (row, {})
        names = [above[at] if one == "." else one for at, one in enumerate(names)]
        if names and names[0] == "...":
            names = above[: -len(names) + 1] + names[1:]
        above = names or above
        if options.get("visible") is False:
            continue
        label = str(options.get("label") or names[1])
        for each in _GROUPS if "PROP('Dim" in label else (None,):
            color = options.get("color") or _PALETTE[number % len(_PALETTE)]
            text = label if each is None else re.sub(r"\$\{PROP\('Dim.LogGroup'\)\}", each, label)
            text = text.replace("${PROP('Dim.Verdict')}", "linkable")
            values = _made_up(each or text)
            if "Rejected" in str(options.get("expression")):
                values = _made_up("Misspelled tag") if each == _GROUPS[1] else [0.0] * POINTS
            yield Series(text, color, options.get("yAxis") == "right", values)
            number += 1


def _made_up(label: str) -> list[float]:
    """Return a day's numbers: a wave, and misspelled tags from the afternoon on."""
    sizes = {
        "Linkable": 900,
        "No tag": 40,
        "Empty token": 25,
        "Validator invocations": 180,
        "Bridge invocations": 5,
        "Write units": 400,
        "Read units": 20,
        "Answered with lines": 3,
        "No line": 1.6,
        "Held back": 0.9,
        "Lines returned": 40,
        "Time, median": 120,
        "Time, slowest twentieth": 480,
        "Oldest payload": 0.4,
        **dict(zip(_GROUPS, (420, 260, 160, 60), strict=True)),
    }
    constant = {
        "Custom metrics": 11,
        "The bridge's API key": 12,
        "The service account's access": 12,
    }
    rising = {"Misspelled tag": 300}
    for begin, value in constant.items():
        if label.startswith(begin):
            return [float(value)] * POINTS
    values = []
    for at in range(POINTS):
        day = 0.35 + 0.65 * math.sin(math.pi * at / POINTS) ** 2
        noise = 1 + 0.18 * math.sin(at * 2.3 + len(label)) + 0.1 * math.sin(at * 5.1)
        late = rising.get(label, 0) if at > 0.7 * POINTS else 0
        values.append(max(0.0, (sizes.get(label, 0) * day + late) * noise))
    return values


def _chart(widget: dict[str, Any], series: list[Series]) -> str:
    properties = widget["properties"]
    width = widget["width"] * COLUMN - 30
    legend = 18 * max(1, math.ceil(sum(len(one.label) * 6 + 24 for one in series) / width))
    height = widget["height"] * ROW - 44 - legend
    axes = properties.get("yAxis") or {}
    lines = (properties.get("annotations") or {}).get("horizontal") or []
    inner = width - 60 - (60 if "right" in axes else 0)
    parts = []
    for side, axis in axes.items():
        mine = [one for one in series if one.right == (side == "right")]
        drawn = _cumulated(mine) if properties.get("stacked") else [one.values for one in mine]
        marks = [one["value"] for one in lines if side == "left"]
        top = max([1.0, *marks, *(max(one) for one in drawn)]) * 1.08
        at = 55 if side == "left" else 65 + inner
        anchor = "end" if side == "left" else "start"
        for share in (0, 0.5, 1):
            y = height - 4 - share * (height - 16)
            parts.append(
                f'<text x="{at}" y="{y + 4}" text-anchor="{anchor}">{_short(top * share)}</text>'
                f'<path d="M60 {y}h{inner}" stroke="#e3e3e3"/>'
            )
        x = 10 if side == "left" else width - 4
        parts.append(
            f'<text transform="translate({x} {height / 2}) rotate(-90)" text-anchor="middle" '
            f'fill="#687078">{html.escape(axis.get("label", ""))}</text>'
        )
        points = [
            [
                (60 + inner * at / (POINTS - 1), height - 4 - (height - 16) * value / top)
                for at, value in enumerate(values)
            ]
            for values in drawn
        ]
        for one, line in reversed(list(zip(mine, points, strict=True))):
            path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in line)
            if properties.get("stacked"):
                path += f"L{60 + inner} {height - 4}L60 {height - 4}Z"
                parts.append(f'<path d="{path}" fill="{one.color}"/>')
            else:
                parts.append(
                    f'<path d="{path}" fill="none" stroke="{one.color}" stroke-width="2"/>'
                )
        for one in lines if side == "left" else []:
            y = height - 4 - (height - 16) * one["value"] / top
            parts.append(
                f'<path d="M60 {y}h{inner}" stroke="{one["color"]}" stroke-dasharray="4"/>'
                f'<text x="{64}" y="{y - 3}">{html.escape(one["label"])}</text>'
            )
    return f'<svg width="{width}" height="{height}" font-size="10">{"".join(parts)}</svg>'


def _cumulated(series: list[Series]) -> list[list[float]]:
    totals = [0.0] * POINTS
    found = []
    for one in series:
        totals = [total + value for total, value in zip(totals, one.values, strict=True)]
        found.append(totals)
    return found


def _short(value: float) -> str:
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def main(arguments: list[str]) -> int:
    """Draw the dashboard of a template and return the exit status."""
    if len(arguments) != 2:
        sys.stderr.write(f"{__doc__}")
        return 2
    template, out = map(Path, arguments)
    out.write_text(page(body_of(json.loads(template.read_text()))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
