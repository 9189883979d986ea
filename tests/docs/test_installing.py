"""The packages are on no index: every page installs them from the clone, and that works."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, PAGES, ROOT, anchors

CLONE = "../openreplay-cw-stack"
EVERY_PAGE = (
    *PAGES,
    ROOT / "nodejs" / "README.md",
    *sorted((ROOT / "examples").glob("*/README.md")),
)
COMMAND = re.compile(r"\b(?:pip|npm) (?:install|i|add) [^`\n]*")
ON_AN_INDEX = re.compile(r"(?<![\w/.])openreplay-cw-(?:stack|tagging)\b")


def install_commands(page: Path) -> list[str]:
    """The commands of a page that install this project, as they are written."""
    found = COMMAND.findall(page.read_text())
    return [one.strip() for one in found if "openreplay-cw" in one]


EVERY_COMMAND = sorted({one for page in EVERY_PAGE for one in install_commands(page)})


@pytest.mark.parametrize("page", EVERY_PAGE, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_page_installs_from_an_index(page: Path) -> None:
    assert [one for one in install_commands(page) if ON_AN_INDEX.search(one)] == []


def test_a_command_that_installs_from_an_index_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("`pip install openreplay-cw-stack`\n\nnpm install openreplay-cw-tagging\n")
    assert [ON_AN_INDEX.search(one) is not None for one in install_commands(page)] == [True, True]
    page.write_text(f"`pip install '{CLONE}[cdk]'`\n")
    assert [ON_AN_INDEX.search(one) is not None for one in install_commands(page)] == [False]


def test_the_manual_says_it_and_shows_each_command() -> None:
    assert "install-from-the-clone" in anchors(DOCS / "getting-started.md")
    shown = install_commands(DOCS / "getting-started.md")
    assert sorted(shown) == EVERY_COMMAND
    assert len(shown) == 4


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a user's project, with the clone next to it."""
    folder = tmp_path_factory.mktemp("projects")
    clone = folder / Path(CLONE).name
    generated = shutil.ignore_patterns("node_modules", "__pycache__")
    for name in ("openreplay_cw_stack", "nodejs"):
        shutil.copytree(ROOT / name, clone / name, ignore=generated)
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, clone)
    (folder / "shop").mkdir()
    return folder / "shop"


@pytest.mark.slow
@pytest.mark.parametrize("command", [one for one in EVERY_COMMAND if one.startswith("pip")])
def test_pip(command: str, shop: Path, tmp_path: Path) -> None:
    """Offline: without the packages of the extras."""
    run(
        [sys.executable, "-m", *shlex.split(command), "--quiet", "--no-deps"]
        + ["--no-build-isolation", "--target", str(tmp_path)],
        shop,
    )
    assert (tmp_path / "openreplay_cw_stack" / "tagging" / "__init__.py").is_file()
    assert (tmp_path / "openreplay_cw_stack" / "nodejs" / "register.js").is_file()
    assert (tmp_path / "bin" / "openreplay-cw").is_file()


@pytest.mark.skipif(shutil.which("npm") is None, reason="Node.js is not installed")
@pytest.mark.parametrize("command", [one for one in EVERY_COMMAND if one.startswith("npm")])
def test_npm(command: str, shop: Path) -> None:
    (shop / "package.json").write_text("{}")
    run([*shlex.split(command), "--offline", "--no-audit", "--no-fund"], shop)
    assert not (shop / "node_modules" / "openreplay-cw-tagging").is_symlink()
    run(["node", "--require", "openreplay-cw-tagging/register", "--eval", "0"], shop)


def run(command: list[str], folder: Path) -> None:
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
