"""The package as a backend installs it: alone, and nothing with it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

pytestmark = pytest.mark.end_to_end

ROOT = Path(__file__).parents[2]


def test_a_backend_gets_the_tagging_and_nothing_else(tmp_path: Path) -> None:
    # A copy, since a build leaves its own folders in the source's.
    source = tmp_path / "source"
    shutil.copytree(ROOT / "openreplay_cw_stack", source / "openreplay_cw_stack")
    shutil.copytree(
        ROOT / "nodejs", source / "nodejs", ignore=shutil.ignore_patterns("node_modules")
    )
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", tmp_path, source],
        check=True,
    )
    (wheel,) = tmp_path.glob("openreplay_cw_stack-*.whl")
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", wheel], check=True)
    script = (
        "from openreplay_cw_stack.tagging import judge, propagation; propagation.install();"
        "import openreplay_cw_stack, importlib.util;"
        "print(judge('[openReplaySession.id=1] error').verdict, openreplay_cw_stack.__file__,"
        "*map(importlib.util.find_spec, ('aws_cdk', 'boto3', 'emulator', 'demo', 'tests')))"
    )
    printed = subprocess.run(
        [python, "-I", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout.split()
    assert printed[0] == "linkable"
    assert printed[1].startswith(str(tmp_path))
    assert printed[2:] == ["None"] * 5
    command = tmp_path / "venv" / "bin" / "openreplay-cw"
    judged = subprocess.run(
        [command, "judge"], input="[openReplaySession.id=1] error", capture_output=True, text=True
    )
    assert judged.stdout.startswith("linkable"), judged.stderr
    installed = Path(printed[1]).parent
    assert (installed / "py.typed").exists()
    assert (installed / "infra" / "open_replay_cloud_watch.py").exists()
    # The layer for Node.js functions, with all that it loads and no tests of it.
    nodejs = {str(path.relative_to(installed)) for path in installed.glob("nodejs/**/*.*js*")}
    assert {f"nodejs/lib/{path.name}" for path in ROOT.glob("nodejs/lib/*.js")} < nodejs
    assert {"nodejs/package.json", "nodejs/index.js", "nodejs/lambda.mjs"} < nodejs
    assert not any("test" in path or "bench" in path for path in nodejs)
