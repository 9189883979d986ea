from __future__ import annotations

import concurrent.futures
import contextlib
import contextvars
import copy
import functools
import gc
import io
import json
import logging
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from openreplay_cw_stack.tagging import propagation
from openreplay_cw_stack.tagging.propagation import carry, counts, streams, use_session
from openreplay_cw_stack.tagging.propagation.context import run_in, set_session
from openreplay_cw_stack.tagging.propagation.session import Session
from openreplay_cw_stack.tagging.propagation.streams import TaggingStream, finish_streams
from tests.tagging.propagation.interpreters import INTERPRETERS, environment
from tests.tagging.propagation.visitors import ANNA, BERT, a_record, check_lines, field_of

ROOT = Path(__file__).parents[3]


def write(*parts: object, end: str = "\n", flush: bool = False) -> None:
    print(*parts, end=end, file=sys.stderr, flush=flush)


class Full(io.StringIO):
    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def write(self, text: str) -> int:
        raise self.error


NO_SPACE = OSError(28, "No space left on device")


class TestWriting:
    def test_of_nobody_as_it_is(self, installed: io.StringIO) -> None:
        write("a", "b", end="")
        # As with Python's own stderr, a line goes out once it is complete or flushed.
        assert installed.getvalue() == ""
        assert sys.stderr.write("c\n") == 2
        assert installed.getvalue() == "a bc\n"
        write("Password: ", end="", flush=True)
        assert installed.getvalue() == "a bc\nPassword: "

    def test_one_tag_a_line(self, installed: io.StringIO) -> None:
        with use_session(ANNA):
            write("a", "b", "c")
            write("d\ne\n\nf")
            sys.stderr.writelines(["g\n", "h", "\n"])
            assert sys.stderr.write("i\n") == 2
            assert sys.stderr.write("") == 0
        tag = ANNA.tag
        assert installed.getvalue() == (
            f"{tag} a b c\n{tag} d\n{tag} e\n\n{tag} f\n{tag} g\n{tag} h\n{tag} i\n"
        )

    def test_what_is_no_text_is_refused_as_before(self, installed: io.StringIO) -> None:
        for session in (None, ANNA):
            with use_session(session), pytest.raises(TypeError):
                sys.stderr.write(b"bytes")  # type: ignore[arg-type]
        assert installed.getvalue() == ""

    def test_a_line_in_pieces(self, installed: io.StringIO) -> None:
        with use_session(ANNA):
            write("a", end="")
            assert installed.getvalue() == ""
            write("b", end="", flush=True)
            assert installed.getvalue() == f"{ANNA.tag} ab"
            write("c", end="")
            write("\nd")
        assert installed.getvalue() == f"{ANNA.tag} abc\n{ANNA.tag} d\n"

    def test_text_behind_a_line_end_is_not_held(self, installed: io.StringIO) -> None:
        with use_session(ANNA):
            write("a\nb", end="")
            assert installed.getvalue() == f"{ANNA.tag} a\n{ANNA.tag} b"
            write("c")
        assert installed.getvalue() == f"{ANNA.tag} a\n{ANNA.tag} bc\n"

    def test_a_line_without_an_end_is_not_held_for_ever(self, installed: io.StringIO) -> None:
        with use_session(ANNA):
            for _ in range(100):
                write("x" * 1000, end="")
            assert len(installed.getvalue()) > 60_000
            write()
        assert installed.getvalue() == f"{ANNA.tag} {'x' * 100_000}\n"

    def test_a_long_line_in_pieces_is_one_line(self, installed: io.StringIO) -> None:
        with use_session(ANNA):
            for _ in range(60):
                write("x" * 1000, end="")
            with use_session(BERT):
                write("bert")
            write()
        assert installed.getvalue() == f"{BERT.tag} bert\n{ANNA.tag} {'x' * 60_000}\n"

    def test_json_that_print_ends(self, installed: io.StringIO) -> None:
        with use_session(ANNA):
            write('{\n  "message": "hi"\n}')
            write('{"message": "ho"}')
        assert installed.getvalue() == (
            f'{{\n  {field_of(ANNA)}, "message": "hi"\n}}\n{{{field_of(ANNA)}, "message": "ho"}}\n'
        )


class TestTogether:
    def test_visitors_pieces_are_not_mixed(self, installed: io.StringIO) -> None:
        anna, bert = use_session(ANNA), use_session(BERT)
        with anna:
            write("anna", end=" ")
            with bert:
                write("bert", end=" ")
                with use_session(ANNA):
                    write("again")
                write("too")
        assert installed.getvalue() == f"{ANNA.tag} anna again\n{BERT.tag} bert too\n"

    def test_a_line_that_is_open_is_ended_by_the_next_writer(self, installed: io.StringIO) -> None:
        write("nobody", end="", flush=True)
        with use_session(ANNA):
            write("anna", end="", flush=True)
            with use_session(BERT):
                write("bert")
            write("anna again", end="", flush=True)
            with use_session(None):
                write("nobody again")
        assert installed.getvalue() == (
            f"nobody\n{ANNA.tag} anna\n{BERT.tag} bert\n{ANNA.tag} anna again\nnobody again\n"
        )

    def test_a_line_ends_with_the_request(self, installed: io.StringIO) -> None:
        for session in (ANNA, BERT):
            with use_session(session):
                write("unfinished", end="")
        with use_session(ANNA):
            write("flushed", end="", flush=True)
        write("of nobody")
        assert installed.getvalue() == (
            f"{ANNA.tag} unfinished\n{BERT.tag} unfinished\n{ANNA.tag} flushed\nof nobody\n"
        )

    def test_a_flushed_line_is_ended_with_the_session(self, installed: io.StringIO) -> None:
        """What writes next may not pass the stream."""
        with use_session(ANNA):
            write("flushed", end="", flush=True)
        assert installed.getvalue() == f"{ANNA.tag} flushed\n"

    def test_a_flush_leaves_the_others_lines_whole(self, installed: io.StringIO) -> None:
        with use_session(ANNA):
            write("a", end="")
            with use_session(BERT):
                sys.stderr.flush()
                write("bert")
            write("b")
        assert installed.getvalue() == f"{BERT.tag} bert\n{ANNA.tag} ab\n"

    @pytest.mark.parametrize("terminator", ["\n", ""])
    def test_another_visitors_record_stands_on_a_line_of_its_own(
        self, installed: io.StringIO, terminator: str
    ) -> None:
        """What has its tag already ends an open line, and can be open itself."""
        handler = logging.StreamHandler(sys.stderr)
        handler.terminator = terminator
        record = a_record(BERT, "of bert")
        with use_session(ANNA):
            write("anna", end="", flush=True)
            handler.handle(record)
            write("again")
        assert installed.getvalue() == f"{ANNA.tag} anna\n{BERT.tag} of bert\n{ANNA.tag} again\n"

    def test_an_inner_request_of_the_same_visitor_ends_no_line(
        self, installed: io.StringIO
    ) -> None:
        with use_session(ANNA):
            write("a", end="")
            with use_session(ANNA):
                write("b", end="")
            write("c")
        assert installed.getvalue() == f"{ANNA.tag} abc\n"

    def test_threads_of_one_visitor(self, installed: io.StringIO) -> None:
        with use_session(ANNA):
            write("a", end="")
            thread = threading.Thread(target=propagation.carry(functools.partial(write, "b")))
            thread.start()
            thread.join()
            write("c")
        assert installed.getvalue() == f"{ANNA.tag} b\n{ANNA.tag} ac\n"

    def test_a_piece_of_nobodys_stands_before_no_visitors_line(
        self, installed: io.StringIO
    ) -> None:
        write("nobody's ", end="")
        thread = threading.Thread(target=lambda: run_in(ANNA, write, "of anna"))
        thread.start()
        thread.join()
        write("line")
        assert installed.getvalue() == f"{ANNA.tag} of anna\nnobody's line\n"

    @pytest.mark.parametrize("limit", ["_MAX_HELD_WRITERS", "_IDLE_SECONDS"])
    def test_lines_that_were_left_are_not_held_for_ever(
        self, installed: io.StringIO, monkeypatch: pytest.MonkeyPatch, limit: str
    ) -> None:
        # All at once: the next thread may have the identity of one that has ended.
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            together = threading.Barrier(3)

            def leave(number: int) -> None:
                together.wait(timeout=10)
                write(f"left {number}", end="")
                together.wait(timeout=10)

            list(pool.map(leave, range(3)))
        monkeypatch.setattr(streams, limit, 0)
        for _ in range(4):
            write("line")
        assert set(installed.getvalue().splitlines()) >= {"left 0", "left 1", "left 2"}

    def test_a_full_disk_does_not_replace_the_answer(
        self, stderr: io.StringIO, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sys, "stderr", Full(NO_SPACE))
        propagation.install()

        def answer() -> str:
            write("unfinished", end="")
            return "the answer"

        assert run_in(ANNA, answer) == "the answer"
        assert propagation.propagation_counts()["failed_cleanups"] == 1

    @pytest.mark.parametrize("end", ["session", "process"])
    def test_one_stream_that_is_full_keeps_no_other_one_back(
        self, installed: io.StringIO, monkeypatch: pytest.MonkeyPatch, end: str
    ) -> None:
        patches: Any = sys.stderr._patches  # type: ignore[union-attr]
        behind = io.StringIO()
        # io.BufferedWriter raises a RuntimeError where a signal handler writes during a write.
        errors = (NO_SPACE, ValueError("closed"), RuntimeError("reentrant call"))
        full = [TaggingStream(Full(error), patches) for error in 3 * errors]
        good = TaggingStream(behind, patches)
        monkeypatch.setattr(streams, "_streams", weakref.WeakSet([*full, good]))
        with use_session(ANNA):
            for stream in (*full, good):
                stream.write("unfinished")
            if end == "process":
                finish_streams()
        assert behind.getvalue().strip() == f"{ANNA.tag} unfinished"
        assert counts.counts()["failed_cleanups"] == len(full)

    def test_a_signal_in_the_midst_of_a_write(self, installed: io.StringIO) -> None:
        class Interrupted(io.StringIO):
            def write(self, text: str) -> int:
                if "slow" in text:
                    signal.raise_signal(signal.SIGUSR1)
                return super().write(text)

        stream = Interrupted()
        before = signal.signal(signal.SIGUSR1, lambda *_: write("from the handler"))
        try:
            propagation.uninstall()
            sys.stderr = stream
            propagation.install()
            with use_session(ANNA):
                write("slow")
        finally:
            signal.signal(signal.SIGUSR1, before)
        assert sorted(check_lines(stream.getvalue(), ANNA)) == ["from the handler", "slow"]

    def test_another_session_is_never_taken_for_one_that_has_gone(
        self, installed: io.StringIO
    ) -> None:
        def open_a_line(session: Session) -> None:
            # As a task that goes on after its request: nothing ends its line.
            set_session(session)
            write("open", end="", flush=True)
            set_session(None)

        tags = []
        for _ in range(50):
            session = Session.of_token(str(ANNA.token))
            tags.append(session.tag)
            contextvars.Context().run(open_a_line, session)
            del session
        lines = installed.getvalue().split("\n")
        assert lines == [f"{tag} open" for tag in tags]


def in_a_thread(function: Callable[[], object]) -> None:
    thread = threading.Thread(target=function)
    thread.start()
    thread.join(10)


def leave_a_line() -> None:
    """Begin a line in a thread that has the context, as ``asyncio.to_thread`` gives it one."""
    at_hand = contextvars.copy_context()
    in_a_thread(lambda: at_hand.run(write, "left", end=""))


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "_MAX_WAIT_SECONDS", -1.0)


class TestLinesOfOtherThreads:
    def test_one_that_was_left_goes_out_with_the_session(
        self, installed: io.StringIO, at_once: None
    ) -> None:
        with use_session(ANNA):
            leave_a_line()
            assert installed.getvalue() == ""
        assert installed.getvalue() == f"{ANNA.tag} left\n"

    def test_another_sessions_stays(self, installed: io.StringIO, at_once: None) -> None:
        with use_session(BERT):
            leave_a_line()
            with use_session(ANNA):
                pass
            assert installed.getvalue() == ""

    def test_one_that_is_being_written_is_not_broken(self, installed: io.StringIO) -> None:
        begun, ended = threading.Event(), threading.Event()

        def work() -> None:
            write("a", end="")
            begun.set()
            ended.wait(10)
            write("b")

        with use_session(ANNA):
            thread = threading.Thread(target=carry(work))
            thread.start()
            begun.wait(10)
        ended.set()
        thread.join(10)
        assert installed.getvalue() == f"{ANNA.tag} ab\n"

    @pytest.mark.parametrize("threads", [False, True])
    def test_the_end_of_a_thread_breaks_no_line(
        self, installed: io.StringIO, at_once: None, threads: bool
    ) -> None:
        """Only the session's end does."""
        propagation.install(threads=threads)
        with use_session(ANNA):
            write("a", end="")
            work = functools.partial(write, "of the thread")
            in_a_thread(work if threads else carry(work))
            write("b")
        assert installed.getvalue() == f"{ANNA.tag} of the thread\n{ANNA.tag} ab\n"


class TestTheWholeStream:
    def test_everything_else_is_the_streams_own(self, stderr: io.StringIO, tmp_path: Path) -> None:
        with (tmp_path / "stderr").open("w", encoding="latin-1") as file:
            sys.stderr = file
            propagation.install()
            wrapped: Any = sys.stderr
            assert isinstance(wrapped, TaggingStream)
            assert wrapped.fileno() == file.fileno()
            assert wrapped.encoding == "latin-1"
            assert wrapped.buffer is file.buffer
            assert wrapped.isatty() is False
            assert wrapped.name == file.name
            assert repr(file) in repr(wrapped)
            with pytest.raises(AttributeError):
                wrapped.nonsense  # noqa: B018
            wrapped.reconfigure(line_buffering=True)
            assert file.line_buffering
            with use_session(ANNA):
                write("é", "error")
            propagation.uninstall()
            assert sys.stderr is file
            wrapped.write("later\n")
        assert (tmp_path / "stderr").read_text("latin-1") == f"{ANNA.tag} é error\nlater\n"

    def test_a_stream_as_a_context_manager_writes_everybodys(
        self, stderr: io.StringIO, tmp_path: Path
    ) -> None:
        """Its end writes what is held, whoever wrote it."""
        file = (tmp_path / "stderr").open("w")
        sys.stderr = file
        propagation.install()
        with use_session(ANNA):
            write("annas", end="")
            with use_session(BERT), sys.stderr:
                write("berts", end="")
        assert sorted((tmp_path / "stderr").read_text().splitlines()) == [
            f"{BERT.tag} berts",
            f"{ANNA.tag} annas",
        ]

    def test_what_cannot_be_copied_says_so(self, stderr: io.StringIO, tmp_path: Path) -> None:
        with (tmp_path / "stderr").open("w") as sys.stderr:
            propagation.install()
            with pytest.raises(TypeError, match="cannot pickle"):
                copy.deepcopy(sys.stderr)
        with pytest.raises(AttributeError):
            TaggingStream.__new__(TaggingStream).encoding  # noqa: B018

    def test_errors_of_the_stream_pass(self, installed: io.StringIO) -> None:
        installed.close()
        with use_session(ANNA), pytest.raises(ValueError, match="closed file"):
            write("error")

    def test_somebody_elses_redirection(self, installed: io.StringIO) -> None:
        with contextlib.redirect_stderr(io.StringIO()) as redirected, use_session(ANNA):
            write("error")
        assert redirected.getvalue() == "error\n"
        assert isinstance(sys.stderr, TaggingStream)

    def test_a_process_without_stderr(self, stderr: io.StringIO) -> None:
        sys.stderr = None
        propagation.install()
        with use_session(ANNA):
            print("error", file=sys.stderr)
        propagation.uninstall()
        assert sys.stderr is None

    def test_it_is_not_kept_alive(self, stderr: io.StringIO) -> None:
        from openreplay_cw_stack.tagging.propagation import streams

        gc.collect()
        before = len(streams._streams)
        for _ in range(3):
            sys.stderr = io.StringIO()
            propagation.install()
            propagation.uninstall()
        gc.collect()
        assert len(streams._streams) == before


class TestStdout:
    def test_it_is_left_alone(self, installed: io.StringIO) -> None:
        with contextlib.redirect_stdout(io.StringIO()) as stdout, use_session(ANNA):
            print("the result")
        assert stdout.getvalue() == "the result\n"

    def test_unless_asked(self, installed: io.StringIO) -> None:
        before = sys.stdout
        stdout = sys.stdout = io.StringIO()
        try:
            propagation.install(stdout=True)
            with use_session(ANNA):
                print("error", 7)
            propagation.uninstall()
            assert sys.stdout is stdout
        finally:
            sys.stdout = before
        assert stdout.getvalue() == f"{ANNA.tag} error 7\n"


def run(version: str, program: str, *options: str) -> subprocess.CompletedProcess[str]:
    prepared = (
        "import os, sys\n"
        "from openreplay_cw_stack.tagging import propagation\n"
        "propagation.install()\n"
        f"anna = propagation.use_session_token({ANNA.token!r})\n"
    )
    return subprocess.run(
        # Python 3.12 on warns of a fork in a process with threads.
        [
            INTERPRETERS[version],
            *("-W", "ignore::DeprecationWarning", *options, "-c"),
            prepared + program,
        ],
        env={**environment(), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("version", INTERPRETERS)
def test_a_warning(version: str) -> None:
    ran = run(version, "import warnings\nwith anna: warnings.warn('old', FutureWarning)")
    assert check_lines(ran.stderr, ANNA)[0] == "<string>:6: FutureWarning: old"


def test_a_warning_that_is_logged() -> None:
    program = "import logging, warnings\nlogging.captureWarnings(True); logging.basicConfig()\n"
    ran = run(next(iter(INTERPRETERS)), program + "with anna: warnings.warn('old', FutureWarning)")
    # Python 3.13 adds the source line of `-c` programs.
    lines = check_lines(ran.stderr, ANNA)
    assert lines[0] == "WARNING:py.warnings:<string>:7: FutureWarning: old"


@pytest.mark.parametrize("version", INTERPRETERS)
class TestAtTheEnd:
    def test_of_the_process(self, version: str) -> None:
        ran = run(version, "anna.__enter__()\nprint('last words', end='', file=sys.stderr)")
        assert ran.stderr == f"{ANNA.tag} last words"

    def test_of_a_process_that_exits_at_once(self, version: str) -> None:
        ran = run(
            version,
            "anna.__enter__()\n"
            "print('a line', file=sys.stderr)\n"
            "print('last words', end='', file=sys.stderr, flush=True)\n"
            "os._exit(3)",
        )
        assert ran.stderr == f"{ANNA.tag} a line\n{ANNA.tag} last words"

    def test_of_a_forked_child(self, version: str) -> None:
        ran = run(
            version,
            "with anna:\n"
            "    print('of the parent', end=' ', file=sys.stderr)\n"
            "    child = os.fork()\n"
            "    if not child:\n"
            "        print('of nobody', file=sys.stderr)\n"
            "        sys.exit()\n"
            "    os.waitpid(child, 0)\n"
            "    print('again', file=sys.stderr)\n",
        )
        assert ran.stderr == f"of nobody\n{ANNA.tag} of the parent again\n"

    def test_with_an_uncaught_exception(self, version: str) -> None:
        ran = run(version, "with anna:\n    raise ValueError('no stock left\\nat all')\n")
        lines = check_lines(ran.stderr, ANNA)
        assert lines[0] == "Traceback (most recent call last):"
        assert lines[-2:] == ["ValueError: no stock left", "at all"]
        assert ran.returncode == 1


def test_threads_that_fork_at_once() -> None:
    program = (
        "import threading\n"
        "def fork():\n"
        "    for _ in range(30):\n"
        "        child = os.fork()\n"
        "        if not child:\n"
        "            again = propagation.use_session(session)\n"
        "            with again: print('y', file=sys.stderr)\n"
        "            os._exit(0)\n"
        "        os.waitpid(child, 0)\n"
        "with anna as session: pass\n"
        "threads = [threading.Thread(target=fork) for _ in range(4)]\n"
        "for one in threads: one.start()\n"
        "for one in threads: one.join()\n"
        "with propagation.use_session(session): print('z', file=sys.stderr)\n"
    )
    lines = check_lines(run(next(iter(INTERPRETERS)), program).stderr, ANNA)
    assert lines == ["y"] * 120 + ["z"]


def test_forks_of_two_threads_at_once(
    installed: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each fork releases what it has taken, also where another one begins meanwhile."""
    stream: Any = sys.stderr
    monkeypatch.setattr(streams, "_streams", weakref.WeakSet([stream]))
    release = TaggingStream.unlock
    taken, over = threading.Event(), threading.Event()

    def fork() -> None:
        streams._before_fork()
        taken.set()
        over.wait(10)
        streams._after_fork_in_parent()

    def release_and_wait(self: TaggingStream) -> None:
        release(self)
        taken.wait(10)

    thread = threading.Thread(target=fork)
    streams._before_fork()
    thread.start()
    monkeypatch.setattr(TaggingStream, "unlock", release_and_wait)
    streams._after_fork_in_parent()
    over.set()
    thread.join()
    is_free = stream.lock()
    stream._lock = threading.RLock()
    assert is_free


def test_every_fork_takes_streams_in_the_same_order(
    installed: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A set that grows between two forks changes its order, and each would wait for the other."""
    patches: Any = sys.stderr._patches  # type: ignore[union-attr]
    two = [TaggingStream(io.StringIO(), patches) for _ in range(2)]
    taken: list[list[TaggingStream]] = []
    for order in (two, two[::-1]):
        monkeypatch.setattr(streams, "_streams", order)
        streams._before_fork()
        taken.append(streams._forking.streams)
        streams._after_fork_in_parent()
    assert taken[0] == taken[1]


def test_a_write_that_does_not_end_holds_up_no_fork_for_ever() -> None:
    program = (
        "import threading\n"
        "taken, done = threading.Event(), threading.Event()\n"
        "def take():\n"
        "    with sys.stderr._lock: taken.set(); done.wait()\n"
        "thread = threading.Thread(target=take)\n"
        "thread.start()\n"
        "taken.wait()\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    with anna: print('y', file=sys.stderr)\n"
        "    os._exit(0)\n"
        "os.waitpid(child, 0)\n"
        "done.set()\n"
        "thread.join()\n"
        "with anna: print('z', file=sys.stderr)\n"
    )
    assert check_lines(run(next(iter(INTERPRETERS)), program).stderr, ANNA) == ["y", "z"]


def test_forking_while_another_thread_writes() -> None:
    program = (
        "import threading\n"
        "stop = threading.Event()\n"
        "def chatter():\n"
        f"    with propagation.use_session_token({ANNA.token!r}):\n"
        "        while not stop.is_set(): print('x', file=sys.stderr)\n"
        "thread = threading.Thread(target=chatter)\n"
        "thread.start()\n"
        "for _ in range(50):\n"
        "    child = os.fork()\n"
        "    if not child:\n"
        f"        with propagation.use_session_token({ANNA.token!r}): print('y', file=sys.stderr)\n"
        "        os._exit(0)\n"
        "    os.waitpid(child, 0)\n"
        "stop.set()\n"
        "thread.join()\n"
    )
    lines = check_lines(run(next(iter(INTERPRETERS)), program).stderr, ANNA)
    assert lines.count("y") == 50


def test_a_long_json_line_in_pieces_is_one_object(installed: io.StringIO) -> None:
    document = {"level": "error", "text": "x" * 3000}
    with propagation.use_session(ANNA):
        json.dump(document, sys.stderr)
        write("\n")
    line = json.loads(installed.getvalue())
    assert {name: line[name] for name in document} == document
    assert "openReplaySessionToken" in line
