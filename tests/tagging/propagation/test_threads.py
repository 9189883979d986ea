"""New threads, with ``install(threads=True)``."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import io
import logging.handlers
import multiprocessing.pool
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from openreplay_cw_stack.tagging import propagation
from openreplay_cw_stack.tagging.propagation import carry, current_session, use_session
from openreplay_cw_stack.tagging.propagation.session import Session
from tests.tagging.propagation.interpreters import INTERPRETERS, environment
from tests.tagging.propagation.visitors import ANNA, BERT, check_lines


@pytest.fixture
def threads(installed: io.StringIO) -> Iterator[None]:
    """Put the hooks that pytest has replaced back, and hand sessions on."""
    before, threading.excepthook = threading.excepthook, threading.__excepthook__
    yield
    threading.excepthook = before


def seen_in(thread: Callable[..., threading.Thread], *, within: Session | None) -> Session | None:
    """What a thread has for its session that is started and ends in a session's work."""
    seen: list[Session | None] = []
    with use_session(within):
        started = thread(target=lambda: seen.append(current_session()))
        started.start()
        started.join()
    return seen[0]


class Own(threading.Thread):
    """A thread that does its work in ``run``."""

    def __init__(self, target: Callable[[], None]) -> None:
        super().__init__()
        self.work = target

    def run(self) -> None:
        self.work()


def timer(target: Callable[[], None]) -> threading.Thread:
    return threading.Timer(0, target)


def daemon(target: Callable[[], None]) -> threading.Thread:
    return threading.Thread(target=target, daemon=True)


@pytest.mark.parametrize("make", [threading.Thread, Own, timer])
def test_a_thread_works_for_the_session_that_started_it(installed: io.StringIO, make: Any) -> None:
    assert seen_in(make, within=ANNA) is None
    propagation.install(threads=True)
    assert seen_in(make, within=ANNA) is ANNA
    assert seen_in(make, within=None) is None
    propagation.install()
    assert seen_in(make, within=BERT) is BERT
    propagation.uninstall()
    assert seen_in(make, within=ANNA) is None
    propagation.install()
    assert seen_in(make, within=ANNA) is None


def test_a_daemon_serves_whoever_comes(installed: io.StringIO) -> None:
    propagation.install(threads=True)
    assert seen_in(daemon, within=ANNA) is None


def test_it_ends_with_the_request(installed: io.StringIO) -> None:
    propagation.install(threads=True)
    ended = threading.Event()

    def work() -> None:
        print("in time", file=sys.stderr)
        begun.set()
        ended.wait(timeout=10)
        print("late", file=sys.stderr)

    begun = threading.Event()
    thread = threading.Thread(target=work)
    with use_session(ANNA):
        thread.start()
        begun.wait(timeout=10)
    ended.set()
    thread.join()
    assert installed.getvalue() == f"{ANNA.tag} in time\nlate\n"


def test_a_line_that_a_thread_leaves_goes_out_with_it(installed: io.StringIO) -> None:
    propagation.install(threads=True)
    with use_session(ANNA):
        thread = threading.Thread(target=lambda: print("left", end="", file=sys.stderr))
        thread.start()
        thread.join()
        assert installed.getvalue() == f"{ANNA.tag} left\n"


def test_a_thread_in_a_thread(installed: io.StringIO) -> None:
    propagation.install(threads=True)
    seen: list[Session | None] = []

    def outer() -> None:
        inner = threading.Thread(target=lambda: seen.append(current_session()))
        inner.start()
        inner.join()
        seen.append(current_session())

    with use_session(ANNA):
        thread = threading.Thread(target=outer)
        thread.start()
        thread.join()
    assert seen == [ANNA, ANNA]


def test_an_uncaught_exception(threads: None, installed: io.StringIO) -> None:
    propagation.install(threads=True)

    def fail() -> None:
        raise KeyError("no stock left")

    with use_session(ANNA):
        thread = threading.Thread(target=fail)
        thread.start()
        thread.join()
    lines = check_lines(installed.getvalue(), ANNA)
    assert lines[-1] == "KeyError: 'no stock left'"


def test_a_thread_is_as_its_program_made_it(installed: io.StringIO) -> None:
    propagation.install(threads=True)
    with use_session(ANNA):
        thread = threading.Thread(target=lambda: None)
        before = set(vars(thread))
        thread.start()
        thread.join()
        assert "run" not in vars(thread)
        assert set(vars(thread)) <= before
        with pytest.raises(RuntimeError, match="only be started once"):
            thread.start()
        assert "run" not in vars(thread)


def test_a_run_of_its_own_stays(installed: io.StringIO) -> None:
    propagation.install(threads=True)
    thread = threading.Thread()
    seen: list[Session | None] = []
    own = thread.run = lambda: seen.append(current_session())  # type: ignore[method-assign]
    with use_session(ANNA):
        thread.start()
        thread.join()
    assert thread.run is own
    assert seen == [ANNA]


class TestPools:
    def test_each_function_works_for_who_submitted_it(self, installed: io.StringIO) -> None:
        """Whoever's request the worker was made in."""
        propagation.install(threads=True)
        with ThreadPoolExecutor(1) as pool:
            for session in (ANNA, BERT, None, ANNA):
                with use_session(session):
                    assert pool.submit(current_session).result() is session
                    assert list(pool.map(lambda _: current_session(), "ab")) == [session] * 2
            assert pool.submit(current_session).result() is None

    def test_a_function_that_begins_when_the_request_has_ended(
        self, installed: io.StringIO
    ) -> None:
        propagation.install(threads=True)
        free = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            pool.submit(free.wait, 10)
            with use_session(ANNA):
                late = pool.submit(current_session)
                kept = pool.submit(carry(current_session))
            free.set()
            assert late.result() is None
            assert kept.result() is ANNA

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

    def test_what_is_submitted_is_called_as_before(self, installed: io.StringIO) -> None:
        propagation.install(threads=True)

        def work(scope: int, *, function: int) -> tuple[int, int]:
            return scope, function

        with ThreadPoolExecutor(1) as pool, use_session(ANNA):
            assert pool.submit(work, 1, function=2).result() == (1, 2)
            with pytest.raises(ZeroDivisionError):
                pool.submit(divmod, 1, 0).result()
            with pytest.raises(TypeError):
                pool.submit()  # type: ignore[call-arg]

    def test_asyncios(self, installed: io.StringIO) -> None:
        propagation.install(threads=True)

        async def main() -> tuple[Session | None, Session | None]:
            loop = asyncio.get_running_loop()
            with use_session(ANNA):
                first = await loop.run_in_executor(None, current_session)
            return first, await loop.run_in_executor(None, current_session)

        assert asyncio.run(main()) == (ANNA, None)

    def test_workers_of_other_pools_serve_whoever_comes(self, installed: io.StringIO) -> None:
        propagation.install(threads=True)
        with use_session(ANNA), multiprocessing.pool.ThreadPool(1) as pool:
            assert pool.apply(current_session) is None

    def test_a_log_listener_serves_whoever_comes(
        self, installed: io.StringIO, log: logging.Logger
    ) -> None:
        propagation.install(threads=True)
        seen: list[Session | None] = []

        class Seeing(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                seen.append(current_session())

        records: queue.Queue[Any] = queue.Queue()
        listener = logging.handlers.QueueListener(records, Seeing())
        with use_session(ANNA):
            listener.start()
        log.handlers = [logging.handlers.QueueHandler(records)]
        log.error("of nobody")
        listener.stop()
        assert seen == [None]

    def test_what_waits_for_a_process_pool_serves_whoever_comes(
        self, installed: io.StringIO
    ) -> None:
        propagation.install(threads=True)
        seen: list[Session | None] = []
        with use_session(ANNA), concurrent.futures.ProcessPoolExecutor(1) as pool:
            # Long enough for the callback not to run in this thread.
            job = pool.submit(time.sleep, 0.3)
            job.add_done_callback(lambda _: seen.append(current_session()))
        assert seen == [None]


@pytest.mark.parametrize("version", INTERPRETERS)
def test_on_each_python(version: str) -> None:
    program = (
        "import sys, threading\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from openreplay_cw_stack.tagging import propagation\n"
        "propagation.install(threads=True)\n"
        "pool = ThreadPoolExecutor(1)\n"
        "def work(): print('work', file=sys.stderr)\n"
        "with propagation.use_session_token(sys.argv[1]):\n"
        "    thread = threading.Thread(target=work); thread.start(); thread.join()\n"
        "    pool.submit(work).result()\n"
        "pool.submit(work).result()\n"
    )
    ran = subprocess.run(
        [INTERPRETERS[version], "-c", program, str(ANNA.token)],
        env={**environment(), "PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert ran.stderr == f"{ANNA.tag} work\n" * 2 + "work\n"
