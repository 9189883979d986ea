from __future__ import annotations

import io
import re

import pytest

from openreplay_cw_stack.commands.session.report import print_session
from openreplay_cw_stack.commands.session.view import SessionView
from openreplay_cw_stack.commands.terminal import Output


def test_a_narrow_terminal_folds_and_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("TERM", "xterm")

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    group, message = "/aws/ecs/" + "g" * 40, "no stock for 12 things " + "x" * 90
    source = {"message": f"{group}: {message}", "level": "error", "log_group": group}
    hit = {"_source": {**source, "@timestamp": "2026-11-23T23:00:01.000Z"}}
    terminal = Terminal()
    print_session(Output(terminal), SessionView(7, [hit], [], "answered", "", {}, False))
    text = re.sub(r"\x1b\[[0-9;]*m", "", terminal.getvalue())
    assert max(map(len, text.split("\n"))) <= 60
    assert text.count("x") == 90
    assert text.count("g") >= 40
    assert "things" in text
    assert "\x1b[31merror" in terminal.getvalue()
