from __future__ import annotations

import asyncio
import gc
import io
import logging
import os
import subprocess
import sys
import threading
import types
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from openreplay_cw_stack.tagging import propagation
from openreplay_cw_stack.tagging.propagation import carry, use_session
from openreplay_cw_stack.tagging.propagation.context import await_in, current_session, run_in
from openreplay_cw_stack.tagging.propagation.patching import Patches
from openreplay_cw_stack.tagging.propagation.session import Session
from openreplay_cw_stack.tagging.propagation.threads import patch_threads
from tests.tagging.propagation.interpreters import INTERPRETERS, environment
from tests.tagging.propagation.visitors import ANNA, BERT, check_lines


def fail() -> None:
    raise KeyError("no stock left")


def fail_as(session: Session) -> None:
    with use_session(session):
        fail()


def in_a_thread(target: Any, *args: Any) -> None:
    thread = threading.Thread(target=target, args=args)
    thread.start()
    thread.join()


@pytest.fixture(autouse=True)
def own_hooks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's own hooks, which pytest replaces."""
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    monkeypatch.setattr(sys, "unraisablehook", sys.__unraisablehook__)
    monkeypatch.setattr(threading, "excepthook", threading.__excepthook__)


def test_of_the_process(installed: io.StringIO) -> None:
    propagation.install()
    try:
        fail_as(ANNA)
    except KeyError as exc:
        sys.excepthook(type(exc), exc, exc.__traceback__)
    assert check_lines(installed.getvalue(), ANNA)[-1] == "KeyError: 'no stock left'"
    assert current_session() is None


@pytest.mark.parametrize("scope", [fail_as, lambda session: run_in(session, fail)])
def test_of_a_thread(installed: io.StringIO, scope: Any) -> None:
    propagation.install()
    in_a_thread(scope, ANNA)
    lines = check_lines(installed.getvalue(), ANNA)
    assert lines[0].startswith("Exception in thread")
    assert lines[-1] == "KeyError: 'no stock left'"


def test_of_a_thread_that_was_carried_to(installed: io.StringIO) -> None:
    propagation.install()
    with use_session(BERT):
        in_a_thread(carry(fail))
        in_a_thread(fail)
    text = installed.getvalue()
    end = text.index("'no stock left'\n") + len("'no stock left'\n")
    check_lines(text[:end], BERT)
    check_lines(text[end:], None)


class Unraisable:
    def __init__(self, session: Session | None) -> None:
        self.session = session

    def __del__(self) -> None:
        run_in(self.session, fail)


def test_in_a_destructor_it_is_known_or_nobodys(installed: io.StringIO) -> None:
    propagation.install()
    with use_session(BERT):
        for session in (ANNA, None):
            installed.seek(0)
            installed.truncate()
            Unraisable(session)
            gc.collect()
            lines = check_lines(installed.getvalue(), session)
            assert lines[-1] == "KeyError: 'no stock left'"


class TestAsyncio:
    """Reports of the loop, made whenever it finds the task: in another visitor's request."""

    @pytest.fixture(autouse=True)
    def to_stderr(self, stderr: io.StringIO) -> Iterator[None]:
        logger = logging.getLogger("asyncio")
        logger.handlers, logger.propagate = [logging.StreamHandler(stderr)], False
        yield
        logger.handlers, logger.propagate = [], True

    def report(
        self, installed: io.StringIO, job: Coroutine[Any, Any, Any], whose: Any
    ) -> list[str]:
        async def main() -> None:
            with use_session(whose):
                task = asyncio.get_running_loop().create_task(job)
            await asyncio.sleep(0.01)
            with use_session(BERT):
                del task
                gc.collect()

        asyncio.run(main())
        return installed.getvalue().splitlines()

    async def fail(self) -> None:
        fail()

    def test_a_task_that_nobody_waited_for(self, installed: io.StringIO) -> None:
        lines = self.report(installed, self.fail(), ANNA)
        check_lines("\n".join(lines), ANNA)
        assert lines[0].endswith("Task exception was never retrieved")

    def test_a_task_of_nobody(self, installed: io.StringIO) -> None:
        assert check_lines("\n".join(self.report(installed, self.fail(), None)), None)

    def test_a_request_in_a_task(self, installed: io.StringIO) -> None:
        job = await_in(ANNA, self.fail)
        assert check_lines("\n".join(self.report(installed, job, None)), ANNA)

    def test_a_callback(self, installed: io.StringIO) -> None:
        async def main() -> None:
            with use_session(ANNA):
                asyncio.get_running_loop().call_soon(lambda: run_in(ANNA, fail))
            await asyncio.sleep(0.01)

        asyncio.run(main())
        assert check_lines(installed.getvalue(), ANNA)

    def test_a_handler_of_the_applications_own(self, installed: io.StringIO) -> None:
        seen: list[Session | None] = []

        async def main() -> None:
            loop = asyncio.get_running_loop()
            loop.set_exception_handler(lambda loop, context: seen.append(current_session()))
            with use_session(BERT):
                loop.call_exception_handler({"message": "of nobody"})

        asyncio.run(main())
        assert seen == [None]


class TestThreadsThatInheritTheContext:
    """Free-threaded builds of Python 3.14."""

    def test_they_begin_without_a_session(self, monkeypatch: pytest.MonkeyPatch) -> None:
        seen: list[Session | None] = []

        class Thread:
            def start(self) -> None:
                seen.append(current_session())

        original = Thread.start
        monkeypatch.setattr(sys, "flags", types.SimpleNamespace(thread_inherit_context=1))
        monkeypatch.setattr(threading, "Thread", Thread)
        patches = Patches()
        patches.on = True
        patch_threads(patches, is_handing_on=False)
        with use_session(ANNA):
            Thread().start()
            assert current_session() is ANNA
            patches.undo()
            Thread().start()
        assert seen == [None, ANNA]
        assert Thread.start is original


@pytest.mark.skipif("3.10" not in INTERPRETERS, reason="there is no Python 3.10 here")
@pytest.mark.parametrize("there", [True, False])
def test_the_backport_of_exception_groups_meets_pythons_own_hook(
    tmp_path: Path, there: bool
) -> None:
    """It patches ``traceback`` only then, and else the members of groups are hidden."""
    if there:
        text = "import sys; patched = sys.excepthook is sys.__excepthook__"
        (tmp_path / "exceptiongroup.py").write_text(text)
    program = (
        "import sys\n"
        "from openreplay_cw_stack.tagging import propagation\n"
        "propagation.install()\n"
        "assert sys.excepthook is not sys.__excepthook__\n"
        "found = sys.modules.get('exceptiongroup')\n"
        "print(found and found.patched)\n"
    )
    path = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[3])])
    ran = subprocess.run(
        [INTERPRETERS["3.10"], "-S", "-c", program],
        env={**environment(), "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert ran.stdout.strip() == ("True" if there else "None")
