"""Run the Node.js package's own tests, and judge what its loggers write."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from openreplay_cw_stack.tagging import judge
from openreplay_cw_stack.version import VERSION
from tests.tagging.propagation.visitors import ANNA, BERT

PACKAGE = Path(__file__).parents[2] / "nodejs"
needs_packages = pytest.mark.skipif(
    not (PACKAGE / "node_modules").exists(), reason="npm ci has not been run in nodejs/"
)

BODIES = [
    {"order": 7},
    {"openReplaySessionToken": BERT.token},
    {"openReplaySession.id": str(BERT.session_id)},
    {"openReplaySession.id": BERT.session_id},
    {"openReplaySession": {"id": str(BERT.session_id)}},
    {"openReplaySession": {"id": str(ANNA.session_id), "other": BERT.tag}},
    {"openReplaySessionToken": "", "openReplaySession.id": None},
    {
        "openReplaySessionToken": {"a": [BERT.token]},
        "context": {"openReplaySessionToken": BERT.token},
    },
    {
        "message": BERT.tag,
        "msg": f"{BERT.tag} error",
        "log": json.dumps({"openReplaySession.id": "7"}),
    },
    {"text": f"first {BERT.tag}\n{BERT.tag} second", "\u001b[1m": "\u0000\u2028"},
]


@needs_packages
def test_logged_bodies_cannot_change_a_lines_session(node: str) -> None:
    ran = subprocess.run(
        [node, Path(__file__).parent / "bodies.js", str(ANNA.token)],
        input=json.dumps(BODIES),
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    lines = [line for line in f"{ran.stdout}\n{ran.stderr}".split("\n") if line.strip()]
    assert len(lines) > 11 * len(BODIES)
    assert {judge(line).session_id for line in lines} == {ANNA.session_id}


@needs_packages
@pytest.mark.slow
def test_its_own_tests() -> None:
    ran = subprocess.run(
        ["npm", "test"], cwd=PACKAGE, capture_output=True, encoding="utf-8", check=False
    )
    assert ran.returncode == 0, ran.stdout[-5000:]


def test_metadata() -> None:
    package = json.loads((PACKAGE / "package.json").read_text())
    assert package["version"] == VERSION
    assert "dependencies" not in package
    versions = package["devDependencies"].values()
    assert all(version[0].isdigit() for version in versions)
    lock = (PACKAGE / "package-lock.json").read_text()
    assert '"resolved"' not in lock
