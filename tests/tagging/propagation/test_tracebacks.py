from __future__ import annotations

import builtins
import inspect
import io
import sys
import traceback
from collections.abc import Callable
from typing import Any

import pytest

from openreplay_cw_stack.tagging.propagation import uninstall, use_session
from openreplay_cw_stack.tagging.propagation.context import run_in
from openreplay_cw_stack.tagging.propagation.tracebacks import FORMATTING, PRINTING, STORING
from tests.tagging.propagation.visitors import ANNA, BERT, check_lines


class Picky(Exception):
    def __init__(self, code: int, *, reason: str) -> None:
        super().__init__(code, reason)


def fail() -> None:
    try:
        raise Picky(7, reason="two\nlines")
    except Picky as cause:
        raise KeyError("no stock left") from cause


def test_none_is_forgotten() -> None:
    public = {name for name in traceback.__all__ if name.startswith(("print_", "format_"))}
    assert public <= {*PRINTING, *FORMATTING}


CALLS: dict[str, Callable[[BaseException, Any], Any]] = {
    "print_exception": lambda exc, file: traceback.print_exception(exc, file=file),
    "print_exception of three": lambda exc, file: traceback.print_exception(
        type(exc), exc, exc.__traceback__, None, file
    ),
    "print_exc": lambda exc, file: traceback.print_exc(file=file),
    "print_exc, limited": lambda exc, file: traceback.print_exc(1, file, False),
    "print_tb": lambda exc, file: traceback.print_tb(exc.__traceback__, None, file),
    "print_stack": lambda exc, file: traceback.print_stack(file=file),
    "print_stack of a frame": lambda exc, file: traceback.print_stack(
        exc.__traceback__.tb_frame if exc.__traceback__ else None, 1, file
    ),
    "print_list": lambda exc, file: traceback.print_list(
        traceback.extract_tb(exc.__traceback__), file
    ),
    "format_exception": lambda exc, file: traceback.format_exception(exc),
    "format_exc": lambda exc, file: traceback.format_exc(),
    "format_exception_only": lambda exc, file: traceback.format_exception_only(exc),
    "format_tb": lambda exc, file: traceback.format_tb(exc.__traceback__),
    "format_stack": lambda exc, file: traceback.format_stack(),
    "format_list": lambda exc, file: traceback.format_list(traceback.extract_tb(exc.__traceback__)),
}


def text_of(call: Callable[[BaseException, Any], Any], exc: BaseException, file: Any) -> str:
    """What a call writes or returns, as text."""
    returned = call(exc, file)
    if returned is None:
        return (sys.stderr if file is None else file).getvalue()  # type: ignore[no-any-return,union-attr]
    return "".join(returned)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("to", ["stderr", "a file"])
def test_every_line_is_tagged(installed: io.StringIO, name: str, to: str) -> None:
    tagged = io.StringIO()
    bare = io.StringIO()
    try:
        fail()
    except KeyError as exc:
        with use_session(ANNA):
            text = text_of(CALLS[name], exc, None if to == "stderr" else tagged)
        uninstall()
        expected = text_of(CALLS[name], exc, bare)
    lines = check_lines(text, ANNA)
    assert len(lines) == len(list(filter(str.strip, expected.split("\n"))))
    if "stack" not in name:
        assert lines == list(filter(str.strip, expected.split("\n")))


@pytest.mark.parametrize("name", CALLS)
def test_without_a_visitor_nothing_changes(installed: io.StringIO, name: str) -> None:
    try:
        fail()
    except KeyError as exc:
        check_lines(text_of(CALLS[name], exc, io.StringIO()), None)


def test_an_exception_of_a_request_that_has_ended(installed: io.StringIO) -> None:
    try:
        run_in(ANNA, fail)
    except KeyError:
        check_lines(traceback.format_exc(), ANNA)
        frames = traceback.extract_tb(sys.exc_info()[2])
        # As AWS Lambda's runtime does when a handler has raised.
        assert all(one.startswith(ANNA.tag) for one in traceback.format_list(frames))
        with use_session(BERT):
            check_lines(traceback.format_exc(), BERT)


def test_the_exception_is_not_touched(installed: io.StringIO) -> None:
    try:
        fail()
    except KeyError as exc:
        before = (str(exc), exc.args, exc.__cause__, dict(vars(exc)), exc.__traceback__)
        with use_session(ANNA):
            traceback.print_exception(exc)
            traceback.format_exc()
        after = (str(exc), exc.args, exc.__cause__, dict(vars(exc)), exc.__traceback__)
    assert after == before


@pytest.mark.parametrize("package", [*sorted(STORING), "shop", None])
def test_what_a_job_queue_stores_has_no_token(installed: io.StringIO, package: str | None) -> None:
    """The exception is known to be the visitor's; the one who looks at the queue is another."""
    names: dict[str, Any] = {"__name__": package and f"{package}.worker"}
    exec(QUEUE, names)
    try:
        run_in(ANNA, fail)
    except KeyError as exc:
        stored = names["store"](exc)
        log = io.StringIO()
        names["log"](exc, log)
    for text in stored:
        assert "no stock left" in text
        assert (str(ANNA.token) in text) is (package not in STORING)
    check_lines(log.getvalue(), ANNA)


QUEUE = """
import traceback
def store(exc):
    return [
        "".join(traceback.format_exception(type(exc), exc, exc.__traceback__)),
        traceback.format_exc(limit=30),
        "".join(traceback.format_exception_only(type(exc), exc)),
    ]
def log(exc, file):
    traceback.print_exception(type(exc), exc, exc.__traceback__, file=file)
"""


@pytest.mark.parametrize("session", [None, ANNA])
def test_wrong_calls_are_refused_as_before(installed: io.StringIO, session: Any) -> None:
    with use_session(session):
        with pytest.raises(TypeError):
            traceback.print_exc(nonsense=1)  # type: ignore[call-arg]
        with pytest.raises(TypeError):
            traceback.format_tb()  # type: ignore[call-arg]


def test_signatures_are_as_before(installed: io.StringIO) -> None:
    for name in (*PRINTING, *FORMATTING):
        replaced = getattr(traceback, name)
        original = inspect.unwrap(replaced)
        assert replaced is not original
        assert inspect.signature(replaced) == inspect.signature(original)
        assert replaced.__doc__ == original.__doc__


def test_without_stderr(installed: io.StringIO) -> None:
    before, sys.stderr = sys.stderr, None
    try:
        fail()
    except KeyError:
        with use_session(ANNA):
            traceback.print_exc()
    finally:
        sys.stderr = before


def test_an_exception_group(installed: io.StringIO) -> None:
    group: Any = vars(builtins).get("ExceptionGroup")
    if group is None:
        pytest.skip("this Python has no exception groups")
    try:
        raise group("several", [ValueError("one"), KeyError("two")])
    except group:
        with use_session(ANNA):
            assert any("two" in line for line in check_lines(traceback.format_exc(), ANNA))
