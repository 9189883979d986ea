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

from benchmarks import cost_model
from openreplay_cw_stack.contract.linked_line import LinkedLine
from openreplay_cw_stack.infra.context import CONTEXT_OPTIONS
from openreplay_cw_stack.runtime.bridge.hits import hits_of
from openreplay_cw_stack.tagging import Verdict, judge
from openreplay_cw_stack.tagging.advice import ADVICE

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
TEXT = README.read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


def section(title: str) -> str:
    return TEXT.split(f"## {title}\n")[1].split("\n## ")[0]


def hold(marker: str, rows: list[str]) -> None:
    """Compare the table below a marker, or write it with ``UPDATE_SNAPSHOTS=1``."""
    table = "".join(f"{row}\n" for row in rows)
    marked = rf"(<!-- {marker} -->\n\n)((?:\|.*\n)+)"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        text = re.sub(marked, lambda found: found[1] + table, README.read_text())
        README.write_text(text)
    found = re.search(marked, README.read_text())
    assert found is not None
    assert found[2] == table


@pytest.mark.slow
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
    judgement = judge(before.group(1))
    assert judgement.session_id is not None
    message = before.group(1).split("] ")[1]
    line = LinkedLine(
        judgement.session_id, 1_795_464_000_000, "1", "1", "/app/checkout", "web", "error", message
    )
    (hit,) = hits_of([line], size=10, with_log_group=True, all_read=True)
    assert json.loads(after.group(1)) == hit["_source"]


def test_the_command_and_what_it_prints() -> None:
    shown = re.search(r"```\n\$ (echo .*? judge)\n(.*?)```", TEXT, re.DOTALL)
    assert shown is not None
    command = shown.group(1).replace("openreplay-cw", f"{sys.executable} -m openreplay_cw_stack")
    printed = subprocess.run(
        command, shell=True, cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout
    assert printed == shown.group(2)


def test_the_table_of_options() -> None:
    rows = ["| option | default | what it is |", "|---|---|---|"]
    options = CONTEXT_OPTIONS.items()
    rows += [f"| `{key}` | {one.default_text} | {one.meaning} |" for key, one in options]
    hold("options", rows)


def test_the_table_of_verdicts() -> None:
    rows = re.findall(r"^\| `(\w+)` \| .* \| (.*) \|$", section("The verdicts"), re.MULTILINE)
    assert [(name, html.unescape(advice)) for name, advice in rows] == [
        (str(verdict), ADVICE[verdict]) for verdict in Verdict
    ]


def test_the_table_of_outputs() -> None:
    named = set(re.findall(r"`(\w+)`", re.sub(r"\|[^|]*\|\n", "|\n", section("Outputs"))))
    snapshot = json.loads((ROOT / "tests/infra/snapshots/default.json").read_text())
    assert named == set(snapshot["Outputs"])


def test_the_table_of_what_a_million_lines_cost() -> None:
    """Within two cents: the validator's time is measured."""
    shown = re.findall(
        r"^\| (\d+) \(\w+\) \| (\d) \|.* \*\*([0-9.]+)\*\* \|$", section("Cost"), re.MULTILINE
    )
    assert len(shown) == len(cost_model.ROWS)
    for row, (lines, of_a_session, in_all) in zip(cost_model.ROWS, shown, strict=True):
        assert (row.lines_per_payload, row.lines_of_a_session) == (int(lines), int(of_a_session))
        modelled = sum(cost_model.dollars(cost_model.measured(row, rounds=1)).values())
        assert modelled == pytest.approx(float(in_all), abs=0.02)


def test_the_cost_of_a_month() -> None:
    bill = cost_model.monthly_dollars()
    assert f"with one tracked log group: {sum(one for _, one in bill.values()):.2f}" in TEXT


def test_every_target_it_names_is_in_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", TEXT, re.MULTILINE))
    assert named <= targets
    assert {"demo", "test", "deploy"} <= named


def test_continuous_integration_runs_its_test_command() -> None:
    command = section("Development").split("```")[1].strip()
    assert f"exec {command}\n" in (ROOT / ".ci" / "run").read_text()
