"""Every page that the code names exists, with the heading that it names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from openreplay_cw_stack.infra.observability.alarms import ALARMS_PAGE
from tests.docs.pages import ROOT, anchors
from tests.infra.conftest import PROJECT
from tests.infra.observability.test_alarms import EVERYTHING, alarms_of

FOLDERS = (
    "openreplay_cw_stack",
    "emulator",
    "demo",
    "benchmarks",
    "examples",
    "nodejs",
    "pictures",
)
FILES = ("app.py", "cdk.json", "Makefile", "pyproject.toml", "docs/conf.py")
SUFFIXES = {
    ".py",
    ".js",
    ".mjs",
    ".cjs",
    ".ts",
    ".sh",
    ".go",
    ".java",
    ".php",
    ".rb",
    ".json",
    ".yaml",
}
# Not part of an address or of a longer path.
REFERENCE = re.compile(r"(?<![\w/.:-])((?:[\w-]+/)+[\w-]+\.md|README\.md)\b(?:#([\w-]*\w))?")
WITHOUT_A_PAGE = re.compile(r"\b(?:see|in) (?:the )?(?:README|manual)\b(?!\.md)", re.IGNORECASE)


def sources() -> Iterator[Path]:
    yield from (ROOT / name for name in FILES)
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            generated = {"node_modules", "__pycache__"} & set(path.parts)
            lock = path.name == "package-lock.json"
            if path.suffix in SUFFIXES and not generated and not lock and "tests" not in path.parts:
                yield path


def missing(folder: Path, text: str) -> list[str]:
    """The references of a text that lead nowhere, from its own folder or from the top."""
    found = []
    for match in REFERENCE.finditer(text):
        pages = [one for one in (folder / match[1], ROOT / match[1]) if one.is_file()]
        if not any(match[2] is None or match[2] in anchors(page) for page in pages):
            found.append(match[0])
    return found


def test_every_page_that_the_code_names_exists() -> None:
    found = {
        str(path.relative_to(ROOT)): names
        for path in sources()
        if (names := missing(path.parent, path.read_text(errors="replace")))
    }
    assert found == {}


def test_the_package_names_the_page_and_not_only_the_manual() -> None:
    found = {
        str(path.relative_to(ROOT)): names
        for path in sources()
        if path.is_relative_to(ROOT / "openreplay_cw_stack")
        and (names := WITHOUT_A_PAGE.findall(path.read_text()))
    }
    assert found == {}


def test_a_reference_that_leads_nowhere_is_found() -> None:
    text = "docs/alarms.md, docs/alarms.md#deadletters. docs/nothing.md; `docs/alarms.md#nothing`"
    assert missing(ROOT, text) == ["docs/nothing.md", "docs/alarms.md#nothing"]
    assert missing(ROOT / "emulator", "README.md lists them") == []
    assert missing(ROOT, "https://example.com/docs/nothing.md") == []
    assert WITHOUT_A_PAGE.search("as in the manual")


@pytest.mark.slow
def test_every_alarm_names_its_section() -> None:
    groups = [f"/app/{number}" for number in range(6)]
    projects = [{**PROJECT, "url": f"https://{number}.replay.example"} for number in range(1, 11)]
    alarms = alarms_of(**{**EVERYTHING, "new_log_groups": groups, "openreplay_projects": projects})
    assert {"FunctionErrors2", "UndeliveredLines2"} <= alarms.keys()
    sections = anchors(ROOT / ALARMS_PAGE)
    for name, alarm in alarms.items():
        page, _, anchor = alarm["AlarmDescription"].rpartition(" ")[2].partition("#")
        assert page == ALARMS_PAGE, name
        assert anchor == name.rstrip("2").lower()
        assert anchor in sections
