"""The files that a Lambda function of ours is deployed with: its module, and what that imports."""

from __future__ import annotations

import ast
import atexit
import functools
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TypeGuard

PACKAGE = Path(__file__).resolve().parents[1]
_IMPORT = re.compile(
    rf"^\s*(?:from|import)\s+({PACKAGE.name}[\w.]*)(?:\s+import\s+(\([^)]*\)|[^\n]*))?",
    re.MULTILINE,
)


def files_of(module: str) -> list[str]:
    """The files that a module of this package needs, as paths from the package's parent.

    Args:
        module: its whole name, such as ``openreplay_cw_stack.runtime.bridge.handler``.
    """
    found: dict[str, None] = {}
    waiting = [module]
    while waiting:
        for name in _with_parents(waiting.pop()):
            path = _path(name)
            if path is not None and path not in found:
                found[path] = None
                # What the package itself imports are the constructs, when they are asked for.
                waiting += [] if name == PACKAGE.name else _imports(path)
    return sorted(found)


@functools.cache
def staged_files(module: str) -> Path:
    """A folder with the files that a module needs, without docstrings, while this process runs.

    Args:
        module: its whole name.
    """
    folder = Path(tempfile.mkdtemp(prefix="function-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for name in files_of(module):
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(_deployed(name))
    return folder


@functools.cache
def _deployed(path: str) -> bytes:
    """A file as functions have it; many of them are in several functions."""
    return without_docstrings((PACKAGE.parent / path).read_bytes())


def without_docstrings(source: bytes) -> bytes:
    """A module with empty texts for docstrings; every other statement stays in its line."""
    lines = source.split(b"\n")
    for node in _statements(ast.parse(source)):
        if not _is_text(node) or node.end_lineno is None:
            continue
        first, last = node.lineno - 1, node.end_lineno - 1
        before, after = lines[first][: node.col_offset], lines[last][node.end_col_offset :]
        lines[first : last + 1] = [before + b'""' + after, *[b""] * (last - first)]
    return b"\n".join(lines)


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """Every statement below a node, and what holds others. Expressions are most of a file."""
    for field in ("body", "orelse", "finalbody", "handlers", "cases"):
        for child in getattr(node, field, ()):
            yield child
            yield from _statements(child)


def _is_text(node: ast.AST) -> TypeGuard[ast.Expr]:
    """Whether a statement is nothing but a text."""
    if not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Constant):
        return False
    return isinstance(node.value.value, str)


def _with_parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[: count + 1]) for count in range(len(parts))]


@functools.cache
def _path(name: str) -> str | None:
    """The file of a module or package; None for a name in a module."""
    place = name.replace(".", "/")
    for path in (f"{place}.py", f"{place}/__init__.py"):
        if (PACKAGE.parent / path).exists():
            return path
    return None


@functools.cache
def _imports(path: str) -> tuple[str, ...]:
    """The names of this package that a file imports, at its top or later.

    Read as text: taking the files apart takes a tenth of a second more of every synth.
    """
    return tuple(_names_imported((PACKAGE.parent / path).read_text(encoding="utf-8")))


def _names_imported(source: str) -> Iterator[str]:
    for module, listed in _IMPORT.findall(source):
        yield module
        yield from (f"{module}.{name}" for name in re.findall(r"\w+", listed))
