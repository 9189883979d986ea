from __future__ import annotations

import ast
from pathlib import Path

import pytest

from openreplay_cw_stack.infra.function_files import PACKAGE, without_docstrings

DEPLOYED = ("contract", "runtime", "tagging")
MODULES = sorted(path for room in DEPLOYED for path in PACKAGE.glob(f"{room}/**/*.py"))


def is_text(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def statements(source: bytes) -> list[tuple[int, int, str]]:
    """Every node with its place; of a docstring, that there is one."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and is_text(node):
            node.value = ast.copy_location(ast.Constant(""), node.value)
    return [
        (getattr(node, "lineno", 0), getattr(node, "col_offset", 0), ast.dump(node))
        for node in ast.walk(tree)
    ]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_statement_is_what_it_was_and_where_it_was(path: Path) -> None:
    source = path.read_bytes()
    bare = without_docstrings(source)
    assert statements(bare) == statements(source)
    assert without_docstrings(bare) == bare


def test_docstrings_are_gone() -> None:
    source = (
        '"""Öne."""\n\n\nclass A:\n    """Two\n    lines."""\n\n    b = """kept"""  # é\n    "3"\n'
    )
    bare = without_docstrings(source.encode()).decode()
    assert bare == '""\n\n\nclass A:\n    ""\n\n\n    b = """kept"""  # é\n    ""\n'
