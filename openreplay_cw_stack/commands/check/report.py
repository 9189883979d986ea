"""Prints the report for a terminal or a pipe, or as JSON. It has no token and no key."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from openreplay_cw_stack.commands.check.findings import Finding, Status, worst
from openreplay_cw_stack.commands.program import PROGRAM
from openreplay_cw_stack.commands.terminal import Output, clean, clean_lines, count

_STYLES = {Status.OK: "green", Status.WARN: "yellow", Status.FAIL: "red", Status.SKIP: "dim"}
_SUMMARY = {
    Status.OK: "all right",
    Status.WARN: "works, with something to look at",
    Status.FAIL: "not all right",
}


@dataclass(frozen=True)
class Checked:
    """A deployment and what was found.

    Attributes:
        deployment: its name.
        findings: in the order of the path that a line takes.
    """

    deployment: str
    findings: Sequence[Finding]


def print_report(output: Output, stack: str, where: str, checked: Sequence[Checked]) -> None:
    """Print the report. A command to copy stays in one line."""
    output.line(f"{clean(stack)}: {clean(where)}")
    for one in checked:
        output.line()
        output.line(clean(one.deployment))
        names = max((len(finding.name) for finding in one.findings), default=0)
        for finding in one.findings:
            _print_finding(output, finding, names)
    output.line()
    output.line(_summary([finding for one in checked for finding in one.findings]))


def as_json(stack: str, checked: Sequence[Checked]) -> str:
    """Return the report as one JSON document."""
    document: dict[str, Any] = {
        "stack": clean(stack),
        "deployments": [
            {
                "deployment": clean(one.deployment),
                "steps": [
                    {
                        "name": finding.name,
                        "status": finding.status.value,
                        "detail": clean(finding.detail),
                        "remedy": clean_lines(finding.remedy),
                    }
                    for finding in one.findings
                ],
            }
            for one in checked
        ],
        "status": worst(finding for one in checked for finding in one.findings).value,
    }
    return json.dumps(document, indent=2)


def _print_finding(output: Output, finding: Finding, names: int) -> None:
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    indent = names + 8
    row = Table.grid(padding=(0, 2, 0, 0), pad_edge=False)
    for width in (4, names, None):
        row.add_column(width=width, overflow="fold")
    status = Text(finding.status.name, style=_STYLES[finding.status])
    row.add_row(status, finding.name, clean(finding.detail))
    output.show(row)
    for paragraph in filter(str.strip, finding.remedy.split("\n")):
        text = clean(paragraph)
        if text.startswith(("aws ", f"{PROGRAM} ")):
            output.line(f"{'':{indent + 2}}{text}")
        else:
            output.show(Padding(Text(text, overflow="fold"), (0, 0, 0, indent + 2), expand=False))


def _summary(findings: Sequence[Finding]) -> str:
    numbers = {status: sum(one.status is status for one in findings) for status in Status}
    parts = [count(numbers[Status.OK], "step") + " OK"]
    parts += [
        f"{numbers[status]} {status.name}"
        for status in (Status.WARN, Status.FAIL, Status.SKIP)
        if numbers[status]
    ]
    return f"{_SUMMARY[worst(findings)]}: {', '.join(parts)}"
