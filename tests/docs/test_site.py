"""The manual is built as a site, and a warning is an error."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, ROOT


@pytest.mark.slow
def test_it_is_built_without_a_warning(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "--quiet"]
        + ["--doctree-dir", str(tmp_path / "trees"), str(DOCS), str(tmp_path / "site")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    alarms = (tmp_path / "site" / "alarms.html").read_text()
    assert 'id="deadletters"' in alarms
    reference = (tmp_path / "site" / "api.html").read_text()
    for name in ("OpenReplayCloudWatch", "WSGIMiddleware", "judge"):
        assert f"{name}</span>" in reference, name
