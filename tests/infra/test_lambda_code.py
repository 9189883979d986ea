from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import aws_cdk as cdk
import pytest

from tests.infra.conftest import ROOT, a_stack, an_app

MODULES = [
    "__init__",
    "runtime/__init__",
    "runtime/aws_calls",
    "runtime/embedded_metrics",
    "runtime/linked_line",
    "runtime/validator/__init__",
    "runtime/validator/aws",
    "runtime/validator/counting",
    "runtime/validator/delivery",
    "runtime/validator/handler",
    "runtime/validator/linking",
    "runtime/validator/log_level",
    "runtime/validator/settings",
    "runtime/validator/subscription",
    "runtime/validator/token_secret",
    "runtime/validator/validator",
    "tagging/__init__",
    "tagging/advice",
    "tagging/grammar",
    "tagging/metrics",
    "tagging/poller",
    "tagging/redaction",
    "tagging/session_id",
    "tagging/verdict",
]


@pytest.fixture(scope="module")
def asset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that is zipped and uploaded."""
    out = tmp_path_factory.mktemp("cdk.out")
    app = cdk.App(outdir=str(out))
    from openreplay_cw_stack import OpenReplayCloudWatchStack

    OpenReplayCloudWatchStack(app, "Assets", new_log_groups=["/a"])
    app.synth()
    (found,) = out.glob("asset.*")
    return found


def test_exactly_these_files_are_deployed(asset: Path) -> None:
    staged = {str(path.relative_to(asset)) for path in asset.rglob("*") if path.is_file()}
    assert staged == {f"openreplay_cw_stack/{module}.py" for module in MODULES}


def test_it_runs_without_site_packages(asset: Path) -> None:
    imports = (
        "import sys; sys.path.insert(0, sys.argv[1]);"
        "import openreplay_cw_stack.runtime.validator.handler as handler;"
        "print(handler.__file__)"
    )
    printed = subprocess.run(
        [sys.executable, "-I", "-S", "-c", imports, str(asset)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert printed.startswith(str(asset))


def test_it_is_small(asset: Path, tmp_path: Path) -> None:
    archive = tmp_path / "asset.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for path in asset.rglob("*.py"):
            file.write(path, path.relative_to(asset))
    assert archive.stat().st_size <= 40 * 1024


def test_the_hash_is_the_same_from_an_installed_package(asset: Path, tmp_path: Path) -> None:
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
    assert [one.name for one in (tmp_path / "out").glob("asset.*")] == [asset.name]


def test_the_asset_does_not_depend_on_the_settings() -> None:
    hashes = set()
    for keywords in ({}, {"detailed_metrics": True}):
        stack = a_stack(**keywords)
        code = stack.integration.validator.function.node.default_child
        hashes.add(str(stack.resolve(code.code.s3_key)))  # type: ignore[union-attr]
    assert len(hashes) == 1
    assert an_app() is not None
