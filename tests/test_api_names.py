"""Names that programs, dashboards and scripts of others use: ``api_names.txt`` lists them all.

Logical ids, outputs and the names of alarms are in ``tests/infra/snapshots``. The values of
verdicts are also in ``tests/tagging/test_verdict.py``, with their order.
"""

from __future__ import annotations

import argparse
import inspect
import os
import re
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path
from types import SimpleNamespace

import pytest

import openreplay_cw_stack
from openreplay_cw_stack import commands, tagging
from openreplay_cw_stack.commands.errors import CommandFailed
from openreplay_cw_stack.contract import error_event, metrics, session_table
from openreplay_cw_stack.infra.choices import Ingest, ServiceAccountAccess
from openreplay_cw_stack.infra.context import CONTEXT_OPTIONS
from openreplay_cw_stack.tagging import propagation

LIST = Path(__file__).parent / "api_names.txt"
MODULES = (openreplay_cw_stack, tagging, propagation)
ENUMS = (tagging.Verdict, tagging.Reader, tagging.PollSkip, Ingest, ServiceAccountAccess)


def names() -> Iterator[str]:
    for module in MODULES:
        for name in module.__all__:
            yield f"python {module.__name__}.{name}"
            for inner in inner_names(getattr(module, name)):
                yield f"python {module.__name__}.{name}: {inner}"
    yield "python openreplay_cw_stack.tagging.propagation.drop_in.OPENREPLAY_SESSION_TOKEN"
    for enum in ENUMS:
        yield from (f"value {enum.__name__}.{one.name} = {one.value}" for one in enum)
    yield from (f"option {name}" for name in CONTEXT_OPTIONS)
    for name, value in vars(metrics).items():
        if name.isupper() and isinstance(value, str):
            yield f"metric, dimension or namespace {value}"
    yield f"event source {error_event.SOURCE}"
    yield f"event detail-type {error_event.DETAIL_TYPE}"
    for key in (session_table.PARTITION_KEY, session_table.SORT_KEY, session_table.TIME_TO_LIVE):
        yield f"table attribute {key}"
    yield from (f"environment variable {name}" for name in variables())
    yield from command_names()


def inner_names(value: object) -> Iterator[str]:
    """The parameters of a function, or of a class and its public members."""
    if not callable(value):
        return
    if not (inspect.isclass(value) and issubclass(value, (Enum, dict, Exception))):
        # jsii's metaclass hides the parameters of a construct.
        made = value.__init__ if "__init__" in vars(value) else value  # type: ignore[misc]
        parameters = inspect.signature(made).parameters
        yield from (f"{name}=" for name in parameters if name != "self")
    if inspect.isclass(value) and not issubclass(value, Enum):
        for name, member in vars(value).items():
            if not name.startswith("_") and (callable(member) or isinstance(member, property)):
                yield f".{name}"


def variables() -> Iterator[str]:
    """The environment variables that people set, from the source: some imports start something."""
    for path in Path(openreplay_cw_stack.__file__).parent.rglob("*.py"):
        yield from re.findall(r'^\w+_VARIABLE = "(\w+)"$', path.read_text(), re.MULTILINE)


def command_names() -> Iterator[str]:
    (subparsers,) = [
        one for one in commands._parser()._actions if isinstance(one, argparse._SubParsersAction)
    ]
    for name, parser in subparsers.choices.items():
        yield f"command {name}"
        for action in parser._actions:
            for argument in action.option_strings or [action.dest.upper()]:
                yield f"command {name} {argument}"


def test_no_name_of_the_api_changes() -> None:
    now = sorted(set(names()))
    if os.environ.get("UPDATE_API_NAMES"):
        LIST.write_text("\n".join(now) + "\n")
    listed = LIST.read_text().splitlines()
    gone, new = sorted(set(listed) - set(now)), sorted(set(now) - set(listed))
    assert (gone, new) == ([], []), (
        "These names are API: programs, dashboards and scripts use them. "
        f"Gone: {gone}. New: {new}. "
        "Keep a name that is gone, or say in CHANGELOG.md that the change breaks programs. "
        "UPDATE_API_NAMES=1 writes the list."
    )
    assert listed == now


@pytest.mark.parametrize(("outcome", "status"), [(0, 0), (1, 1), (2, 2)])
def test_exit_statuses_are_those_of_the_command(
    outcome: int, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(commands.COMMANDS, "judge", stub(lambda: outcome))
    assert commands.main(["judge"]) == status


@pytest.mark.parametrize(
    ("error", "status"), [(CommandFailed("no stack"), 2), (KeyboardInterrupt(), 130)]
)
def test_exit_statuses_of_errors(
    error: BaseException, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> int:
        raise error

    monkeypatch.setitem(commands.COMMANDS, "judge", stub(fail))
    assert commands.main(["judge"]) == status


def stub(run: Callable[[], int]) -> SimpleNamespace:
    """A command without arguments."""
    return SimpleNamespace(HELP="", add_arguments=lambda _: None, run=lambda _: run())
