from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import gc
import sys
import weakref
from collections.abc import Callable

import pytest

from openreplay_cw_stack.tagging.propagation import carry, use_session
from openreplay_cw_stack.tagging.propagation.context import await_in, run_in
from openreplay_cw_stack.tagging.propagation.exceptions import session_for, session_of_exception
from openreplay_cw_stack.tagging.propagation.session import Session
from tests.tagging.propagation.visitors import ANNA, BERT


def fail() -> None:
    raise KeyError("no stock left")


async def fail_later() -> None:
    await asyncio.sleep(0)
    fail()


def failed(session: Session) -> BaseException:
    with pytest.raises(KeyError) as raised:
        run_in(session, fail)
    return raised.value


class TestExceptions:
    def test_from_run_in(self) -> None:
        assert session_of_exception(failed(ANNA)) is ANNA

    def test_from_await_in(self) -> None:
        with pytest.raises(KeyError) as raised:
            asyncio.run(await_in(BERT, fail_later))
        assert session_of_exception(raised.value) is BERT

    def test_from_with(self) -> None:
        with pytest.raises(KeyError) as raised, use_session(ANNA):
            fail()
        assert session_of_exception(raised.value) is ANNA
        with use_session(None):
            pass
        assert session_of_exception(raised.value) is None

    def test_from_another_thread(self) -> None:
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            with use_session(ANNA):
                future = pool.submit(carry(fail))
            assert session_of_exception(future.exception()) == ANNA

    def test_of_nobody(self) -> None:
        assert session_of_exception(None) is None
        assert session_of_exception(KeyError()) is None
        with pytest.raises(KeyError) as raised:
            run_in(None, fail)
        assert session_of_exception(raised.value) is None

    def test_what_it_passed_last_counts(self) -> None:
        def serve_by_another() -> None:
            run_in(ANNA, fail)

        with pytest.raises(KeyError) as raised:
            run_in(BERT, serve_by_another)
        assert session_of_exception(raised.value) is BERT

    def test_what_it_was_raised_from(self) -> None:
        for suppress in (True, False):
            exc = RuntimeError("500")
            exc.__context__ = failed(ANNA)
            exc.__suppress_context__ = suppress
            assert session_of_exception(exc) is ANNA

    def test_a_ring_of_causes(self) -> None:
        one, two = KeyError(), ValueError()
        one.__context__, two.__context__ = two, one
        assert session_of_exception(one) is None

    def test_the_work_at_hand_comes_first(self) -> None:
        with use_session(BERT):
            assert session_for(failed(ANNA)) is BERT
        assert session_for(failed(ANNA)) is ANNA

    def test_nothing_is_kept_of_it(self) -> None:
        class Failure(Exception):
            pass

        def fail_weakly() -> None:
            raise Failure

        with contextlib.suppress(Failure):
            try:
                run_in(ANNA, fail_weakly)
            finally:
                exc = sys.exc_info()[1]
                session, attributes, kept = session_of_exception(exc), vars(exc), weakref.ref(exc)
                del exc
        assert session is ANNA
        assert attributes == {}
        gc.collect()
        assert kept() is None


SHARED = ValueError("one object for every request")


def raise_shared() -> None:
    raise SHARED


async def raise_shared_later() -> None:
    await asyncio.sleep(0)
    raise SHARED


def caught(work: Callable[[], object]) -> BaseException:
    """What a job without a session catches."""
    try:
        work()
    except Exception as exc:
        return exc
    raise AssertionError("nothing was raised")


class TestRaisedAgain:
    """The traceback of an exception keeps the frames of the earlier times."""

    @pytest.fixture(autouse=True)
    def _new(self) -> None:
        SHARED.__traceback__ = None

    def in_a_block(self) -> None:
        with use_session(ANNA):
            raise_shared()

    @pytest.mark.parametrize("way", ["function", "block", "coroutine"])
    @pytest.mark.parametrize("is_coroutine", [False, True])
    def test_a_constant(self, way: str, is_coroutine: bool) -> None:
        ways: dict[str, Callable[[], object]] = {
            "function": lambda: run_in(ANNA, raise_shared),
            "block": self.in_a_block,
            "coroutine": lambda: asyncio.run(await_in(ANNA, raise_shared_later)),
        }
        assert session_of_exception(caught(ways[way])) is ANNA
        again = caught(
            (lambda: asyncio.run(raise_shared_later())) if is_coroutine else raise_shared
        )
        assert again is SHARED
        assert session_of_exception(again) is None

    def test_the_request_that_raised_it_last_counts(self) -> None:
        for session in (ANNA, BERT, ANNA):
            exc = caught(lambda session=session: run_in(session, raise_shared))  # type: ignore[misc]
            assert session_of_exception(exc) is session

    def test_a_future_that_a_request_waited_for_first(self) -> None:
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            future = pool.submit(fail)
            assert session_of_exception(caught(lambda: run_in(ANNA, future.result))) is ANNA
            assert session_of_exception(caught(future.result)) is None

    def test_a_future_of_an_event_loop(self) -> None:
        async def wait(future: asyncio.Future[None]) -> None:
            await future

        async def main() -> Session | None:
            future = asyncio.get_running_loop().create_future()
            future.set_exception(KeyError("no stock left"))
            with contextlib.suppress(KeyError):
                await await_in(ANNA, wait, future)
            try:
                await future
            except KeyError as exc:
                return session_of_exception(exc)
            raise AssertionError("nothing was raised")

        assert asyncio.run(main()) is None

    def test_caught_and_raised_in_the_same_function(self) -> None:
        def serve() -> None:
            try:
                run_in(ANNA, fail)
            except KeyError as exc:
                raise exc

        def serve_by_name() -> None:
            try:
                run_in(ANNA, fail)
            except KeyError:
                raise

        for one in (serve, serve_by_name):
            assert session_of_exception(caught(one)) is ANNA

    def test_through_generators_and_blocks(self) -> None:
        @contextlib.contextmanager
        def block():  # type: ignore[no-untyped-def]
            try:
                yield
            finally:
                gc.isenabled()

        def serve() -> None:
            with block(), block():
                list(map(run_in, [ANNA], [fail]))

        assert session_of_exception(caught(serve)) is ANNA
