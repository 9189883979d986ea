from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from openreplay_cw_stack.commands.preflight.filter_pattern import check_filter_pattern
from openreplay_cw_stack.commands.preflight.pattern_lines import PATTERN_LINES
from openreplay_cw_stack.commands.report.findings import Finding
from openreplay_cw_stack.contract.filter_pattern import FILTER_PATTERN
from tests.commands.preflight.support import context, planned
from tests.commands.support import account, refusal


def checked(folder: Path, answer: Any) -> Finding:
    of = context(account(logs={"test_metric_filter": answer}), planned(folder))
    (finding,) = check_filter_pattern(of)
    assert of.account.client("logs").asked == [
        (
            "test_metric_filter",
            {
                "filterPattern": FILTER_PATTERN,
                "logEventMessages": [one.text for one in PATTERN_LINES],
            },
        )
    ]
    return finding


def selecting(*what: str) -> dict[str, Any]:
    """An answer that selects these, and those that it should, but for the ones with a "-"."""
    return {
        "matches": [
            {"eventNumber": number}
            for number, one in enumerate(PATTERN_LINES, 1)
            if (one.tagged and f"-{one.what}" not in what) or one.what in what
        ]
    }


def test_it_selects_what_it_should(tmp_path: Path) -> None:
    finding = checked(tmp_path, selecting())
    assert finding.status.value == "ok"
    tagged = sum(one.tagged for one in PATTERN_LINES)
    assert f"selects {tagged} tagged lines and ignores {50 - tagged} others" in finding.detail


@pytest.mark.parametrize("what", ["-blanks", "-token tag", "error", "long s"])
def test_it_selects_another_line(tmp_path: Path, what: str) -> None:
    finding = checked(tmp_path, selecting(what))
    assert finding.status.value == "fail"
    assert finding.detail.endswith(
        f"selects 1 of 50 lines wrongly: {what[1:] if what[0] == '-' else what}"
    )


def test_it_is_refused(tmp_path: Path) -> None:
    refused = refusal("TestMetricFilter", "InvalidParameterException", "Invalid filter pattern")
    finding = checked(tmp_path, refused)
    assert (finding.status.value, "Invalid filter pattern" in finding.detail) == ("fail", True)
