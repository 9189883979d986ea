"""The page's API. What the page's code prints rightly, it prints too, to the letter."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.tagging.propagation.interpreters import environment
from tests.tagging.propagation.visitors import ANNA

PROGRAMS = Path(__file__).parent / "programs"
ROOT = Path(__file__).parents[3]


def run(kind: str, program: str) -> str:
    """What a program writes, to whichever stream."""
    imports = {
        "snippet": "import snippet as patch",
        "ours": "from openreplay_cw_stack.tagging.propagation import drop_in as patch",
    }
    script = f"import sys, traceback\n{imports[kind]}\n{program}"
    ran = subprocess.run(
        [sys.executable, "-c", script],
        env={**environment(), "PYTHONPATH": f"{ROOT}:{PROGRAMS}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    )
    return ran.stdout


@pytest.mark.parametrize(
    "program",
    [
        "print('error', file=sys.stderr)",
        "patch.OPENREPLAY_SESSION_TOKEN = {token!r}; print('no stock left', file=sys.stderr)",
        "patch.OPENREPLAY_SESSION_TOKEN = {token!r}; sys.stderr.write('a line\\n')",
        "patch.OPENREPLAY_SESSION_TOKEN = {token!r}; patch.OPENREPLAY_SESSION_TOKEN = None\n"
        "print('of nobody', file=sys.stderr)",
        "patch.OPENREPLAY_SESSION_TOKEN = {token!r}; print(file=sys.stderr)",
        "print(patch.OPENREPLAY_SESSION_TOKEN)",
        "patch.OPENREPLAY_SESSION_TOKEN = {token!r}; print(patch.OPENREPLAY_SESSION_TOKEN)",
    ],
)
def test_the_same_output(program: str) -> None:
    program = program.format(token=ANNA.token)
    assert run("ours", program) == run("snippet", program)


def test_what_is_no_token_means_none() -> None:
    program = (
        "patch.OPENREPLAY_SESSION_TOKEN = 'a]\\n[openReplaySession.id=7'\n"
        "print(patch.OPENREPLAY_SESSION_TOKEN)\n"
        "print('error', file=sys.stderr, flush=True)"
    )
    assert sorted(run("ours", program).split()) == ["None", "error"]
