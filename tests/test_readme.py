"""The README tells the truth: its examples run, its tables are the code's."""

from __future__ import annotations

import html
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from openreplay_cw_stack.infra.stack_settings import SETTINGS
from openreplay_cw_stack.runtime.linked_line import LinkedLine
from openreplay_cw_stack.tagging import Verdict, judge
from openreplay_cw_stack.tagging.advice import ADVICE

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
TEXT = README.read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


def section(title: str) -> str:
    return TEXT.split(f"## {title}\n")[1].split("\n## ")[0]


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_examples_run(number: int, tmp_path: Path) -> None:
    # The folder of a user's function, which one of them names.
    (tmp_path / "functions" / "checkout").mkdir(parents=True)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CDK_OUTDIR": str(tmp_path / "out")}
    ran = subprocess.run(
        [sys.executable, "-c", EXAMPLES[number]],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 2


def test_the_line_before_and_after() -> None:
    before = re.search(r"```\n(\[openReplaySessionToken=.*?)\n```", TEXT)
    after = re.search(r"```json\n(.*?)\n```", TEXT)
    assert before is not None
    assert after is not None
    linked = LinkedLine.decode(after.group(1))
    assert judge(before.group(1)).session_id == linked.session
    assert linked.message.endswith("] " + before.group(1).split("] ")[1])
    assert linked.encode() == after.group(1)


def test_the_command_and_what_it_prints() -> None:
    shown = re.search(r"```\n\$ (echo .*? judge)\n(.*?)```", TEXT, re.DOTALL)
    assert shown is not None
    command = shown.group(1).replace("python ", f"{sys.executable} ")
    printed = subprocess.run(
        command, shell=True, cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout
    assert printed == shown.group(2)


def test_the_table_of_options() -> None:
    rows = ["| option | default | what it is |", "|---|---|---|"]
    rows += [f"| `{key}` | {one.default} | {one.meaning} |" for key, one in SETTINGS.items()]
    table = "\n".join(rows)
    if os.environ.get("UPDATE_SNAPSHOTS"):
        marked = r"(<!-- options -->\n).*?(\n\nThe construct's own)"
        text = re.sub(marked, lambda m: f"{m[1]}\n{table}{m[2]}", TEXT, flags=re.DOTALL)
        README.write_text(text)
    assert table in README.read_text()


def test_the_table_of_verdicts() -> None:
    rows = re.findall(r"^\| `(\w+)` \| .* \| (.*) \|$", section("The verdicts"), re.MULTILINE)
    assert [(name, html.unescape(advice)) for name, advice in rows] == [
        (str(verdict), ADVICE[verdict]) for verdict in Verdict
    ]


def test_the_table_of_outputs() -> None:
    named = set(re.findall(r"`(\w+)`", re.sub(r"\|[^|]*\|\n", "|\n", section("Outputs"))))
    snapshot = json.loads((ROOT / "tests/infra/snapshots/default.json").read_text())
    assert named == set(snapshot["Outputs"])


def test_every_target_it_names_is_in_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", TEXT, re.MULTILINE))
    assert named <= targets
    assert {"demo", "test", "deploy"} <= named


def test_continuous_integration_runs_its_test_command() -> None:
    command = section("Development").split("```")[1].strip()
    assert f"exec {command}\n" in (ROOT / ".ci" / "run").read_text()
