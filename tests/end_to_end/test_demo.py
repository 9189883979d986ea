"""``make demo``, as a person sees it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from demo.lines import TOKEN_SECRET, demo_lines
from openreplay_cw_stack.tagging import Verdict, judge, remove_session_tokens
from pictures import IMAGES, drawn
from pictures.recording import environment, read
from pictures.svg import texts_of
from tests.tagging.tokens import NOW_MS

pytestmark = pytest.mark.end_to_end

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "demo"]


def accept_ctrl_c() -> None:
    """A shell that runs the tests in the background has its children ignore SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def processes_with(text: str) -> list[str]:
    listed = subprocess.run(
        ["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True
    ).stdout
    return [line for line in listed.splitlines() if text in line]


@dataclass(frozen=True)
class Run:
    """A run of the demo that has ended, and the folder with its recording."""

    ended: subprocess.CompletedProcess[str]
    recorded: Path
    temporary: Path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    temporary, recorded = tmp_path_factory.mktemp("tmp"), tmp_path_factory.mktemp("recorded")
    ended = subprocess.run(
        COMMAND,
        cwd=ROOT,
        env={**environment(recorded), "TMPDIR": str(temporary)},
        capture_output=True,
        text=True,
        check=False,
    )
    return Run(ended, recorded, temporary)


def test_it_shows_every_verdict_and_every_denial(run: Run) -> None:
    printed = re.sub(r"\033\[\d+m", "", run.ended.stdout)
    assert run.ended.returncode == 0, printed
    for verdict in Verdict:
        assert re.search(rf"^  {verdict} +[1-9]", printed, re.MULTILINE), verdict
    assert printed.count("  denied   ") == 10
    assert "What OpenReplay lists beside the replay of session" in printed
    assert printed.count("gets the same response") == 2
    assert "Everything works as expected" in printed
    assert remove_session_tokens(printed) == printed
    assert "Traceback" not in printed.replace("Traceback (most", "") + run.ended.stderr
    assert processes_with(str(run.temporary)) == []
    assert [one.name for one in run.temporary.iterdir() if "emulator" in one.name] == []


def test_it_ends_with_three_next_steps(run: Run) -> None:
    printed = re.sub(r"\033\[\d+m", "", run.ended.stdout)
    steps = printed.split("\nNext\n")[1].strip().splitlines()
    assert [one.split()[0] for one in steps] == ["1.", "2.", "3."]
    (page,) = re.findall(r"docs/\S+\.md", printed)
    assert "## Step 1" in (ROOT / page).read_text()


def test_the_pictures_of_the_manual_show_this_run(run: Run) -> None:
    """If not: ``make pictures``, and look at what changed."""
    pictures = drawn(read(run.recorded, run.ended.stdout))
    assert pictures.keys() == {path.name for path in IMAGES.glob("*.svg")}
    for name, svg in pictures.items():
        assert texts_of((IMAGES / name).read_text()) == texts_of(svg), name


def test_ctrl_c_leaves_nothing_running(tmp_path: Path) -> None:
    running = subprocess.Popen(
        COMMAND,
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=accept_ctrl_c,
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
        preexec_fn=accept_ctrl_c,
    )
    assert running.stdout is not None
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    commands = []
    after = ""
    for line in running.stdout:
        text = line.strip()
        if text.startswith("export "):
            name, _, value = text.removeprefix("export ").partition("=")
            environment[name] = value
        if text.startswith("openreplay-cw "):
            commands.append(text.split()[1:])
        if text.startswith("npx cdk diff"):
            after = running.stdout.readline() + running.stdout.readline()
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
    assert "check reports problems here: the demo writes bad lines" in after
    # The demo's bad lines, and nothing else.
    assert set(re.findall(r"^FAIL +(\w+)", checked, re.MULTILINE)) == {"lines"}, checked
    assert "card declined" in session or "TypeError" in session
