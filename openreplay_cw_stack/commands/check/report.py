"""The report: for a terminal, or as one JSON document. Neither has a token or a key in it."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from openreplay_cw_stack.commands.check.findings import Finding, Status, count, worst
from openreplay_cw_stack.tagging import remove_session_tokens

_COLOURS = {Status.OK: "32", Status.WARN: "33", Status.FAIL: "31", Status.SKIP: "2"}
_STATUS_WIDTH = 6
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


def as_text(
    stack: str, where: str, checked: Sequence[Checked], *, width: int, colour: bool
) -> Iterator[str]:
    """The report in lines of at most ``width`` characters; a command to copy stays in one."""
    yield f"{_clean(stack)}: {_clean(where)}"
    for one in checked:
        yield ""
        yield _clean(one.deployment)
        names = max((len(finding.name) for finding in one.findings), default=0)
        for finding in one.findings:
            yield from _lines(finding, names, width=width, colour=colour)
    yield ""
    yield _summary([finding for one in checked for finding in one.findings])


def as_json(stack: str, checked: Sequence[Checked]) -> str:
    """The report as one JSON document."""
    document: dict[str, Any] = {
        "stack": _clean(stack),
        "deployments": [
            {
                "deployment": _clean(one.deployment),
                "steps": [
                    {
                        "name": finding.name,
                        "status": finding.status.value,
                        "detail": _clean(finding.detail),
                        "remedy": "\n".join(map(_clean, finding.remedy.split("\n"))),
                    }
                    for finding in one.findings
                ],
            }
            for one in checked
        ],
        "status": worst(finding for one in checked for finding in one.findings).value,
    }
    return json.dumps(document, indent=2)


def _lines(finding: Finding, names: int, *, width: int, colour: bool) -> Iterator[str]:
    indent = " " * (_STATUS_WIDTH + names + 2)
    status = f"{finding.status.name:<{_STATUS_WIDTH}}"
    if colour:
        status = f"\x1b[{_COLOURS[finding.status]}m{status}\x1b[0m"
    detail = _wrapped(_clean(finding.detail), width - len(indent))
    yield f"{status}{finding.name:<{names}}  {detail[0]}".rstrip()
    yield from (indent + line for line in detail[1:])
    for paragraph in filter(None, finding.remedy.split("\n")):
        text = _clean(paragraph)
        pieces = [text] if _is_command(text) else _wrapped(text, width - len(indent) - 2)
        yield from (f"{indent}  {piece}" for piece in pieces if piece.strip())


def _is_command(text: str) -> bool:
    return text.startswith(("aws ", "python "))


def _wrapped(text: str, width: int) -> list[str]:
    lines = textwrap.wrap(text, max(width, 20), break_long_words=False, break_on_hyphens=False)
    return lines or [""]


def _summary(findings: Sequence[Finding]) -> str:
    numbers = {status: sum(one.status is status for one in findings) for status in Status}
    parts = [count(numbers[Status.OK], "step") + " OK"]
    parts += [
        f"{numbers[status]} {status.name}"
        for status in (Status.WARN, Status.FAIL, Status.SKIP)
        if numbers[status]
    ]
    return f"{_SUMMARY[worst(findings)]}: {', '.join(parts)}"


def _clean(text: str) -> str:
    """Without what a terminal obeys, and without anything that has a session token's shape."""
    safe = remove_session_tokens(text)
    return "".join(one if one.isprintable() else "�" for one in safe)
