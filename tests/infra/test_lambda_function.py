from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import aws_cdk as cdk
import pytest

from openreplay_cw_stack import OpenReplayCloudWatchStack
from tests.infra.conftest import ROOT

SHARED = [
    "__init__",
    "runtime/__init__",
    "runtime/aws_calls",
    "runtime/embedded_metrics",
    "runtime/linked_line",
    "tagging/__init__",
    "tagging/grammar",
    "tagging/metrics",
    "tagging/poller",
    "tagging/redaction",
    "tagging/session_id",
    "tagging/verdict",
]
ROOMS = {
    "bridge": [
        *("__init__", "aws", "bridge", "credentials", "handler", "hits", "question", "request"),
        *("response", "session_lines", "settings"),
    ],
    "validator": [
        *("__init__", "aws", "counting", "delivery", "handler", "judging"),
        *("known_tags", "linking", "log_level", "logs_client", "settings", "subscription"),
        *("token_secret", "validator"),
    ],
}


def staged_files(asset: Path) -> set[str]:
    return {str(path.relative_to(asset)) for path in asset.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def assets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folders that are zipped and uploaded, by the room they are for."""
    out = tmp_path_factory.mktemp("cdk.out")
    app = cdk.App(outdir=str(out))
    OpenReplayCloudWatchStack(app, "Assets", new_log_groups=["/a"])
    app.synth()
    found = list(out.glob("asset.*"))
    assert len(found) == len(ROOMS)
    runtime = Path("openreplay_cw_stack", "runtime")
    return {room: asset for room in ROOMS for asset in found if (asset / runtime / room).exists()}


@pytest.mark.parametrize("room", ROOMS)
def test_exactly_these_files_are_deployed(assets: dict[str, Path], room: str) -> None:
    modules = [*SHARED, *(f"runtime/{room}/{module}" for module in ROOMS[room])]
    assert staged_files(assets[room]) == {f"openreplay_cw_stack/{one}.py" for one in modules}


@pytest.mark.parametrize("room", ROOMS)
def test_it_runs_without_site_packages(assets: dict[str, Path], room: str) -> None:
    imports = (
        "import sys; sys.path.insert(0, sys.argv[1]);"
        f"import openreplay_cw_stack.runtime.{room}.handler as handler;"
        "print(handler.__file__)"
    )
    printed = subprocess.run(
        [sys.executable, "-I", "-S", "-c", imports, str(assets[room])],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert printed.startswith(str(assets[room]))


@pytest.mark.parametrize("room", ROOMS)
def test_it_is_small(assets: dict[str, Path], room: str, tmp_path: Path) -> None:
    archive = tmp_path / "asset.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for path in assets[room].rglob("*.py"):
            file.write(path, path.relative_to(assets[room]))
    assert archive.stat().st_size <= 40 * 1024


def test_the_hashes_are_the_same_from_an_installed_package(
    assets: dict[str, Path], tmp_path: Path
) -> None:
    package = tmp_path / "site-packages" / "openreplay_cw_stack"
    shutil.copytree(ROOT / "openreplay_cw_stack", package)
    (package.parent / "other_package").mkdir()
    (package.parent / "other_package" / "code.py").write_text("")
    script = (
        "import aws_cdk as cdk, openreplay_cw_stack as package;"
        "app = cdk.App(outdir='out');"
        "package.OpenReplayCloudWatchStack(app, 'Assets', new_log_groups=['/a']); app.synth()"
    )
    environment = {**os.environ, "PYTHONPATH": str(package.parent)}
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environment, check=True)
    names = {one.name for one in (tmp_path / "out").glob("asset.*")}
    assert names == {asset.name for asset in assets.values()}
