"""What the package promises to those who install it: names, types, metadata."""

from __future__ import annotations

import importlib
import inspect
import re
import shutil
import subprocess
import sys
import typing
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import aws_apigateway, aws_apigatewayv2, aws_ec2
from constructs import Construct

import openreplay_cw_stack
from openreplay_cw_stack.version import VERSION
from tests.docs.test_examples import EXAMPLES
from tests.infra.conftest import a_stack
from tests.infra.test_nag import VARIANTS, a_host

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT: dict[str, Any] = PYPROJECT["project"]
# Large modules that only the type hints of ours name.
LOADED_LATE = {"apigateway": aws_apigateway, "apigatewayv2": aws_apigatewayv2, "ec2": aws_ec2}
EXPORTED = {name: getattr(openreplay_cw_stack, name) for name in openreplay_cw_stack.__all__}


def is_ours(thing: object) -> bool:
    return getattr(thing, "__module__", "").startswith("openreplay_cw_stack.")


def types_in(hint: Any) -> Iterator[str]:
    """The names of the types of ours that a type hint has in it."""
    if inspect.isclass(hint) and is_ours(hint):
        yield hint.__name__
    for argument in typing.get_args(hint):
        yield from types_in(argument)


def hints_of(thing: Any) -> Iterator[tuple[str, Any]]:
    """Where something public shows a type, and which: arguments, results, fields."""
    yield from typing.get_type_hints(thing, localns=LOADED_LATE).items()
    if not inspect.isclass(thing):
        return
    for name, member in inspect.getmembers(thing):
        function = member.fget if isinstance(member, property) else member
        is_public = name == "__init__" or not name.startswith("_")
        if is_public and inspect.isfunction(function) and is_ours(function):
            for argument, hint in typing.get_type_hints(function, localns=LOADED_LATE).items():
                yield f"{name}, {argument}", hint


def attributes_below(construct: Construct) -> Iterator[tuple[str, object]]:
    """Public attributes, as they are, of a construct and of the constructs in it."""
    for child in construct.node.find_all():
        if is_ours(type(child)):
            for name, value in vars(child).items():
                if not name.startswith("_"):
                    yield f"{type(child).__name__}.{name}", value


@pytest.mark.parametrize("name", EXPORTED)
def test_every_type_in_a_public_signature_is_exported(name: str) -> None:
    hidden = {
        f"{where}: {found}"
        for where, hint in hints_of(EXPORTED[name])
        for found in types_in(hint)
        if found not in EXPORTED
    }
    assert hidden == set()


@pytest.mark.parametrize("variant", ["every function", "Kinesis and other accounts", "host"])
def test_every_type_of_a_public_attribute_is_exported(variant: str) -> None:
    stack = a_host() if variant == "host" else a_stack(**VARIANTS[variant])
    attributes = dict(attributes_below(stack))
    assert "OpenReplayCloudWatch.validator" in attributes
    hidden = {
        f"{name}: {type(value).__name__}"
        for name, value in attributes.items()
        if is_ours(type(value)) and type(value).__name__ not in EXPORTED
    }
    assert hidden == set()


def test_type_checkers_see_what_is_exported() -> None:
    text = Path(openreplay_cw_stack.__file__).read_text()
    imported = re.findall(r"^ {8}(\w+),$", text, re.MULTILINE)
    imported += re.findall(r"^    from \S+ import (\w+)$", text, re.MULTILINE)
    assert sorted(imported) == sorted(openreplay_cw_stack.__all__)


def test_metadata() -> None:
    assert VERSION == "0.2.0"
    assert PYPROJECT["tool"]["setuptools"]["dynamic"]["version"] == {
        "attr": "openreplay_cw_stack.version.VERSION"
    }
    assert PROJECT["dependencies"] == []
    assert set(PROJECT["optional-dependencies"]) == {"cdk", "cli"}
    module, _, function = PROJECT["scripts"]["openreplay-cw"].partition(":")
    assert callable(getattr(importlib.import_module(module), function))


def test_the_change_log_has_the_version() -> None:
    assert f"## [{VERSION}]" in (ROOT / "CHANGELOG.md").read_text()


@pytest.mark.parametrize("name", ["requirements", "requirements-dev"])
class TestLockedRequirements:
    def test_each_has_its_hashes(self, name: str) -> None:
        text = (ROOT / f"{name}.txt").read_text()
        pins = re.findall(r"^[a-z0-9.\-\[\]]+==\S+.*(?:\n    .*)*", text, re.MULTILINE)
        assert len(pins) > 20
        assert [pin for pin in pins if "--hash=sha256:" not in pin] == []

    def test_they_are_of_no_index(self, name: str) -> None:
        assert "://" not in (ROOT / f"{name}.txt").read_text()

    def test_what_is_named_is_locked_and_says_why(self, name: str) -> None:
        locked = (ROOT / f"{name}.txt").read_text()
        asked = (ROOT / f"{name}.in").read_text()
        named = re.findall(r"^([a-z0-9][a-z0-9-]*)", asked, re.MULTILINE)
        assert named == [one for one in named if re.search(rf"^{one}==", locked, re.MULTILINE)]


@pytest.mark.slow
def test_the_examples_of_the_manual_have_types_in_a_host(tmp_path: Path) -> None:
    """With the package installed: its py.typed is what type checkers look for."""
    source = tmp_path / "source"
    shutil.copytree(ROOT / "openreplay_cw_stack", source / "openreplay_cw_stack")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    host = tmp_path / "host"
    venv.create(host / "venv", symlinks=True)
    (packages,) = (host / "venv").glob("lib/python*/site-packages")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
        + ["--target", str(packages), str(source)],
        check=True,
    )
    # What the host has beside it: aws-cdk-lib, Flask.
    (packages / "others.pth").write_text(f"{Path(pytest.__file__).parents[1]}\n")
    for number, example in enumerate(EXAMPLES):
        (host / f"example_{number}.py").write_text(example.text)
    # Celery has no types.
    (celery,) = (number for number, one in enumerate(EXAMPLES) if "celery" in one.text)
    (host / "mypy.ini").write_text(
        "[mypy]\nstrict = True\n"
        "[mypy-celery.*]\nignore_missing_imports = True\n"
        f"[mypy-example_{celery}]\ndisallow_subclassing_any = False\n"
    )
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--python-executable", str(host / "venv" / "bin" / "python")]
        + ["--cache-dir", str(ROOT / ".mypy_cache" / "readme"), "."],
        cwd=host,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
