"""Reports of event loops: asyncio's in every form, and uvloop's."""

from __future__ import annotations

import asyncio
import gc
import io
import logging
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from openreplay_cw_stack.tagging import propagation
from openreplay_cw_stack.tagging.propagation import use_session
from openreplay_cw_stack.tagging.propagation.context import await_in, current_session, run_in
from openreplay_cw_stack.tagging.propagation.session import Session
from tests.tagging.propagation.visitors import ANNA, BERT, check_lines

if sys.platform == "win32":
    LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
else:
    import uvloop

    LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture(autouse=True)
def to_stderr(stderr: io.StringIO) -> Iterator[None]:
    logger = logging.getLogger("asyncio")
    logger.handlers, logger.propagate = [logging.StreamHandler(stderr)], False
    yield
    logger.handlers, logger.propagate = [], True


@pytest.fixture(params=LOOPS)
def loop(request: pytest.FixtureRequest) -> Iterator[asyncio.AbstractEventLoop]:
    made = LOOPS[request.param]()
    yield made
    made.close()


def fail() -> None:
    raise KeyError("no stock left")


async def fail_later() -> None:
    fail()


async def leave_a_task(session: Session | None) -> None:
    """Begin a task in a session's work, and drop it in BERT's when it has failed."""
    with use_session(session):
        task = asyncio.get_running_loop().create_task(fail_later())
    await asyncio.sleep(0.01)
    with use_session(BERT):
        del task
        gc.collect()


@pytest.fixture
def handled(loop: asyncio.AbstractEventLoop) -> list[Session | None]:
    """The session in each call of the application's own exception handler."""
    seen: list[Session | None] = []
    loop.set_exception_handler(lambda loop, context: seen.append(current_session()))
    return seen


def test_a_task_that_nobody_waited_for(
    installed: io.StringIO, loop: asyncio.AbstractEventLoop
) -> None:
    loop.run_until_complete(leave_a_task(ANNA))
    lines = check_lines(installed.getvalue(), ANNA)
    assert lines[0].endswith("Task exception was never retrieved")
    assert lines[-1] == "KeyError: 'no stock left'"


def test_a_task_that_the_garbage_collector_finds(
    installed: io.StringIO, loop: asyncio.AbstractEventLoop
) -> None:
    class Cycle:
        def __init__(self, task: asyncio.Task[None]) -> None:
            self.task, self.itself = task, self

    async def main() -> None:
        with use_session(ANNA):
            Cycle(loop.create_task(fail_later()))
        await asyncio.sleep(0.01)
        with use_session(BERT):
            gc.collect()

    gc.disable()
    try:
        loop.run_until_complete(main())
    finally:
        gc.enable()
    lines = check_lines(installed.getvalue(), ANNA)
    assert lines[0].endswith("Task exception was never retrieved")


def test_a_task_of_nobody(installed: io.StringIO, loop: asyncio.AbstractEventLoop) -> None:
    loop.run_until_complete(leave_a_task(None))
    assert check_lines(installed.getvalue(), None)


def test_a_callback_that_works_for_a_session(
    installed: io.StringIO, loop: asyncio.AbstractEventLoop
) -> None:
    async def main() -> None:
        loop.call_soon(run_in, ANNA, fail)
        await asyncio.sleep(0.01)

    loop.run_until_complete(main())
    assert check_lines(installed.getvalue(), ANNA)


@pytest.mark.parametrize("schedule", ["call_soon", "call_later"])
def test_a_callback_of_a_request(installed: io.StringIO, schedule: str) -> None:
    """Of asyncio alone: uvloop does not show the context of a callback."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        with use_session(ANNA):
            if schedule == "call_soon":
                loop.call_soon(fail)
            else:
                loop.call_later(0.001, fail)
            await asyncio.sleep(0.05)

    asyncio.run(main())
    lines = check_lines(installed.getvalue(), ANNA)
    assert lines[0].startswith("Exception in callback fail()")
    assert lines[-1] == "KeyError: 'no stock left'"


def test_a_callback_of_a_request_that_has_ended_is_nobodys(
    installed: io.StringIO, loop: asyncio.AbstractEventLoop
) -> None:
    """A connection that it opened may serve another visitor by then."""

    async def main() -> None:
        with use_session(ANNA):
            loop.call_soon(fail)
        with use_session(BERT):
            await asyncio.sleep(0.01)

    loop.run_until_complete(main())
    assert check_lines(installed.getvalue(), None)


def test_a_handler_of_the_applications_own(
    installed: io.StringIO, loop: asyncio.AbstractEventLoop, handled: list[Session | None]
) -> None:
    loop.run_until_complete(leave_a_task(ANNA))
    with use_session(BERT):
        loop.call_exception_handler({"message": "of nobody"})
    assert handled == [ANNA, None]


def test_a_handler_of_the_applications_own_for_an_exception_of_another_visitor(
    installed: io.StringIO, loop: asyncio.AbstractEventLoop, handled: list[Session | None]
) -> None:
    """The task was begun in one visitor's request, which lasts, and failed in another's work."""

    async def main() -> None:
        with use_session(ANNA):
            task = loop.create_task(await_in(BERT, fail_later))
            await asyncio.sleep(0.01)
            del task
            gc.collect()

    loop.run_until_complete(main())
    assert handled == [BERT]


def test_a_report_of_another_form(installed: io.StringIO, loop: asyncio.AbstractEventLoop) -> None:
    for context in ({"message": "m"}, {"message": "m", "handle": 7}, {"message": "m", "task": 7}):
        with use_session(BERT):
            loop.call_exception_handler(context)
    assert len(check_lines(installed.getvalue(), None)) >= 3


def test_a_loop_that_is_made_of_another_one(installed: io.StringIO) -> None:
    class Own(asyncio.SelectorEventLoop):
        def call_exception_handler(self, context: dict[str, Any]) -> None:
            seen.append(current_session())
            super().call_exception_handler(context)

    seen: list[Session | None] = []
    propagation.install()
    loop = Own()
    with use_session(ANNA):
        task = loop.create_task(fail_later())
    loop.run_until_complete(asyncio.wait([task]))
    del task
    gc.collect()
    loop.close()
    assert seen == [ANNA]
    assert check_lines(installed.getvalue(), ANNA)


@pytest.mark.skipif(sys.platform == "win32", reason="uvloop is not for Windows")
def test_it_is_undone(stderr: io.StringIO) -> None:
    before = dict(vars(uvloop.Loop))
    propagation.install()
    assert "call_exception_handler" in vars(uvloop.Loop)
    propagation.uninstall()
    assert dict(vars(uvloop.Loop)) == before
