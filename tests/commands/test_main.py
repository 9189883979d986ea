from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from openreplay_cw_stack.commands import COMMANDS, main
from openreplay_cw_stack.version import VERSION


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"openreplay-cw {VERSION}\n"


def test_without_an_installation_the_program_has_the_same_name() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "openreplay_cw_stack", "--help"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.startswith("usage: openreplay-cw ")


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_says_what_it_does(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: openreplay-cw {command} ")


def test_no_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    for name in COMMANDS:
        assert re.search(rf"^    {name}\s", printed.err, re.MULTILINE)
