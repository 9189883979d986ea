"""Prints the report to a terminal or a pipe, or as JSON. It contains no token and no key."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from openreplay_cw_stack.commands.program import PROGRAM
from openreplay_cw_stack.commands.report.findings import Finding, Status, worst
from openreplay_cw_stack.commands.terminal import Output, clean, clean_lines, count

_STYLES = {Status.OK: "green", Status.WARN: "yellow", Status.FAIL: "red", Status.SKIP: "dim"}
_COMMANDS = ("aws ", "npx ", f"{PROGRAM} ")


@dataclass(frozen=True)
class Section:
    """A checked object, such as a deployment, with its findings.

    Attributes:
        name: the object's name.
        findings: the findings in the order of the steps.
        link: a link to a replay with lines; None if there is none.
    """

    name: str
    findings: Sequence[Finding]
    link: str | None = None


def print_report(
    output: Output, title: str, sections: Sequence[Section], *, works: str = "works"
) -> None:
    """Print the report. Commands to copy are not wrapped.

    Args:
        output: the stream to print to.
        title: the first line.
        sections: the sections with their findings.
        works: the beginning of the last line if the worst status is a warning.
    """
    output.line(clean(title))
    for one in sections:
        output.line()
        output.line(clean(one.name))
        if one.link is not None:
            output.line(f"newest session with lines: {clean(one.link)}")
        names = max((len(finding.name) for finding in one.findings), default=0)
        for finding in one.findings:
            _print_finding(output, finding, names)
    output.line()
    output.line(_summary(_findings_of(sections), works))


def as_json(head: Mapping[str, str], kind: str, sections: Sequence[Section]) -> str:
    """Return the report as one JSON document.

    Args:
        head: the first members of the document.
        kind: the kind of a section, such as ``deployment``.
        sections: the sections with their findings.
    """
    document: dict[str, Any] = {
        **{name: clean(value) for name, value in head.items()},
        f"{kind}s": [
            {
                kind: clean(one.name),
                **({"replay_url": clean(one.link)} if one.link is not None else {}),
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
            for one in sections
        ],
        "status": worst(_findings_of(sections)).value,
    }
    return json.dumps(document, indent=2)


def exit_status(sections: Sequence[Section]) -> int:
    """Return 1 if a finding is a failure, otherwise 0."""
    return 1 if worst(_findings_of(sections)) is Status.FAIL else 0


def _findings_of(sections: Sequence[Section]) -> list[Finding]:
    return [finding for one in sections for finding in one.findings]


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
        if text.startswith(_COMMANDS):
            output.line(f"{'':{indent + 2}}{text}")
        else:
            output.show(Padding(Text(text, overflow="fold"), (0, 0, 0, indent + 2), expand=False))


def _summary(findings: Sequence[Finding], works: str) -> str:
    numbers = {status: sum(one.status is status for one in findings) for status in Status}
    parts = [count(numbers[Status.OK], "step") + " OK"]
    parts += [
        f"{numbers[status]} {status.name}"
        for status in (Status.WARN, Status.FAIL, Status.SKIP)
        if numbers[status]
    ]
    summary = {
        Status.OK: "no problem found",
        Status.WARN: f"{works}, with warnings",
        Status.FAIL: "problems found",
    }
    return f"{summary[worst(findings)]}: {', '.join(parts)}"
