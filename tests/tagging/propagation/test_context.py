from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import functools
import gc
import pickle
import threading
from collections.abc import AsyncIterator, Generator

import pytest

from openreplay_cw_stack.tagging.propagation import (
    carry,
    context,
    current_session,
    current_tag,
    propagation_counts,
    use_session,
    use_session_token,
)
from openreplay_cw_stack.tagging.propagation.context import await_in, run_in
from openreplay_cw_stack.tagging.propagation.scopes import current_scope
from openreplay_cw_stack.tagging.propagation.session import Session
from tests.tagging.propagation.test_exceptions import fail, fail_later
from tests.tagging.propagation.visitors import ANNA, BERT


class TestScopes:
    def test_nobody_at_first(self) -> None:
        assert current_session() is None
        assert current_tag() == ""

    def test_with(self) -> None:
        with use_session_token(ANNA.token) as session:
            assert session == ANNA == current_session()
            assert current_tag() == ANNA.tag
            with use_session(None):
                assert current_session() is None
            with use_session(BERT):
                assert current_session() is BERT
            assert current_session() == ANNA
        assert current_session() is None

    def test_with_what_is_no_token(self) -> None:
        with use_session(ANNA), use_session_token("nonsense") as session:
            assert session is None
            assert current_session() is None
        assert propagation_counts()["ignored_headers"] == 1

    def test_it_ends_with_an_exception_too(self) -> None:
        for scope in (run_in, lambda *args: asyncio.run(await_in(ANNA, fail_later))):
            with pytest.raises(KeyError):
                scope(ANNA, fail)
            assert current_session() is None

    def test_left_in_another_context(self) -> None:
        scope = use_session(ANNA)
        contextvars.copy_context().run(scope.__enter__)
        scope.__exit__(None, None, None)
        assert current_session() is None

    def test_an_asynchronous_generator_that_is_finished_elsewhere(self) -> None:
        async def generate() -> AsyncIterator[int]:
            with use_session(ANNA):
                yield 1

        async def leave_it() -> None:
            generator = generate()
            assert await asyncio.create_task(anext(generator)) == 1  # type: ignore[arg-type]

        asyncio.run(leave_it())
        gc.collect()
        assert current_session() is None


class TestCarrying:
    def test_a_thread_begins_with_none(self) -> None:
        seen: list[Session | None] = []
        with use_session(ANNA):
            for target in (
                lambda: seen.append(current_session()),
                carry(lambda: seen.append(current_session())),
            ):
                thread = threading.Thread(target=target)
                thread.start()
                thread.join()
        assert seen == [None, ANNA]

    def test_an_executor(self) -> None:
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            with use_session(ANNA):
                first = pool.submit(carry(current_session))
                without = pool.submit(current_session)
            with use_session(BERT):
                second = pool.submit(carry(current_session))
            third = pool.submit(carry(current_session))
        assert [one.result() for one in (first, without, second, third)] == [ANNA, None, BERT, None]

    def test_tasks(self) -> None:
        async def serve(session: Session) -> list[Session | None]:
            with use_session(session):
                loop = asyncio.get_running_loop()
                await asyncio.sleep(0)
                return [
                    await asyncio.create_task(asyncio.sleep(0, current_session())),
                    await asyncio.to_thread(current_session),
                    await loop.run_in_executor(None, carry(current_session)),
                ]

        async def both() -> list[list[Session | None]]:
            return list(await asyncio.gather(serve(ANNA), serve(BERT)))

        assert asyncio.run(both()) == [[ANNA] * 3, [BERT] * 3]

    def test_it_can_be_pickled(self) -> None:
        with use_session(ANNA):
            carried = pickle.dumps(carry(current_session_by_name))
        assert pickle.loads(carried)() == ANNA

    def test_arguments_and_results_pass(self) -> None:
        assert carry(divmod)(7, 2) == (3, 1)
        assert carry(dict)(a=1) == {"a": 1}


def current_session_by_name() -> Session | None:
    return current_session()


class TestWorkThatIsOver:
    """A context that lives on names no session: its lines miss their tag."""

    def test_an_asynchronous_generator_that_was_left_early(self) -> None:
        async def orders() -> AsyncIterator[int]:
            with use_session(ANNA):
                yield 1
                yield 2

        async def main() -> Session | None:
            async for _ in orders():
                break
            gc.collect()
            await asyncio.sleep(0.01)
            return current_session()

        assert asyncio.run(main()) is None

    def test_a_worker_that_the_first_request_started(self) -> None:
        seen: list[Session | None] = []

        async def main() -> None:
            jobs: asyncio.Queue[Session] = asyncio.Queue()
            workers: list[asyncio.Task[None]] = []

            async def work() -> None:
                while True:
                    await jobs.get()
                    seen.append(current_session())
                    jobs.task_done()

            for session in (ANNA, BERT):
                with use_session(session):
                    if not workers:
                        workers.append(asyncio.create_task(work()))
                    await jobs.put(session)
                await jobs.join()
            workers[0].cancel()

        asyncio.run(main())
        assert seen == [None, None]

    def test_a_task_works_for_the_request_while_that_lasts(self) -> None:
        async def main() -> Session | None:
            with use_session(ANNA):
                return await asyncio.create_task(asyncio.sleep(0, current_session()))

        assert asyncio.run(main()) is ANNA

    def test_generators_that_take_turns(self) -> None:
        def rows(session: Session) -> Generator[Session | None]:
            with use_session(session):
                yield current_session()
                yield current_session()

        anna, bert = rows(ANNA), rows(BERT)
        assert (next(anna), next(bert)) == (ANNA, BERT)
        # Anna's ends first, in the midst of Bert's.
        anna.close()
        assert current_session() is BERT
        bert.close()
        assert current_session() is None

    def test_one_that_ends_in_the_midst_of_other_work_changes_nothing_there(self) -> None:
        def rows() -> Generator[int]:
            with use_session(None):
                yield 1

        with use_session(ANNA):
            left = rows()
            next(left)
        with use_session(BERT):
            left.close()
            assert current_session() is BERT
        assert current_session() is None

    def test_what_a_function_leaves_open_is_not_the_next_requests(self) -> None:
        """A function call, unlike a ``with`` block in a generator, cannot end out of order."""

        def rows() -> Generator[int]:
            with use_session(ANNA):
                yield 1

        left = rows()

        def main() -> Session | None:
            run_in(ANNA, functools.partial(next, left))
            return current_session()

        assert contextvars.copy_context().run(main) is None

    def test_scopes_that_are_over_are_not_kept(self) -> None:
        """A worker may begin one after the other for as long as it lives, and leave none."""

        def begin() -> Generator[int]:
            with use_session(ANNA):
                yield 1

        def run() -> int:
            for _ in range(100):
                left = begin()
                next(left)
                left.close()
                entered = use_session(BERT)
                entered.__enter__()
                entered._entered[0].ended = True
            scope, depth = current_scope(), 0
            while scope is not None:
                scope, depth = scope.outer, depth + 1
            return depth

        assert contextvars.copy_context().run(run) <= 2


def test_one_clean_up_that_fails_keeps_no_other_one_back(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[Session] = []

    def fail(session: Session, is_all: bool) -> None:
        raise OSError

    monkeypatch.setattr(context, "_leaving", [fail, lambda session, is_all: called.append(session)])
    run_in(ANNA, list)
    assert called == [ANNA]
    assert propagation_counts()["failed_cleanups"] == 1
