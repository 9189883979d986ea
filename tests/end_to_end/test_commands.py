"""The command line, with log groups that are there."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from emulator import Emulator
from tests.commands.test_judge import GOOD, MISSPELLED
from tests.tagging.tokens import SESSION_ID

pytestmark = pytest.mark.emulator

ROOT = Path(__file__).parents[2]


def command(aws: Emulator, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "openreplay_cw_stack", *arguments],
        cwd=ROOT,
        env=aws.child_environment(),
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_lines_of_a_log_group_are_judged(aws: Emulator) -> None:
    logs = aws.client("logs")
    logs.create_log_group(logGroupName="/app/judged")
    logs.create_log_stream(logGroupName="/app/judged", logStreamName="web-1")
    now_ms = int(time.time() * 1000)
    events = [
        {"timestamp": now_ms - age_ms, "message": message}
        for age_ms, message in (
            (7_200_000, f"{GOOD} long ago"),
            (2000, f"{GOOD}\n  in two lines"),
            (1000, "of no visitor"),
            (0, MISSPELLED),
        )
    ]
    logs.put_log_events(logGroupName="/app/judged", logStreamName="web-1", logEvents=events)
    ran = command(aws, "judge", "--log-group", "/app/judged", "--json")
    assert ran.returncode == 1
    documents = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [one["verdict"] for one in documents] == ["linkable", "misspelled_tag"]
    assert documents[0]["session"] == str(SESSION_ID)


def test_a_log_group_that_is_not_there(aws: Emulator) -> None:
    ran = command(aws, "judge", "--log-group", "/app/nowhere")
    assert ran.returncode == 2
    assert ran.stderr.startswith("log group /app/nowhere does not exist in ")
    assert "`aws logs describe-log-groups` lists the names" in ran.stderr
    assert "Traceback" not in ran.stderr
