"""Arrows between the folders of the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from openreplay_cw_stack.commands import COMMANDS
from tests.test_layering import imports_of

COMMAND_LINE = Path(__file__).parents[2] / "openreplay_cw_stack" / "commands"
MODULES = sorted(COMMAND_LINE.rglob("*.py"))
PREFIX = "openreplay_cw_stack.commands."
SHARED = {"errors", "aws"}
"""What the folder that finds a deployment may import beside itself."""


def commands_of(path: Path) -> set[str]:
    """Which modules and folders of the command line a module imports."""
    imported = {name.removeprefix(PREFIX) for name in imports_of(path) if name.startswith(PREFIX)}
    return {name.partition(".")[0] for name in imported}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(COMMAND_LINE)))
def test_no_command_imports_another(path: Path) -> None:
    inside = path.relative_to(COMMAND_LINE).parts
    if inside == ("__init__.py",):
        return
    own = inside[0].removesuffix(".py")
    assert commands_of(path) & (set(COMMANDS) - {own}) == set()


@pytest.mark.parametrize(
    "path", sorted((COMMAND_LINE / "deployed").glob("*.py")), ids=lambda path: path.name
)
def test_what_finds_a_deployment_needs_no_command(path: Path) -> None:
    assert commands_of(path) <= {"deployed"} | SHARED


def test_no_module_is_long() -> None:
    long = [path.name for path in MODULES if len(path.read_text().splitlines()) > 300]
    assert long == []
