from __future__ import annotations

import io
import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openreplay_cw_stack.commands.report.findings import Finding, Status, fail, ok, skip, warn
from openreplay_cw_stack.commands.report.printing import (
    Section,
    as_json,
    exit_status,
    print_report,
)
from openreplay_cw_stack.commands.terminal import Output
from tests.tagging.tokens import a_token

COMMAND = f"aws logs put-subscription-filter --log-group-name {'x' * 200}"
FINDINGS = (
    ok("bridge", "answers"),
    skip("registration", "not looked at"),
    warn("lines", "a long sentence " * 12, "Look at it."),
    fail("tracked log group", "lost", f"Put it back:\n{COMMAND}"),
)
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def text(*findings: Finding, stream: io.StringIO | None = None) -> list[str]:
    stream = stream or io.StringIO()
    print_report(Output(stream), "Shop: here", [Section("S", findings)])
    return stream.getvalue().split("\n")[:-1]


def in_json(*sections: Section) -> str:
    return as_json({"stack": "Shop"}, "deployment", sections)


def test_a_pipe_gets_plain_lines_that_are_not_wrapped() -> None:
    assert text(*FINDINGS) == [
        "Shop: here",
        "",
        "S",
        "OK    bridge             answers",
        "SKIP  registration       not looked at",
        f"WARN  lines              {'a long sentence ' * 12}".rstrip(),
        f"{' ' * 27}Look at it.",
        "FAIL  tracked log group  lost",
        f"{' ' * 27}Put it back:",
        f"{' ' * 27}{COMMAND}",
        "",
        "problems found: 1 step OK, 1 WARN, 1 FAIL, 1 SKIP",
    ]


@pytest.fixture
def sixty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)


def test_a_terminal_gets_colours_and_its_width_and_commands_stay_whole(sixty_columns: None) -> None:
    coloured = text(*FINDINGS, stream=Terminal())
    assert any("\x1b[31mFAIL" in line for line in coloured)
    lines = [COLOURS.sub("", line).rstrip() for line in coloured]
    assert f"{' ' * 27}{COMMAND}" in lines
    assert all(len(line) <= 60 for line in lines if "aws" not in line)
    assert sum("sentence" in line for line in lines) > 3


def test_no_color(sixty_columns: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[3" not in "".join(text(*FINDINGS, stream=Terminal()))


def test_the_summary() -> None:
    assert text(ok("a", "b"))[-1] == "no problem found: 1 step OK"
    assert text(ok("a", "b"), skip("c", "d"))[-1] == "no problem found: 1 step OK, 1 SKIP"
    assert text(warn("a", "b", "c"))[-1] == "works, with warnings: 0 steps OK, 1 WARN"


def test_the_exit_status() -> None:
    assert exit_status([Section("S", [ok("a", "b"), warn("c", "d", "e"), skip("f", "g")])]) == 0
    assert exit_status([Section("S", [ok("a", "b")]), Section("T", [fail("c", "d", "e")])]) == 1


def test_as_json() -> None:
    document = json.loads(
        as_json(
            {"stack": "Shop"}, "deployment", [Section("S", FINDINGS), Section("T", FINDINGS[:1])]
        )
    )
    assert (document["stack"], document["status"]) == ("Shop", "fail")
    one, two = document["deployments"]
    assert one["steps"][3] == {
        "name": "tracked log group",
        "status": "fail",
        "detail": "lost",
        "remedy": f"Put it back:\n{COMMAND}",
    }
    assert [step["status"] for step in two["steps"]] == ["ok"]


def test_what_comes_from_outside_is_no_markup_and_no_token() -> None:
    hostile = fail("x", f"\x1b[2J [red]group[/] :smile: {a_token()}", f"run\n{a_token()}\n\r\x00")
    printed = "\n".join(text(hostile))
    assert "[red]group[/] :smile:" in printed
    for report in (printed, in_json(Section("S", [hostile]))):
        assert a_token() not in report
        assert "\x1b" not in report
        assert "\\u001b" not in report


@settings(deadline=None)
@given(detail=st.text(max_size=300), remedy=st.text(max_size=300), status=st.sampled_from(Status))
def test_any_text_is_printable_lines(detail: str, remedy: str, status: Status) -> None:
    finding = Finding("step", status, detail, remedy)
    for line in text(finding):
        assert line.isprintable()
        assert line == line.rstrip()
    assert json.loads(in_json(Section("S", [finding])))["status"] in (
        "ok",
        "warn",
        "fail",
    )


def test_a_section_begins_with_its_link() -> None:
    link = "https://openreplay.example/5/session/7"
    section = Section("S", [ok("a", "b")], link)
    stream = io.StringIO()
    print_report(Output(stream), "Shop", [section])
    assert stream.getvalue().splitlines()[3] == f"newest session with lines: {link}"
    assert json.loads(in_json(section))["deployments"][0]["replay_url"] == link
    assert "replay_url" not in in_json(Section("S", []))
