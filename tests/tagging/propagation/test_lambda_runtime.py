"""With the code that AWS Lambda runs Python functions with, ``awslambdaric`` (Linux only)."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from openreplay_cw_stack.tagging import judge
from openreplay_cw_stack.tagging.propagation.redirection import ORIGINAL_HANDLER_VARIABLE
from tests.tagging.propagation.interpreters import environment
from tests.tagging.propagation.visitors import ANNA, BERT

PROGRAM = Path(__file__).parent / "programs" / "lambda_runtime.py"
FUNCTION = """
import logging, sys

def handler(event, context):
    logging.error("declined\\nin two lines")
    print("printed", "in", "pieces", file=sys.stderr)
    raise UnicodeDecodeError("utf-8", b"x", 0, 1, "no stock left")
"""
if importlib.util.find_spec("awslambdaric") is None:
    pytest.skip("awslambdaric is not installed", allow_module_level=True)

SESSIONS = [ANNA, None, BERT, None]


def run(folder: Path, log_format: str) -> tuple[list[str], str]:
    """The runtime's log events, and what the function printed."""
    (folder / "shop.py").write_text(FUNCTION)
    ran = subprocess.run(
        [sys.executable, str(PROGRAM), str(folder)]
        + [(session.token or "") if session else "" for session in SESSIONS],
        env={
            **environment(),
            "AWS_LAMBDA_LOG_FORMAT": log_format,
            ORIGINAL_HANDLER_VARIABLE: "shop.handler",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    events: list[str] = json.loads(ran.stdout.splitlines()[-1])
    return events, ran.stderr


@pytest.mark.parametrize("log_format", ["Text", "JSON"])
def test_every_event_is_its_visitors(tmp_path: Path, log_format: str) -> None:
    events, printed = run(tmp_path, log_format)
    expected = [session and session.session_id for session in SESSIONS]
    logged = [event for event in events if "declined" in event]
    reports = [event for event in events if "no stock left" in event]
    assert [judge(event).session_id for event in logged] == expected
    assert [judge(event).session_id for event in reports] == expected
    assert [judge(line).session_id for line in printed.splitlines()] == expected
    assert len(events) == 2 * len(SESSIONS)
    for session in (ANNA, BERT):
        assert f"{session.tag} printed in pieces\n" in printed


def test_json_stays_json(tmp_path: Path) -> None:
    events, _ = run(tmp_path, "JSON")
    documents = [json.loads(event) for event in events]
    anna, nobody = documents[0], documents[2]
    assert anna["message"] == "declined\nin two lines"
    assert anna.pop("openReplaySessionToken") == ANNA.token
    assert list(anna) == list(nobody)
    assert documents[1]["errorType"] == "UnicodeDecodeError"
