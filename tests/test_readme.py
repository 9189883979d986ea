"""The README tells the truth: its examples run, its tables are the code's."""

from __future__ import annotations

import collections
import dataclasses
import html
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from openreplay_cw_stack.commands.cost.alternatives import alternatives
from openreplay_cw_stack.commands.cost.model import EVERYTHING, Counts, Traffic, monthly_cost, total
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


MILLION = 1e6
SHAPES = {"sparse": 1, "usual": 20, "dense": 500}


def test_the_table_of_what_a_million_lines_cost() -> None:
    columns = {
        "validator's requests": ("validator: requests",),
        "its duration": ("validator: duration",),
        "its metrics and log": ("validator: metrics and log", "validator: log kept"),
        "linked lines": ("linked lines: written", "linked lines: kept"),
    }
    rows = [
        f"| lines in a payload | filter | {' | '.join(columns)} | **in all** |",
        "|---|---|" + "---:|" * (len(columns) + 1),
    ]
    for shape, lines in SHAPES.items():
        for filtered in (True, False):
            traffic = Traffic(tagged_lines=MILLION, lines_per_payload=lines, filtered=filtered)
            items = [one for one in monthly_cost(traffic) if one.part == "lines"]
            assert {one.name for one in items} == {name for of in columns.values() for name in of}
            cells = [
                f"{total(one for one in items if one.name in of):.2f}" for of in columns.values()
            ]
            how = "yes" if filtered else "without"
            rows.append(
                f"| {lines} ({shape}) | {how} | {' | '.join(cells)} | **{total(items):.2f}** |"
            )
    hold("cost of a million lines", rows)


def fixed_part(counts: Counts) -> dict[str, float]:
    """Dollars a month by what is paid for, while OpenReplay asks."""
    bill = collections.defaultdict[str, float](float)
    for item in monthly_cost(Traffic(), counts):
        if item.part == "fixed":
            bill[item.name.split(":")[0]] += item.dollars
    return bill


def test_the_table_of_what_a_month_costs_without_a_line() -> None:
    columns = (
        Counts(),
        dataclasses.replace(Counts(), log_groups=12),
        dataclasses.replace(EVERYTHING, log_groups=12, streams=1),
    )
    bills = [fixed_part(counts) for counts in columns]
    rows = [
        "| a month | one log group | 12 log groups | and everything on |",
        "|---|---:|---:|---:|",
    ]
    rows += [
        f"| {name} | {' | '.join(f'{bill[name]:.2f}' for bill in bills)} |" for name in bills[-1]
    ]
    sums = " | ".join(f"**{sum(bill.values()):.2f}**" for bill in bills)
    hold("cost of a month", [*rows, f"| **in all** | {sums} |"])


def test_the_table_of_other_ways() -> None:
    counts = Counts(log_groups=12)
    names = [one.name for one in alternatives(Traffic(), counts)]
    rows = [
        f"| tagged lines a month | this stack | {' | '.join(names)} |",
        "|---:|" + "---:|" * (len(names) + 1),
    ]
    for millions in (1, 10, 100, 1000):
        traffic = Traffic(tagged_lines=millions * MILLION)
        ours = total(monthly_cost(traffic, counts))
        others = " | ".join(f"{one.dollars:,.0f}" for one in alternatives(traffic, counts))
        rows.append(f"| {millions:,} million | **{ours:,.0f}** | {others} |")
    hold("cost of other ways", rows)


def test_every_target_it_names_is_in_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", TEXT, re.MULTILINE))
    assert named <= targets
    assert {"demo", "test", "deploy"} <= named


def test_continuous_integration_runs_its_test_command() -> None:
    command = section("Development").split("```")[1].strip()
    assert f"exec {command}\n" in (ROOT / ".ci" / "run").read_text()
