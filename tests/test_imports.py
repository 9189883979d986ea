"""Every module of the tools beside the package can be imported: a renamed name shows in seconds."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import benchmarks
import demo
import pictures

MODULES = [
    module.name
    for package in (benchmarks, demo, pictures)
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
]


def test_every_folder_has_modules() -> None:
    found = {name.partition(".")[0] for name in MODULES}
    assert found == {"benchmarks", "demo", "pictures"}
    assert "demo.__main__" in MODULES


@pytest.mark.parametrize("name", MODULES)
def test_it_can_be_imported(name: str) -> None:
    importlib.import_module(name)
