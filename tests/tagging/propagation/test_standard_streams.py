from __future__ import annotations

import codecs
import contextlib
import io
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from openreplay_cw_stack.tagging import propagation
from openreplay_cw_stack.tagging.propagation import use_session
from openreplay_cw_stack.tagging.propagation.context import run_in
from openreplay_cw_stack.tagging.propagation.streams import TaggingStream
from tests.tagging.propagation.interpreters import INTERPRETERS
from tests.tagging.propagation.test_streams import run
from tests.tagging.propagation.visitors import ANNA, BERT, check_lines

SET_ANEW = {
    "reconfigured": "sys.stderr.reconfigure(encoding='utf-8')",
    "of its buffer": "sys.stderr = io.TextIOWrapper(sys.stderr.buffer, 'utf-8')",
    "detached": "sys.stderr = io.TextIOWrapper(sys.stderr.detach(), 'utf-8')",
    "of codecs": "sys.stderr = codecs.getwriter('utf-8')(sys.stderr.buffer)",
    "of its descriptor": "sys.stderr = os.fdopen(sys.stderr.fileno(), 'w', 1)",
    "of a duplicate": "sys.stderr = os.fdopen(os.dup(2), 'w', 1)",
    "Python's own": "sys.stderr = sys.__stderr__",
    "twice": "sys.stderr = codecs.getwriter('utf-8')(sys.stderr.buffer)\n"
    "anna.__enter__(); anna.__exit__(None, None, None); anna = propagation.use_session(session)\n"
    "sys.stderr = os.fdopen(2, 'w', 1)",
}
WORK = """
def work():
    with anna:
        print('printed', file=sys.stderr)
        try: raise ValueError('caught')
        except ValueError: traceback.print_exc()
        warnings.warn('old', FutureWarning)
        raise RuntimeError('not caught')
thread = threading.Thread(target=work); thread.start(); thread.join()
sys.stderr.flush()
"""


@pytest.mark.parametrize("how", SET_ANEW)
@pytest.mark.parametrize("version", INTERPRETERS)
def test_a_stream_that_is_set_anew(version: str, how: str) -> None:
    program = "import codecs, io, threading, traceback, warnings\n"
    program += "with anna as session: pass\nanna = propagation.use_session(session)\n"
    lines = check_lines(run(version, f"{program}{SET_ANEW[how]}\n{WORK}").stderr, ANNA)
    assert lines[0] == "printed"
    assert lines[-1] == "RuntimeError: not caught"


def test_what_was_held_is_not_lost(tmp_path: Path, stderr: io.StringIO) -> None:
    path = tmp_path / "stderr"
    with path.open("w", buffering=1) as file:
        sys.stderr = file
        propagation.install()
        print("begun", end="", file=sys.stderr)
        buffer: Any = file.buffer
        anew: Any = codecs.getwriter("utf-8")(buffer)
        with contextlib.closing(anew):
            sys.stderr = anew
            with use_session(ANNA):
                print("of anna", file=sys.stderr)
            propagation.uninstall()
            assert sys.stderr is anew
            anew.flush()
        sys.stderr = stderr
    assert sorted(path.read_text().splitlines()) == [f"{ANNA.tag} of anna", "begun"]


@pytest.mark.parametrize("how", ["detach", "close"])
def test_what_was_held_by_a_stream_that_a_program_ends(
    tmp_path: Path, stderr: io.StringIO, how: str
) -> None:
    sys.stderr = (tmp_path / "stderr").open("w")
    propagation.install()
    print("begun", end="", file=sys.stderr)
    buffer = getattr(sys.stderr, how)()
    if buffer is not None:
        buffer.close()
    assert (tmp_path / "stderr").read_text() == "begun"


def test_a_stream_that_has_gone_does_not_stop_the_work(tmp_path: Path, stderr: io.StringIO) -> None:
    sys.stderr = first = (tmp_path / "first").open("w")
    propagation.install()
    print("begun", end="", file=sys.stderr)
    sys.stderr = first.detach()
    with use_session(ANNA):
        propagation.install()
    propagation.uninstall()
    assert propagation.propagation_counts()["failed_cleanups"] > 0


class TestElsewhere:
    """What a program writes to another place is its own matter, but a report of an exception."""

    def test_what_is_written(self, installed: io.StringIO, tmp_path: Path) -> None:
        with (
            (tmp_path / "elsewhere").open("w") as file,
            contextlib.redirect_stderr(file),
            use_session(ANNA),
        ):
            print("error", file=sys.stderr)
        assert (tmp_path / "elsewhere").read_text() == "error\n"

    def test_an_uncaught_exception(
        self, installed: io.StringIO, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        elsewhere = io.StringIO()
        with monkeypatch.context() as patch, contextlib.redirect_stderr(elsewhere):
            patch.setattr(sys, "excepthook", sys.__excepthook__)
            patch.setattr(threading, "excepthook", threading.__excepthook__)
            thread = threading.Thread(target=run_in, args=(ANNA, fail))
            thread.start()
            thread.join()
            try:
                run_in(ANNA, fail)
            except KeyError as exc:
                sys.excepthook(type(exc), exc, exc.__traceback__)
            assert sys.stderr is elsewhere
        assert check_lines(elsewhere.getvalue(), ANNA).count("KeyError: 'no stock left'") == 2
        assert isinstance(sys.stderr, TaggingStream)

    @pytest.mark.parametrize("version", INTERPRETERS)
    def test_a_warning(self, version: str) -> None:
        program = (
            "import contextlib, io, warnings\n"
            "with contextlib.redirect_stderr(io.StringIO()) as elsewhere, anna:\n"
            "    warnings.warn('old\\nand slow', FutureWarning)\n"
            "print(elsewhere.getvalue())\n"
        )
        assert check_lines(run(version, program).stdout, ANNA)[1] == "and slow"

    def test_a_hook_that_is_set_later(
        self, installed: io.StringIO, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As rich.traceback.install() does, and error trackers."""

        def report(exc_type: Any, exc: BaseException, trace: Any) -> None:
            print("failed:", exc, file=sys.stderr)

        with monkeypatch.context() as patch:
            patch.setattr(sys, "excepthook", report)
            try:
                run_in(ANNA, fail)
            except KeyError as exc:
                sys.excepthook(type(exc), exc, exc.__traceback__)
            assert check_lines(installed.getvalue(), ANNA) == ["failed: 'no stock left'"]


def fail() -> None:
    raise KeyError("no stock left")


def test_two_threads_that_report_at_once(
    installed: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first that is done does not take the stream away from the other one."""
    begun, done = threading.Event(), threading.Event()

    def report(args: Any) -> None:
        if args.exc_type is ValueError:
            begun.set()
            done.wait(timeout=10)
        print(f"{args.exc_type.__name__}: {args.exc_value}", file=sys.stderr)

    def fail_as(session: propagation.Session, exc: Exception) -> None:
        with use_session(session):
            raise exc

    with (
        monkeypatch.context() as patch,
        contextlib.redirect_stderr(io.StringIO()) as elsewhere,
    ):
        patch.setattr(threading, "excepthook", report)
        slow = threading.Thread(target=fail_as, args=(ANNA, ValueError("slow")))
        slow.start()
        begun.wait(timeout=10)
        quick = threading.Thread(target=fail_as, args=(BERT, TypeError("quick")))
        quick.start()
        quick.join()
        done.set()
        slow.join()
        assert sys.stderr is elsewhere
    bert, anna = elsewhere.getvalue().splitlines()
    assert check_lines(bert, BERT) == ["TypeError: quick"]
    assert check_lines(anna, ANNA) == ["ValueError: slow"]


def test_stdout_that_is_set_anew() -> None:
    program = (
        "import io\n"
        "propagation.install(stdout=True)\n"
        "sys.stdout = io.TextIOWrapper(sys.stdout.buffer, 'utf-8')\n"
        "with anna: print('printed')\n"
    )
    ran = run(next(iter(INTERPRETERS)), program)
    assert ran.stdout == f"{ANNA.tag} printed\n"
