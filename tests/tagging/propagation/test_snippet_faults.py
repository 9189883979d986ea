"""Each fault of the page's monkey patch: it shows with the patch, and does not with the drop-in."""

from __future__ import annotations

import ast
import functools
import json
import subprocess
from pathlib import Path

import pytest

from tests.tagging.propagation.interpreters import INTERPRETERS, environment

pytestmark = pytest.mark.slow

PROGRAMS = Path(__file__).parent / "programs" / "faults.py"


def _names() -> list[str]:
    listed = next(
        node
        for node in ast.walk(ast.parse(PROGRAMS.read_text()))
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "PROGRAMS"
    )
    return [name.id for name in ast.walk(listed.value) if isinstance(name, ast.Name)]


@functools.cache
def what_is_wrong(version: str, kind: str) -> dict[str, str | None]:
    ran = subprocess.run(
        [INTERPRETERS[version], str(PROGRAMS), kind],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    wrong: dict[str, str | None] = json.loads(ran.stdout)
    return wrong


@pytest.mark.parametrize("version", INTERPRETERS)
def test_the_same_programs_are_run(version: str) -> None:
    assert list(what_is_wrong(version, "ours")) == _names()
    assert len(_names()) == 17


@pytest.mark.parametrize("name", _names())
@pytest.mark.parametrize("version", INTERPRETERS)
def test_the_page_has_the_fault(version: str, name: str) -> None:
    assert what_is_wrong(version, "snippet")[name] is not None


@pytest.mark.parametrize("name", _names())
@pytest.mark.parametrize("version", INTERPRETERS)
def test_the_drop_in_has_not(version: str, name: str) -> None:
    assert what_is_wrong(version, "ours")[name] is None
