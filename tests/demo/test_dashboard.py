"""The picture of the dashboard has what the dashboard has."""

from __future__ import annotations

import html
import json
from pathlib import Path

import pytest

from demo import dashboard

TEMPLATE = Path(__file__).parents[1] / "infra" / "snapshots" / "full.json"


def test_every_widget_is_drawn(tmp_path: Path) -> None:
    out = tmp_path / "dashboard.html"
    assert dashboard.main([str(TEMPLATE), str(out)]) == 0
    page = out.read_text()
    widgets = dashboard.body_of(json.loads(TEMPLATE.read_text()))["widgets"]
    assert page.count("<section") == len(widgets)
    for widget in widgets:
        properties = widget["properties"]
        for text in [
            properties.get("title", ""),
            *(
                row[-1]["label"]
                for row in properties.get("metrics", [])
                if row[-1].get("visible") is not False and "PROP" not in row[-1]["label"]
            ),
        ]:
            assert html.escape(text) in page
    # Searches are drawn by log group, alarms by their names.
    assert "PROP" not in page
    assert "/shop/checkout: linkable" in page
    assert ">DeadLetters<" in page


def test_without_arguments_it_says_how_it_is_called(capsys: pytest.CaptureFixture[str]) -> None:
    assert dashboard.main([]) == 2
    assert "python -m demo.dashboard" in capsys.readouterr().err
