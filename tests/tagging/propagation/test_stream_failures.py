"""Streams, clean-up, headers and handlers when something fails or is left behind."""

from __future__ import annotations

import contextvars
import functools
import io
import logging
import sys
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from openreplay_cw_stack.tagging import propagation
from openreplay_cw_stack.tagging.propagation import (
    HEADER_NAME,
    carry,
    context,
    counts,
    current_session,
    streams,
    tag_lambda_handler,
    use_session,
)
from openreplay_cw_stack.tagging.propagation.context import run_in
from openreplay_cw_stack.tagging.propagation.session import Session
from openreplay_cw_stack.tagging.propagation.streams import TaggingStream, finish_streams
from tests.tagging.propagation.visitors import ANNA, BERT


def write(*parts: object, end: str = "\n", flush: bool = False) -> None:
    print(*parts, end=end, file=sys.stderr, flush=flush)


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


def test_a_flushed_line_is_ended_with_the_session(installed: io.StringIO) -> None:
    """What writes next may not pass the stream."""
    with use_session(ANNA):
        write("flushed", end="", flush=True)
    assert installed.getvalue() == f"{ANNA.tag} flushed\n"


def test_a_flush_leaves_the_others_lines_whole(installed: io.StringIO) -> None:
    with use_session(ANNA):
        write("a", end="")
        with use_session(BERT):
            sys.stderr.flush()
            write("bert")
        write("b")
    assert installed.getvalue() == f"{BERT.tag} bert\n{ANNA.tag} ab\n"


def test_a_line_behind_settled_text_is_not_taken_for_an_open_one(installed: io.StringIO) -> None:
    """A record of another visitor ends the open line, which is then not open any more."""
    record = logging.getLogger("tests.propagation").makeRecord(
        "x", 40, "shop.py", 1, "of nobody", (), None
    )
    with use_session(ANNA):
        write("anna", end="", flush=True)
        logging.StreamHandler(sys.stderr).handle(record)
        write("again")
    assert installed.getvalue() == f"{ANNA.tag} anna\nof nobody\n{ANNA.tag} again\n"


def test_a_stream_as_a_context_manager(stderr: io.StringIO, tmp_path: Path) -> None:
    """Its end writes what is held."""
    file = (tmp_path / "stderr").open("w")
    sys.stderr = file
    propagation.install()
    with use_session(ANNA), sys.stderr:
        write("annas", end="")
    assert (tmp_path / "stderr").read_text().strip() == f"{ANNA.tag} annas"


def test_a_stream_as_a_context_manager_writes_everybodys(
    stderr: io.StringIO, tmp_path: Path
) -> None:
    """__exit__ writes only its own writer's line, close() everybody's."""
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


class Full(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


class TestFailures:
    def test_one_clean_up_that_fails_keeps_no_other_one_back(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        called: list[Session] = []

        def fail(session: Session, is_all: bool) -> None:
            raise OSError

        monkeypatch.setattr(
            context, "_leaving", [fail, lambda session, is_all: called.append(session)]
        )
        run_in(ANNA, list)
        assert called == [ANNA]
        assert counts.counts()["failed_cleanups"] == 1

    @pytest.mark.parametrize("end", ["session", "process"])
    def test_one_stream_that_is_full_keeps_no_other_one_back(
        self, installed: io.StringIO, monkeypatch: pytest.MonkeyPatch, end: str
    ) -> None:
        """_end_lines stops at the first stream."""
        patches: Any = sys.stderr._patches  # type: ignore[union-attr]
        behind = io.StringIO()
        full = [TaggingStream(Full(), patches) for _ in range(8)]
        good = TaggingStream(behind, patches)
        monkeypatch.setattr(streams, "_streams", weakref.WeakSet([*full, good]))
        with use_session(ANNA):
            for stream in (*full, good):
                stream.write("unfinished")
            if end == "process":
                finish_streams()
        assert behind.getvalue().strip() == f"{ANNA.tag} unfinished"
        assert counts.counts()["failed_cleanups"] >= 1


def test_a_record_that_cannot_be_changed_is_written(
    installed: io.StringIO, log: logging.Logger
) -> None:

    class Firm(logging.LogRecord):
        def __setattr__(self, name: str, value: object) -> None:
            if name == "pathname" and name in vars(self):
                raise AttributeError(name)
            super().__setattr__(name, value)

    logging.setLogRecordFactory(Firm)
    with use_session(ANNA):
        log.error("error")
    assert "error\n" in installed.getvalue()
    # Twice a record: where it is made, and where it is handled.
    assert counts.counts()["untagged_texts"] >= 1
    with counts._lock:
        counts._counts["untagged_texts"] = 0


def test_a_method_behind_another_decorator() -> None:
    def logged(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        return wrapper

    class Shop:
        @tag_lambda_handler
        @logged
        def handler(self, event: Any, context: Any) -> Any:
            return current_session(), context

    assert Shop().handler({"headers": {HEADER_NAME: ANNA.token}}, 1) == (ANNA, 1)
