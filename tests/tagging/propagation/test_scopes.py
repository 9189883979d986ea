"""Scopes, records and streams at the edges: copies, collections and work left open."""

from __future__ import annotations

import contextvars
import copy
import functools
import gc
import io
import logging
import logging.handlers
import pickle
import queue
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from openreplay_cw_stack.tagging import propagation
from openreplay_cw_stack.tagging.propagation import (
    current_session,
    log_records,
    scopes,
    streams,
    use_session,
)
from openreplay_cw_stack.tagging.propagation.context import run_in
from openreplay_cw_stack.tagging.propagation.session import Session
from openreplay_cw_stack.tagging.propagation.streams import TaggingStream
from tests.tagging.propagation.interpreters import INTERPRETERS, environment
from tests.tagging.propagation.visitors import ANNA, BERT

ROOT = Path(__file__).parents[3]


def write(*parts: object, end: str = "\n", flush: bool = False) -> None:
    print(*parts, end=end, file=sys.stderr, flush=flush)


def a_record(session: Session | None, text: str) -> logging.LogRecord:
    logger = logging.getLogger("tests.propagation")
    with use_session(session):
        return logger.makeRecord("tests.propagation", 40, "shop.py", 1, text, (), None)


def collect(*finalizers: Callable[[], object]) -> None:
    """Have the garbage collector call functions, in collections of their own."""

    class Holder:
        def __init__(self, finalize: Callable[[], object]) -> None:
            self.itself, self.finalize = self, finalize

        def __del__(self) -> None:
            self.finalize()

    for finalize in finalizers:
        Holder(finalize)
        gc.collect()


@pytest.fixture
def collected_by_hand() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("collected_by_hand")
class TestGarbageCollection:
    def test_work_in_a_finalizer_ends_without_that_of_the_others(self) -> None:
        """`current_scope` asks for the collector."""
        seen: list[Session | None] = []

        def finalize() -> None:
            with use_session(ANNA):
                seen.append(current_session())
            seen.append(current_session())

        with use_session(BERT):
            collect(finalize)
            assert current_session() is BERT
        assert seen == [ANNA, None]

    def test_what_a_finalizer_leaves_is_not_the_next_collections(self) -> None:
        """Both are reset."""
        seen: list[object] = []

        def look() -> None:
            seen.extend([current_session(), scopes.last_left()])

        def leave_it() -> None:
            use_session(ANNA).__enter__()
            scopes.set_last_left((ValueError(), ANNA))

        collect(leave_it, look)
        assert seen == [None, None]

    def test_other_threads_keep_their_session(self) -> None:
        """The collector is one thread."""
        begin, seen = threading.Event(), []

        def work() -> None:
            with use_session(ANNA):
                begin.wait(10)
                seen.append(current_session())

        thread = threading.Thread(target=work)
        thread.start()

        def finalize() -> None:
            begin.set()
            thread.join(10)

        collect(finalize)
        assert seen == [ANNA]

    def test_nothing_is_looked_for_meanwhile(self, monkeypatch: pytest.MonkeyPatch) -> None:
        looked: list[bool] = []
        monkeypatch.setattr(scopes, "_before_entering", lambda: looked.append(True))
        collect(lambda: run_in(ANNA, list))
        assert looked == []
        run_in(ANNA, list)
        assert looked == [True]

    @pytest.mark.parametrize("version", INTERPRETERS)
    def test_context_variables_are_not_changed(self, version: str) -> None:
        """With the freed memory filled, a nested ``ContextVar.set`` is noticed."""
        seen: list[object] = []

        def finalize() -> None:
            before = scopes._current.get()
            with use_session(ANNA):
                seen.append(scopes._current.get() is before)

        with use_session(BERT):
            collect(finalize)
        assert seen == [True]

    def test_a_fork_in_the_midst_of_one(self) -> None:
        """The child has no thread that collects."""
        program = (
            "import gc, os, sys, threading\n"
            "from openreplay_cw_stack.tagging.propagation import scopes\n"
            "inside, done = threading.Event(), threading.Event()\n"
            "class Holder:\n"
            "    def __init__(self): self.itself = self\n"
            "    def __del__(self): inside.set(); done.wait(10)\n"
            "gc.disable()\n"
            "def collect(): Holder(); gc.collect()\n"
            "thread = threading.Thread(target=collect)\n"
            "thread.start()\n"
            "inside.wait(10)\n"
            "child = os.fork()\n"
            "if not child: os._exit(scopes._collector != 0)\n"
            "done.set()\n"
            "thread.join()\n"
            "sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
        )
        ran = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", program],
            env={**environment(), "PYTHONPATH": str(ROOT)},
            check=False,
            timeout=60,
        )
        assert ran.returncode == 0


class TestScopes:
    def test_left_in_a_copy_of_its_context(self) -> None:
        scope = use_session(ANNA)
        scope.__enter__()
        copied = contextvars.copy_context()
        copied.run(scope.__exit__, None, None, None)
        assert copied.run(scopes.current_scope) is None
        assert current_session() is None
        scopes.set_session(None)

    def test_a_worker_is_left_as_it_was(self, installed: io.StringIO) -> None:
        """What the first function worked for is not the next one's."""
        propagation.install(threads=True)
        with ThreadPoolExecutor(1) as pool, use_session(ANNA):
            assert pool.submit(current_session).result() is ANNA
            with use_session(None):
                anyones = contextvars.Context().run(pool.submit, current_session)
            assert anyones.result() is None

    def test_what_a_function_leaves_open_in_a_worker_is_not_the_next_ones(
        self, installed: io.StringIO
    ) -> None:
        """A generator that was left in ANNA's work makes the worker ANNA's."""
        propagation.install(threads=True)
        kept: list[Generator[int]] = []

        def begin() -> None:
            def rows() -> Generator[int]:
                with use_session(ANNA):
                    yield 1

            kept.append(rows())
            next(kept[0])

        with ThreadPoolExecutor(1) as pool:
            with use_session(ANNA):
                pool.submit(begin).result()
            assert pool.submit(current_session).result() is None
        kept[0].close()

    def test_what_a_function_leaves_open_is_not_the_next_requests(self) -> None:
        """The same for `run_in`, whose frames are strictly nested."""

        def rows() -> Generator[int]:
            with use_session(ANNA):
                yield 1

        left = rows()

        def main() -> Session | None:
            run_in(ANNA, functools.partial(next, left))
            return current_session()

        assert contextvars.copy_context().run(main) is None


class TestRecords:
    def test_a_copy_of_every_field(self, installed: io.StringIO) -> None:
        """`_OriginPath.__copy__`."""
        fields = {name: copy.copy(one) for name, one in vars(a_record(ANNA, "of anna")).items()}
        text = logging.StreamHandler().format(logging.makeLogRecord(fields))
        assert text == f"{ANNA.tag} of anna"

    def test_a_path_of_another_copy_of_this_package(
        self, installed: io.StringIO, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As after a reload."""
        record = a_record(ANNA, "of anna")
        monkeypatch.setattr(log_records, "_OriginPath", type("_OriginPath", (str,), {}))
        assert logging.StreamHandler().format(record) == f"{ANNA.tag} of anna"

    def test_a_record_of_another_visitor_can_be_sent_to_another_process(
        self, installed: io.StringIO
    ) -> None:
        """`SettledText.__reduce__`."""
        records: queue.Queue[Any] = queue.Queue()
        with use_session(BERT):
            logging.handlers.QueueHandler(records).handle(a_record(ANNA, "of anna"))
        pickled = pickle.dumps(records.get())
        assert b"openreplay_cw_stack" not in pickled
        assert pickle.loads(pickled).getMessage() == f"{ANNA.tag} of anna"


class TestStreams:
    def test_a_long_line_in_pieces_is_one_line(self, installed: io.StringIO) -> None:
        """`_MAX_HELD` is 65536 characters and 1000 writers, by one name."""
        with use_session(ANNA):
            for _ in range(60):
                write("x" * 1000, end="")
            with use_session(BERT):
                write("bert")
            write()
        assert installed.getvalue() == f"{BERT.tag} bert\n{ANNA.tag} {'x' * 60_000}\n"

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

    def test_forks_of_two_threads_at_once(
        self, installed: io.StringIO, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Each fork releases what it has taken, also where another one begins meanwhile."""
        stream: Any = sys.stderr
        monkeypatch.setattr(streams, "_streams", weakref.WeakSet([stream]))
        release = TaggingStream.after_fork_in_parent
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
        monkeypatch.setattr(TaggingStream, "after_fork_in_parent", release_and_wait)
        streams._after_fork_in_parent()
        over.set()
        thread.join()
        is_free = stream.before_fork()
        stream._lock = threading.RLock()
        assert is_free
