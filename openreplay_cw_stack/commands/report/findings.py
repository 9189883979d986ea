"""The findings of a step.

A step is a generator: it yields findings, and returns a value for later steps. ``yield from``
yields the findings of another step and evaluates to its value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar, overload

from openreplay_cw_stack.commands.deployed.account import DENIED
from openreplay_cw_stack.commands.errors import CommandFailed
from openreplay_cw_stack.openreplay.http_calls import RegistrationFailed
from openreplay_cw_stack.runtime.aws_calls import THROTTLED, error_code

_UNREACHABLE = frozenset(
    {
        "ConnectTimeoutError",
        "ConnectionClosedError",
        "EndpointConnectionError",
        "ProxyConnectionError",
        "ReadTimeoutError",
        "SSLError",
    }
)
_PERMISSION = re.compile(r"perform: ([\w-]+:\w+)")


class Status(Enum):
    """The result of a step, from best to worst."""

    OK = "ok"
    """Works."""
    SKIP = "skip"
    """The step does not apply, or cannot be checked from here."""
    WARN = "warn"
    """Works, but needs attention."""
    FAIL = "fail"
    """Does not work, or could not be checked."""


Known = TypeVar("Known")
"""The type of what a step returns."""


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        name: the name of the step.
        status: the result of the step.
        detail: the observation, in one sentence. It never has a line, token or key.
        remedy: the fix, in paragraphs that end with a line break; empty if there is none.
    """

    name: str
    status: Status
    detail: str
    remedy: str = ""


Step = Generator[Finding, None, Known]
"""A step: yields its findings, and returns a value for later steps."""


def ok(name: str, detail: str) -> Finding:
    """Return a finding: the step works."""
    return Finding(name, Status.OK, detail)


def skip(name: str, detail: str, remedy: str = "") -> Finding:
    """Return a finding: the step does not apply, or cannot be checked."""
    return Finding(name, Status.SKIP, detail, remedy)


def warn(name: str, detail: str, remedy: str) -> Finding:
    """Return a finding: the step works, but needs attention."""
    return Finding(name, Status.WARN, detail, remedy)


def fail(name: str, detail: str, remedy: str) -> Finding:
    """Return a finding: the step does not work."""
    return Finding(name, Status.FAIL, detail, remedy)


Denied = Callable[[str, str, str], Finding]
"""Creates a finding from a step's name, a detail and a remedy, like :func:`fail`."""


def worst(findings: Iterable[Finding]) -> Status:
    """Return the worst status of several findings: ``OK``, ``WARN`` or ``FAIL``."""
    found = {finding.status for finding in findings}
    return next((one for one in (Status.FAIL, Status.WARN) if one in found), Status.OK)


@overload
def guarded(name: str, step: Step[None], *, denied: Denied = ...) -> Step[None]: ...


@overload
def guarded(
    name: str, step: Step[Known], otherwise: Known, *, denied: Denied = ...
) -> Step[Known]: ...


def guarded(
    name: str, step: Step[Any], otherwise: Any = None, *, denied: Denied = fail
) -> Step[Any]:
    """Run a step. An error of AWS or OpenReplay ends only this step, with one more finding.

    Args:
        name: the name of the step.
        step: the step. Its findings before the error are kept.
        otherwise: the return value after an error.
        denied: creates the finding if a permission is missing.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return (yield from step)
    except (BotoCoreError, ClientError) as error:
        yield _finding_of(name, error, denied)
    except (CommandFailed, RegistrationFailed) as error:
        yield fail(name, str(error), "")
    return otherwise


def guarded_call(name: str, call: Callable[[], Known], otherwise: Known) -> Step[Known]:
    """Make a call, and handle errors like :func:`guarded`."""

    def step() -> Step[Known]:
        yield from ()
        return call()

    return guarded(name, step(), otherwise)


def _finding_of(name: str, error: Exception, denied: Denied) -> Finding:
    operation = getattr(error, "operation_name", "")
    code = error_code(error)
    not_seen = "could not be checked"
    if code in DENIED:
        named = _PERMISSION.search(str(error))
        permission = named.group(1) if named else operation
        return denied(
            name,
            f"{not_seen}: AWS refuses {permission}",
            f"Allow {permission} for the credentials of this command.",
        )
    if code in THROTTLED:
        return fail(
            name,
            f"{not_seen}: AWS throttles {operation}",
            "Other programs call it at the same time: run the command again in a minute.",
        )
    if code in _UNREACHABLE:
        return fail(
            name,
            f"{not_seen}: this machine cannot reach AWS",
            f"Check its network, its proxy and the region: some regions lack some services. "
            f"boto3 says: {error}",
        )
    what = f"{operation} ended with {code}" if operation else code
    return fail(name, f"{not_seen}: {what}", f"AWS says: {error}")
