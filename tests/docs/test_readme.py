"""The README is short, and what it names exists."""

from __future__ import annotations

import re

from openreplay_cw_stack.infra.context import CONTEXT_OPTIONS
from tests.docs.pages import MANUAL, README, ROOT

TEXT = README.read_text()


def test_it_is_short() -> None:
    assert len(TEXT.splitlines()) <= 200


def test_every_option_in_its_table_exists() -> None:
    table = TEXT.split("| Option | What it does |")[1].split("\n\n")[0]
    named = {
        name
        for cell in re.findall(r"^\| (`[^|]+) \|", table, re.MULTILINE)
        for name in re.findall(r"\w+", cell)
    }
    assert {"log_groups", "token_secret"} <= named
    assert named <= set(CONTEXT_OPTIONS)


def test_every_target_that_the_manual_names_is_in_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        target
        for page in (*MANUAL, ROOT / "CONTRIBUTING.md")
        for target in re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text(), re.MULTILINE)
    }
    assert {"demo", "test", "deploy", "docs"} <= named
    assert named <= targets


def test_continuous_integration_runs_the_test_command() -> None:
    assert "`make test`" in (ROOT / "CONTRIBUTING.md").read_text()
    assert "exec make test\n" in (ROOT / ".ci" / "run").read_text()
