"""Many visitors at once: not one line with a wrong, a doubled or a missing tag, and none lost.

``STRESS_SCALE=20`` makes it twenty times as long.
"""

from __future__ import annotations

import collections
import functools
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.tagging.propagation.interpreters import INTERPRETERS, environment

pytestmark = pytest.mark.slow

PROGRAM = Path(__file__).parent / "programs" / "stress.py"
SCALE = os.environ.get("STRESS_SCALE", "1")
MARK = re.compile(r"kind=(\w+) of (visitor-\d+|nobody);")
ANY_TAG = re.compile(r'openReplaySessionToken(?:=|": ")([^\]"]*)')
KINDS = ("tasks", "threads", "pool", "warm")


@functools.cache
def run(version: str, kind: str, folder: Path) -> tuple[str, dict[str, Any]]:
    """What a program wrote to stderr, and what it says that it wrote."""
    folder.mkdir()
    ran = subprocess.run(
        [INTERPRETERS[version], str(PROGRAM), kind, str(folder), SCALE],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60 * int(SCALE),
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    said: dict[str, Any] = json.loads(ran.stdout)
    return ran.stderr, said


def check(text: str, tokens: dict[str, str | None]) -> collections.Counter[str]:
    """Every line has its visitor's tag once or, of nobody, none; the lines by kind and visitor."""
    whose = {token: who for who, token in tokens.items() if token}
    found: collections.Counter[str] = collections.Counter()
    for line in filter(str.strip, text.split("\n")):
        tags = ANY_TAG.findall(line)
        marks = MARK.findall(line)
        assert len(tags) <= 1, line
        who = whose[tags[0]] if tags else "nobody"
        assert {name for _, name in marks} <= {who}, line
        found.update(f"{kind} of {who}" for kind, _ in marks)
        if "Traceback (most" in line:
            found[f"traceback of {who}"] += 1
    return found


def without_tracebacks(found: collections.Counter[str]) -> dict[str, int]:
    return {key: count for key, count in found.items() if not key.startswith("traceback")}


def tracebacks(written: dict[str, int]) -> dict[str, int]:
    """How many tracebacks each visitor must have, by the lines with their exceptions' texts."""
    lines = {"exc": 1, "uncaught": 1, "handler": 1, "forgotten": 2}
    expected: collections.Counter[str] = collections.Counter()
    for key, count in written.items():
        kind, _, who = key.partition(" of ")
        if kind in lines:
            expected[who] += count // lines[kind]
    return expected


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stress")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("version", INTERPRETERS)
def test_every_line_is_its_visitors(version: str, kind: str, folder: Path) -> None:
    stderr, said = run(version, kind, folder / f"{kind}-{version}")
    found = check(stderr, said["tokens"])
    assert without_tracebacks(found) == said["written"]
    assert {
        key.partition(" of ")[2]: count for key, count in found.items() if "traceback" in key
    } == tracebacks(said["written"])
    assert said["counts"]["untagged_texts"] == 0
    assert len(said["written"]) > 60


@pytest.mark.parametrize("kind", ["tasks", "threads", "warm"])
@pytest.mark.parametrize("version", INTERPRETERS)
def test_files_too(version: str, kind: str, folder: Path) -> None:
    _, said = run(version, kind, folder / f"{kind}-{version}")
    logged = {
        key: count
        for key, count in said["written"].items()
        if key.partition(" of ")[0] in ("log", "more", "logexc")
    }
    text = (folder / f"{kind}-{version}" / "plain.log").read_text()
    plain = without_tracebacks(check(text, said["tokens"]))
    # Once through the queue and once by the handler that keeps records.
    assert {key: plain[key] for key in logged} == {key: 2 * count for key, count in logged.items()}
    text = (folder / f"{kind}-{version}" / "json.log").read_text()
    structured = without_tracebacks(check(text, said["tokens"]))
    assert {key: structured[key] for key in logged} == logged
    for line in text.splitlines():
        document = json.loads(line)
        assert ("openReplay" in line) == ("openReplaySessionToken" in document)
