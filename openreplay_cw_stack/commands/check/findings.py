"""What a step of the check has found."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

from openreplay_cw_stack.commands.deployed.account import DENIED, error_code
from openreplay_cw_stack.commands.errors import CommandFailed
from openreplay_cw_stack.openreplay.http_calls import RegistrationFailed

_PERMISSION = re.compile(r"perform: ([\w-]+:\w+)")


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


def guarded(name: str, findings: Iterator[Finding]) -> Iterator[Finding]:
    """The findings of a step; an error of AWS's ends this step only, as one more finding."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield from findings
    except (BotoCoreError, ClientError) as error:
        yield _finding_of(name, error)
    except (CommandFailed, RegistrationFailed) as error:
        yield fail(name, str(error), "")


def _finding_of(name: str, error: Any) -> Finding:
    operation = getattr(error, "operation_name", "")
    code = error_code(error)
    if code in DENIED:
        named = _PERMISSION.search(str(error))
        permission = named.group(1) if named else operation
        return fail(
            name,
            f"could not be looked at: AWS refuses {permission}",
            f"Allow {permission} for the credentials that run this command.",
        )
    what = f"{operation} ended with {code}" if code else type(error).__name__
    return fail(name, f"could not be looked at: {what}", f"AWS says: {error}")
