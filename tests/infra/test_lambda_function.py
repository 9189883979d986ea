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

TAGGING = ["__init__", "grammar", "judgement", "minting", "poller", "redaction", "verdict"]
SHARED = ["__init__", "runtime/__init__", "runtime/aws_calls"]
SHARED += [f"tagging/{one}" for one in TAGGING]
STORED = ["contract/__init__", "contract/linked_line", "contract/session_table"]
REGISTRATION = [
    *("__init__", "aws", "bridge_question", "http_calls", "openreplay_api", "registering"),
    *("settings", "unattended"),
]
ROOMS = {
    "bridge": [
        *("__init__", "aws", "bridge", "credentials", "handler", "hits", "layout", "question"),
        *("request", "response", "session_lines", "settings", "waiting_lines"),
    ],
    "validator": [
        *("__init__", "aws", "counting", "envelopes", "handler", "judging", "linking"),
        *("log_level", "queues", "secrets_manager", "settings", "storing", "subscription"),
        *("token_memo", "token_secret", "validator"),
    ],
    "rotation": [
        *("__init__", "access_key", "api_key", "aws", "deployment", "handler", "keeper", "kinds"),
        *("rotating", "secret", "settings"),
    ],
    "registration": [*REGISTRATION, "handler"],
    "registration.deployment": [*REGISTRATION, "deployment"],
}
MOST_KILOBYTES = {"validator": 42}
BESIDES = {
    "bridge": [
        *("runtime/embedded_metrics", "runtime/own_log", *STORED),
        *("tagging/metrics", "tagging/session_id"),
    ],
    "validator": ["runtime/embedded_metrics", "runtime/own_log", "tagging/metrics", *STORED],
    "rotation": [
        *("runtime/access_key_trial", "runtime/custom_resource", "runtime/embedded_metrics"),
        *("runtime/own_log", "tagging/metrics", "tagging/openreplay_project"),
    ],
    "registration": [
        *("runtime/embedded_metrics", "runtime/own_log"),
        *("tagging/metrics", "tagging/openreplay_project"),
    ],
    "registration.deployment": [
        *("runtime/custom_resource", "runtime/own_log", "tagging/openreplay_project"),
    ],
}


def staged_files(asset: Path) -> set[str]:
    return {str(path.relative_to(asset)) for path in asset.rglob("*") if path.is_file()}


def module_of(function: str) -> str:
    return function if "." in function else f"{function}.handler"


@pytest.fixture(scope="module")
def assets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folders that are zipped and uploaded, by the function they are for."""
    out = tmp_path_factory.mktemp("cdk.out")
    app = cdk.App(outdir=str(out))
    OpenReplayCloudWatchStack(app, "Assets", new_log_groups=["/a"], **EVERY_FUNCTION)
    app.synth()
    found = list(out.glob("asset.*"))
    assert len(found) == len(ROOMS)
    runtime = Path("openreplay_cw_stack", "runtime")
    return {
        function: asset
        for function in ROOMS
        for asset in found
        if (asset / runtime / f"{module_of(function).replace('.', '/')}.py").exists()
    }


@pytest.mark.parametrize("function", ROOMS)
def test_exactly_these_files_are_deployed(assets: dict[str, Path], function: str) -> None:
    room = function.split(".")[0]
    modules = [*SHARED, *BESIDES[function], *(f"runtime/{room}/{one}" for one in ROOMS[function])]
    assert staged_files(assets[function]) == {f"openreplay_cw_stack/{one}.py" for one in modules}


@pytest.mark.parametrize("function", ROOMS)
def test_it_runs_without_site_packages(assets: dict[str, Path], function: str) -> None:
    imports = (
        "import sys; sys.path.insert(0, sys.argv[1]);"
        f"import openreplay_cw_stack.runtime.{module_of(function)} as module;"
        "print(module.__file__)"
    )
    printed = subprocess.run(
        [sys.executable, "-I", "-S", "-c", imports, str(assets[function])],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert printed.startswith(str(assets[function]))


@pytest.mark.parametrize("function", ROOMS)
def test_it_is_small(assets: dict[str, Path], function: str, tmp_path: Path) -> None:
    archive = tmp_path / "asset.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for path in assets[function].rglob("*.py"):
            file.write(path, path.relative_to(assets[function]))
    assert archive.stat().st_size <= MOST_KILOBYTES.get(function, 40) * 1024


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
