"""README.md has a row for each extension, and each extension documents what it corrects."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from emulator import patching
from emulator.server import EXTENSIONS

FOLDER = Path(__file__).parents[1]
README = (FOLDER / "README.md").read_text()
# Faults correct nothing; filter patterns are installed by the modules that use them.
CORRECTING = sorted({*EXTENSIONS, "filter_pattern"} - {"faults"})
LONGEST = 300


def rows() -> dict[str, list[str]]:
    found = {}
    for line in README.splitlines():
        if re.match(r"\| `\w+` \|", line):
            name, *cells = [cell.strip() for cell in line.strip("|").split(" | ")]
            found[name.strip("` ")] = cells
    return found


def docstring_of(name: str) -> str:
    tree = ast.parse((FOLDER / f"{name}.py").read_text())
    return ast.get_docstring(tree) or ""


def test_every_extension_has_a_row_and_no_other_module_has() -> None:
    assert sorted(rows()) == CORRECTING
    assert all(len(cells) == 3 and all(cells) for cells in rows().values())


def test_every_module_that_is_installed_is_an_extension() -> None:
    installed = {
        path.stem for path in FOLDER.glob("*.py") if "\ndef install() -> None:" in path.read_text()
    }
    assert installed == set(EXTENSIONS)


@pytest.mark.parametrize("name", CORRECTING)
def test_an_extension_says_what_ministack_does_and_where_aws_says_otherwise(name: str) -> None:
    text = docstring_of(name)
    assert f"MiniStack {patching.PINNED_VERSION} " in text
    assert "\nAWS" in text
    pages = re.findall(r'"([^"]+)"', text.replace("\n", " "))
    for page in re.findall(r'"([^"]+)"', rows()[name][2]):
        assert any(one.startswith(page) for one in pages), page


def test_the_readme_names_the_release() -> None:
    assert f"MiniStack](https://pypi.org/project/ministack/) {patching.PINNED_VERSION} " in README


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_a_module_is_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LONGEST


def imported_by(path: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(path.read_text())))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    modules = {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    return {name.partition(".")[0] for name in names | modules}


def test_the_product_does_not_import_the_emulator() -> None:
    product = list((FOLDER.parent / "openreplay_cw_stack").rglob("*.py"))
    assert product
    assert [path for path in product if imported_by(path) & {"emulator", "ministack"}] == []
