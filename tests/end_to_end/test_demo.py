"""``make demo``, as a person sees it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from demo.lines import TOKEN_SECRET, demo_lines
from openreplay_cw_stack.tagging import Verdict, judge, remove_session_tokens
from tests.tagging.tokens import NOW_MS

pytestmark = pytest.mark.end_to_end

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "demo"]


def processes_with(text: str) -> list[str]:
    listed = subprocess.run(
        ["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True
    ).stdout
    return [line for line in listed.splitlines() if text in line]


def test_it_shows_every_verdict_and_every_denial(tmp_path: Path) -> None:
    ended = subprocess.run(
        COMMAND,
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout
    for verdict in Verdict:
        assert re.search(rf"^  {verdict} +[1-9]", ended.stdout, re.MULTILINE), verdict
    assert ended.stdout.count("  denied   ") == 10
    assert "What OpenReplay lists beside the replay of session" in ended.stdout
    assert ended.stdout.count("gets the same response") == 2
    assert "Everything works as expected" in ended.stdout
    assert remove_session_tokens(ended.stdout) == ended.stdout
    assert "Traceback" not in ended.stdout.replace("Traceback (most", "") + ended.stderr
    assert re.findall(r"^  (\d)\. ", ended.stdout.split("\nNext\n")[1], re.MULTILINE) == [
        "1",
        "2",
        "3",
    ]
    (page,) = re.findall(r"docs/\S+\.md", ended.stdout)
    assert "## Step 1" in (ROOT / page).read_text()
    assert processes_with(str(tmp_path)) == []
    assert [one.name for one in tmp_path.iterdir() if "emulator" in one.name] == []


def test_ctrl_c_leaves_nothing_running(tmp_path: Path) -> None:
    running = subprocess.Popen(
        COMMAND,
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert running.stdout is not None
    for line in running.stdout:
        if "cdk bootstrap" in line:
            break
    time.sleep(1)
    running.send_signal(signal.SIGINT)
    printed = running.stdout.read()
    assert running.wait(30) == 130
    assert "nothing is left running" in printed
    assert processes_with(str(tmp_path)) == []
    assert [one.name for one in tmp_path.iterdir() if "emulator" in one.name] == []


def test_its_lines_have_every_verdict() -> None:
    found = {
        judge(line.message, token_secret=TOKEN_SECRET.encode()).verdict
        for line in demo_lines(NOW_MS)
    }
    assert found == set(Verdict)


def test_the_commands_that_it_prints_work_while_it_stays_up(tmp_path: Path) -> None:
    running = subprocess.Popen(
        COMMAND,
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path), "KEEP": "1"},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert running.stdout is not None
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    commands = []
    for line in running.stdout:
        text = line.strip()
        if text.startswith("export "):
            name, _, value = text.removeprefix("export ").partition("=")
            environment[name] = value
        if text.startswith("openreplay-cw "):
            commands.append(text.split()[1:])
        if text.startswith("npx cdk diff"):
            break
    try:
        outputs = [
            subprocess.run(
                [sys.executable, "-m", "openreplay_cw_stack", *command],
                cwd=ROOT,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            ).stdout
            for command in commands
        ]
    finally:
        running.send_signal(signal.SIGINT)
        running.stdout.read()
    assert running.wait(30) == 130
    checked, session = outputs
    assert re.search(r"^OK +bridge", checked, re.MULTILINE), checked
    # The demo's bad lines, and nothing else.
    assert set(re.findall(r"^FAIL +(\w+)", checked, re.MULTILINE)) == {"lines"}, checked
    assert "card declined" in session or "TypeError" in session
