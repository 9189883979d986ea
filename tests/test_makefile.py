"""What the targets of the Makefile would run."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_an_installation_prints_announcements_and_errors_alone() -> None:
    ran = subprocess.run(
        ["make", "--dry-run", "--always-make", "install"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    commands = ran.stdout.splitlines()
    pip = [one for one in commands if " -m pip " in one]
    npm = [one for one in commands if one.startswith("npm ci")]
    assert (len(pip), len(npm)) == (3, 4)
    assert all(" install --quiet " in one for one in pip)
    assert all(" --loglevel=error" in one for one in npm)
