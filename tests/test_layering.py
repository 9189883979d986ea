"""Arrows between the rooms: what each may import, and that none imports infra."""

from __future__ import annotations

import ast
import graphlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "openreplay_cw_stack"
MODULES = sorted(PACKAGE.rglob("*.py"))
NAMES = [
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
    for path in MODULES
]
LAMBDA_AND_BACKENDS = [name for name in NAMES if ".infra" not in name]

MAY_IMPORT = {
    "tagging": {"tagging"},
    "contract": {"contract", "tagging"},
    "openreplay": {"openreplay", "tagging"},
    "runtime": {"runtime", "openreplay", "contract", "tagging"},
    "infra": {"infra", "runtime", "contract", "tagging"},
    "commands": {"commands", "runtime", "openreplay", "contract", "tagging", "version"},
    "__main__.py": {"commands"},
}
THIRD_PARTIES = {
    # Type checkers have it with them, and it is for them alone: the tests below load without it.
    "tagging": {"typing_extensions"},
    "contract": set(),
    "openreplay": set(),
    "runtime": {"boto3", "botocore"},
    "infra": {"aws_cdk", "constructs", "jsii", "typing_extensions"},
    "commands": {"boto3", "botocore", "rich"},
    "__main__.py": set(),
}


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: relative import"
            yield node.module or ""


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_import_goes_where_it_may(path: Path) -> None:
    room = path.relative_to(PACKAGE).parts[0]
    if room in ("__init__.py", "version.py"):
        return
    for name in imports_of(path):
        top, _, rest = name.partition(".")
        if top == "openreplay_cw_stack":
            assert rest.split(".")[0] in MAY_IMPORT[room], name
            if room == "infra" and rest.startswith("runtime."):
                assert rest.endswith(".settings"), f"{name}: of the runtime, its settings alone"
        elif top not in sys.stdlib_module_names:
            assert top in THIRD_PARTIES[room], name


def modules_imported_by(path: Path) -> set[str]:
    """Modules of this package that a module imports when it is imported, not for types alone."""
    tree = ast.parse(path.read_text())
    later = [
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        or (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
        for inner in ast.walk(node)
    ]
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node not in later:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found |= {name if name in NAMES else str(node.module) for name in names}
    return found & set(NAMES)


def test_no_import_goes_round() -> None:
    arrows = {name: modules_imported_by(path) for name, path in zip(NAMES, MODULES, strict=True)}
    list(graphlib.TopologicalSorter(arrows).static_order())


def test_long_files_say_why() -> None:
    for path in MODULES:
        lines = path.read_text().splitlines()
        if len(lines) > 300:
            assert "longer" in " ".join(lines[:10]), f"{path.name} has {len(lines)} lines"


def test_no_room_has_appeared_without_a_rule() -> None:
    assert {path.name for path in PACKAGE.iterdir() if path.is_dir()} - {"__pycache__"} == set(
        MAY_IMPORT
    ) - {"__main__.py"}


def test_backends_and_lambda_need_neither_cdk_nor_boto3() -> None:
    script = f"""
import importlib, sys
for name in ("aws_cdk", "constructs", "jsii", "boto3", "botocore", "typing_extensions"):
    sys.modules[name] = None
for name in {LAMBDA_AND_BACKENDS!r}:
    importlib.import_module(name)
import openreplay_cw_stack
try:
    openreplay_cw_stack.OpenReplayCloudWatch
except ImportError as error:
    print(error)
"""
    ran = subprocess.run(
        [sys.executable, "-c", script],
        cwd=PACKAGE.parent,
        # The redirected handler imports the one that it stands for.
        env={**os.environ, "OPENREPLAY_ORIGINAL_HANDLER": "json.dumps"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "pip install 'openreplay-cw-stack[cdk]'" in ran.stdout


def test_unknown_names_are_attribute_errors() -> None:
    import openreplay_cw_stack

    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        openreplay_cw_stack.Nonsense  # noqa: B018
    assert "OpenReplayCloudWatch" in dir(openreplay_cw_stack)
