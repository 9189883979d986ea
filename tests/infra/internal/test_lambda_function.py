from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import aws_cdk as cdk
import pytest

from openreplay_cw_stack import OpenReplayCloudWatchStack
from tests.infra.conftest import EVERY_FUNCTION, PROJECT, ROOT

HANDLERS = [
    "bridge.handler",
    "registration.deployment",
    "registration.handler",
    "rotation.handler",
    "validator.handler",
]
MAX_KILOBYTES = 120
SHARED = {"contract", "openreplay", "tagging"}


@pytest.fixture(scope="module")
def assets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folders that are zipped and uploaded, by the function they are for."""
    out = tmp_path_factory.mktemp("cdk.out")
    app = cdk.App(outdir=str(out))
    OpenReplayCloudWatchStack(app, "Assets", new_log_groups=["/a"], **EVERY_FUNCTION)
    app.synth()
    runtime = Path("openreplay_cw_stack", "runtime")
    found = list(out.glob("asset.*"))
    rooms = {handler.split(".")[0] for handler in HANDLERS}
    assert len(found) == len(rooms)
    return {room: asset for room in rooms for asset in found if (asset / runtime / room).exists()}


@pytest.mark.parametrize("room", sorted({handler.split(".")[0] for handler in HANDLERS}))
def test_a_function_has_its_room_and_the_shared_ones(assets: dict[str, Path], room: str) -> None:
    package = assets[room] / "openreplay_cw_stack"
    assert {path.name for path in package.iterdir() if path.is_dir()} == {*SHARED, "runtime"}
    assert {path.name for path in (package / "runtime").iterdir() if path.is_dir()} == {room}
    files = [path for path in assets[room].rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".py"}
    for path in files:
        relative = path.relative_to(assets[room])
        assert path.read_bytes() == (ROOT / relative).read_bytes()
    assert not (package / "tagging" / "propagation").exists()


@pytest.mark.parametrize("handler", HANDLERS)
def test_it_runs_without_site_packages(assets: dict[str, Path], handler: str) -> None:
    imports = (
        "import sys; sys.path.insert(0, sys.argv[1]);"
        f"import openreplay_cw_stack.runtime.{handler} as module;"
        "print(module.__file__)"
    )
    printed = subprocess.run(
        [sys.executable, "-I", "-S", "-c", imports, str(assets[handler.split(".")[0]])],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert printed.startswith(str(assets[handler.split(".")[0]]))


def test_they_are_small(assets: dict[str, Path], tmp_path: Path) -> None:
    for room, asset in assets.items():
        archive = tmp_path / f"{room}.zip"
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
            for path in asset.rglob("*.py"):
                file.write(path, path.relative_to(asset))
        assert archive.stat().st_size <= MAX_KILOBYTES * 1024


@pytest.mark.slow
def test_the_hashes_are_the_same_from_an_installed_package(
    assets: dict[str, Path], tmp_path: Path
) -> None:
    package = tmp_path / "site-packages" / "openreplay_cw_stack"
    shutil.copytree(ROOT / "openreplay_cw_stack", package)
    (package.parent / "other_package").mkdir()
    (package.parent / "other_package" / "code.py").write_text("")
    script = (
        "import sys, json, aws_cdk as cdk, openreplay_cw_stack as package;"
        "app = cdk.App(outdir='out');"
        "projects = json.loads(sys.argv[1]);"
        "package.OpenReplayCloudWatchStack(app, 'Assets', new_log_groups=['/a'],"
        "    rotation=cdk.Duration.days(30), openreplay_projects=projects);"
        "app.synth()"
    )
    environment = {**os.environ, "PYTHONPATH": str(package.parent)}
    command = [sys.executable, "-c", script, json.dumps([PROJECT])]
    subprocess.run(command, cwd=tmp_path, env=environment, check=True)
    names = {one.name for one in (tmp_path / "out").glob("asset.*")}
    assert names == {asset.name for asset in assets.values()}
