from __future__ import annotations

import contextvars
import gc
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

from openreplay_cw_stack.tagging.propagation import (
    current_session,
    scopes,
    use_session,
)
from openreplay_cw_stack.tagging.propagation.context import run_in
from openreplay_cw_stack.tagging.propagation.session import Session
from tests.tagging.propagation.interpreters import environment
from tests.tagging.propagation.visitors import ANNA, BERT

ROOT = Path(__file__).parents[3]


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
        seen: list[Session | None] = []

        def finalize() -> None:
            seen.append(current_session())
            with use_session(ANNA):
                seen.append(current_session())
            seen.append(current_session())

        with use_session(BERT):
            collect(finalize)
            assert current_session() is BERT
        assert seen == [None, ANNA, None]

    def test_what_a_finalizer_leaves_is_not_the_next_collections(self) -> None:
        """Both are reset."""
        seen: list[object] = []

        def look() -> None:
            seen.extend([current_session(), scopes.last_left()])

        def leave_it() -> None:
            use_session(ANNA).__enter__()
            scopes.set_last_left(scopes.Left(ValueError(), ANNA, None))

        collect(leave_it, look)
        assert seen == [None, None]

    def test_a_generator_that_is_finalized_leaves_the_work_at_hand_alone(self) -> None:
        class Holder:
            rows: Iterator[int]
            itself: Holder

        def rows() -> Generator[int]:
            with use_session(ANNA):
                yield 1

        holder = Holder()
        holder.itself, holder.rows = holder, rows()
        next(holder.rows)
        del holder
        with use_session(BERT):
            gc.collect()
            assert current_session() is BERT
        scopes.set_session(None)

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

    def test_context_variables_are_not_changed(self) -> None:
        """A nested ``ContextVar.set`` would free the data of the one that is interrupted."""
        seen: list[bool] = []
        left = scopes.Left(ValueError(), ANNA, None)

        def state() -> list[object]:
            return [scopes._current.get(), scopes._left.get()]

        def finalize() -> None:
            before = state()
            with use_session(ANNA):
                scopes.set_last_left(left)
                seen.append(state() == before and scopes.last_left() is left)
            seen.append(state() == before)

        with use_session(BERT):
            collect(finalize)
        assert seen == [True, True]

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


def test_left_in_a_copy_of_its_context() -> None:
    scope = use_session(ANNA)
    scope.__enter__()
    copied = contextvars.copy_context()
    copied.run(scope.__exit__, None, None, None)
    assert copied.run(scopes.current_scope) is None
    assert current_session() is None
    scopes.set_session(None)
