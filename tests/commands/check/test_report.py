from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from openreplay_cw_stack.commands.check.findings import Finding, Status, fail, ok, skip, warn
from openreplay_cw_stack.commands.check.report import Checked, as_json, as_text
from tests.tagging.tokens import a_token

COMMAND = f"aws logs put-subscription-filter --log-group-name {'x' * 200}"
FINDINGS = (
    ok("bridge", "answers"),
    skip("registration", "not looked at"),
    warn("lines", "a long sentence " * 12, "Look at it."),
    fail("tracked log group", "lost", f"Put it back:\n{COMMAND}"),
)


def text(*findings: Finding, width: int = 60, colour: bool = False) -> list[str]:
    return list(as_text("Shop", "here", [Checked("S", findings)], width=width, colour=colour))


def test_lines_are_aligned_and_wrapped_and_commands_stay_whole() -> None:
    lines = text(*FINDINGS)
    assert lines[:3] == ["Shop: here", "", "S"]
    assert lines[3] == "OK    bridge             answers"
    assert lines[4] == "SKIP  registration       not looked at"
    assert f"{' ' * 27}{COMMAND}" in lines
    assert f"{' ' * 27}Put it back:" in lines
    assert lines[-1] == "not all right: 1 step OK, 1 WARN, 1 FAIL, 1 SKIP"
    assert all(len(line) <= 60 for line in lines if "aws" not in line)


def test_colour_changes_nothing_else() -> None:
    plain = text(*FINDINGS)
    coloured = text(*FINDINGS, colour=True)
    for code in ("32", "33", "31", "2"):
        coloured = [line.replace(f"\x1b[{code}m", "").replace("\x1b[0m", "") for line in coloured]
    assert coloured == plain


def test_the_summary() -> None:
    assert text(ok("a", "b"))[-1] == "all right: 1 step OK"
    assert text(ok("a", "b"), skip("c", "d"))[-1] == "all right: 1 step OK, 1 SKIP"
    assert text(warn("a", "b", "c"))[-1] == "works, with something to look at: 0 steps OK, 1 WARN"


def test_as_json() -> None:
    document = json.loads(as_json("Shop", [Checked("S", FINDINGS), Checked("T", FINDINGS[:1])]))
    assert (document["stack"], document["status"]) == ("Shop", "fail")
    one, two = document["deployments"]
    assert one["steps"][3] == {
        "name": "tracked log group",
        "status": "fail",
        "detail": "lost",
        "remedy": f"Put it back:\n{COMMAND}",
    }
    assert [step["status"] for step in two["steps"]] == ["ok"]


def test_no_token_is_ever_printed() -> None:
    hostile = fail("x", f"\x1b[2J group {a_token()}", f"run\n{a_token()}\n\r\x00")
    for report in ("\n".join(text(hostile)), as_json("Shop", [Checked("S", [hostile])])):
        assert a_token() not in report
        assert "\x1b" not in report
        assert "\\u001b" not in report


@given(
    detail=st.text(max_size=300),
    remedy=st.text(max_size=300),
    status=st.sampled_from(Status),
    width=st.integers(1, 200),
)
def test_any_text_is_printable_lines(detail: str, remedy: str, status: Status, width: int) -> None:
    finding = Finding("step", status, detail, remedy)
    for line in text(finding, width=width):
        assert line.isprintable()
        assert line == line.rstrip()
    assert json.loads(as_json("Shop", [Checked("S", [finding])]))["status"] in (
        "ok",
        "warn",
        "fail",
    )
