"""What a step of the check has found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum


class Status(Enum):
    """How a step came out, from good to bad."""

    OK = "ok"
    """As it should be."""
    SKIP = "skip"
    """Does not apply here, or cannot be judged from here."""
    WARN = "warn"
    """Works, and should be looked at."""
    FAIL = "fail"
    """Does not work, or could not be looked at."""


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        name: of the step.
        status: how it came out.
        detail: what was seen, in one sentence. No line, token or key is ever in it.
        remedy: what to do, in paragraphs that end with a line break; empty: nothing.
    """

    name: str
    status: Status
    detail: str
    remedy: str = ""


def ok(name: str, detail: str) -> Finding:
    """All is well."""
    return Finding(name, Status.OK, detail)


def skip(name: str, detail: str, remedy: str = "") -> Finding:
    """Nothing to look at, or no way to."""
    return Finding(name, Status.SKIP, detail, remedy)


def warn(name: str, detail: str, remedy: str) -> Finding:
    """It works; something is to be done about it."""
    return Finding(name, Status.WARN, detail, remedy)


def fail(name: str, detail: str, remedy: str) -> Finding:
    """It does not work."""
    return Finding(name, Status.FAIL, detail, remedy)


def worst(findings: Iterable[Finding]) -> Status:
    """The status of several findings together: ``OK``, ``WARN`` or ``FAIL``."""
    found = {finding.status for finding in findings}
    return next((one for one in (Status.FAIL, Status.WARN) if one in found), Status.OK)


def count(number: int, thing: str, things: str = "") -> str:
    """A number of things, such as ``1 line`` and ``2 lines``."""
    return f"{number} {thing if number == 1 else things or thing + 's'}"
