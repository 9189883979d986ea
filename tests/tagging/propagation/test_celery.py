"""A job queue: Celery, with the recipe of the README."""

from __future__ import annotations

import io
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

import celery
import pytest
from celery import chain, chord, group
from celery.contrib.testing.worker import start_worker

from openreplay_cw_stack.tagging import propagation
from openreplay_cw_stack.tagging.propagation import (
    current_session,
    outgoing_headers,
    use_headers,
    use_session,
)
from openreplay_cw_stack.tagging.propagation.session import Session
from tests.tagging.propagation.visitors import ANNA, BERT, check_lines


class VisitorsTask(celery.Task):  # type: ignore[misc]
    def apply_async(self, *args: Any, headers: Any = None, **options: Any) -> Any:
        headers = {**(headers or {}), **outgoing_headers()}
        return super().apply_async(*args, headers=headers, **options)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not celery.current_task:
            # Called as a function: it is part of the work at hand.
            return super().__call__(*args, **kwargs)
        with use_headers(self.request.headers):
            return super().__call__(*args, **kwargs)


app = celery.Celery("shop", task_cls=VisitorsTask, broker="memory://", backend="cache+memory://")
app.conf.worker_hijack_root_logger = False
app.conf.broker_transport_options = {"polling_interval": 0.02}


@app.task(name="pay")  # type: ignore[untyped-decorator]
def pay(name: str) -> None:
    logging.getLogger("tests.propagation").error("declined: %s", name)
    raise ValueError(f"no money: {name}")


seen: list[tuple[str, Session | None]] = []


def saw(name: str) -> None:
    seen.append((name, current_session()))


@app.task(name="first")  # type: ignore[untyped-decorator]
def first(*_: Any) -> None:
    saw("first")


@app.task(name="second")  # type: ignore[untyped-decorator]
def second(*_: Any) -> None:
    saw("second")


@app.task(name="fail")  # type: ignore[untyped-decorator]
def fail() -> None:
    raise ValueError("no money")


@app.task(name="notified")  # type: ignore[untyped-decorator]
def notified(*_: Any) -> None:
    saw("notified")


@app.task(name="notified the id")  # type: ignore[untyped-decorator]
def told_the_id(_id: str) -> None:
    saw("notified the id")


@app.task(name="again", bind=True, max_retries=1)  # type: ignore[untyped-decorator]
def again(self: Any) -> None:
    saw("again")
    if not self.request.retries:
        raise self.retry(countdown=0)


@app.task(name="calls")  # type: ignore[untyped-decorator]
def calls() -> None:
    first()
    second.apply()
    saw("calls")


@app.task(name="for nobody")  # type: ignore[untyped-decorator]
def for_nobody() -> None:
    with use_session(None):
        first.delay()


@pytest.fixture(scope="module")
def worker() -> Iterator[None]:
    with start_worker(app, pool="solo", perform_ping_check=False, shutdown_timeout=20):
        yield
    logging.captureWarnings(False)


@pytest.fixture
def celerys_log() -> Iterator[io.StringIO]:
    """What Celery itself logs: exceptions of tasks, when they have ended."""
    stream = io.StringIO()
    logger = logging.getLogger("celery.app.trace")
    logger.handlers, logger.propagate = [logging.StreamHandler(stream)], False
    yield stream
    logger.handlers, logger.propagate = [], True
    # Celery has its worker do so, for good.
    logging.captureWarnings(False)


@pytest.mark.slow
def test_a_task_is_the_visitors_who_caused_it(
    stderr: io.StringIO, log: logging.Logger, celerys_log: io.StringIO, worker: None
) -> None:
    propagation.install()
    for session, name in ((ANNA, "anna"), (None, "nobody"), (BERT, "bert"), (None, "nobody")):
        with use_session(session):
            job = pay.delay(name)
        with pytest.raises(ValueError, match=name):
            job.get(timeout=20, interval=0.02)
        # What is stored with the result may be shown to anybody who looks at the queue.
        assert "no money" in job.traceback
        for one in (ANNA, BERT):
            assert str(one.token) not in job.traceback
    log_lines = stderr.getvalue().splitlines()
    for session, name in ((ANNA, "anna"), (BERT, "bert"), (None, "nobody")):
        own = "\n".join(line for line in log_lines if name in line)
        assert f"declined: {name}" in check_lines(own, session)
    # Celery stores the result before it logs the exception.
    deadline = time.monotonic() + 20
    while celerys_log.getvalue().count("Task pay[") < 4 and time.monotonic() < deadline:
        time.sleep(0.02)
    reports = celerys_log.getvalue().split("Task pay[")
    assert len(reports) == 5
    for session, name in ((ANNA, "anna"), (BERT, "bert"), (None, "nobody")):
        lines = [one for one in celerys_log.getvalue().splitlines() if f"no money: {name}" in one]
        assert lines
        check_lines("\n".join(lines), session)


@pytest.fixture
def eager() -> Iterator[None]:
    app.conf.task_always_eager = True
    yield
    app.conf.task_always_eager = False


Flow = Callable[[], Any]
FLOWS: dict[str, tuple[Flow, list[str]]] = {
    "a task": (lambda: first.delay(), ["first"]),
    "by its name": (
        lambda: app.send_task("first", headers=outgoing_headers()),
        ["first"],
    ),
    "with headers": (lambda: first.apply_async(headers={"other": "7"}), ["first"]),
    "a chain": (
        lambda: chain(first.s(), second.s(), first.s()).delay(),
        ["first"] * 2 + ["second"],
    ),
    "a group": (lambda: group(first.s(), second.s()).delay(), ["first", "second"]),
    "a chord": (lambda: chord([first.s(), first.s()])(second.s()), ["first", "first", "second"]),
    "a link": (lambda: first.apply_async(link=second.s()), ["first", "second"]),
    "a link of links": (
        lambda: first.apply_async(link=chain(second.s(), first.s())),
        ["first", "first", "second"],
    ),
    "an error link": (lambda: fail.apply_async(link_error=notified.s()), ["notified"]),
    "an error link by its id": (
        lambda: fail.apply_async(link_error=told_the_id.s()),
        ["notified the id"],
    ),
    "a retry": (lambda: again.delay(), ["again", "again"]),
    "a task that calls others": (lambda: calls.delay(), ["calls", "first", "second"]),
    "chunks": (lambda: first.chunks([(1,), (2,)], 1).apply_async(), ["first", "first"]),
    "at once": (lambda: first.apply(), ["first"]),
    "as a function": (lambda: first(), ["first"]),
    "at once, with a link": (lambda: first.apply(link=second.s()), ["first", "second"]),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FLOWS)
@pytest.mark.parametrize("session", [ANNA, None])
def test_each_step_is_the_visitors_who_caused_the_first(
    name: str, session: Session | None, worker: None
) -> None:
    flow, steps = FLOWS[name]
    seen.clear()
    with use_session(session):
        flow()
    deadline = time.monotonic() + 20
    while len(seen) < len(steps) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert sorted(step for step, _ in seen) == sorted(steps)
    assert [whose for _, whose in seen] == [session] * len(steps)


@pytest.mark.slow
def test_a_task_that_works_for_nobody_sends_others_for_nobody(worker: None) -> None:
    seen.clear()
    with use_session(ANNA):
        for_nobody.delay()
    deadline = time.monotonic() + 20
    while not seen and time.monotonic() < deadline:
        time.sleep(0.02)
    assert seen == [("first", None)]


@pytest.mark.slow
def test_eagerly(eager: None) -> None:
    for session in (ANNA, None):
        seen.clear()
        with use_session(session):
            chain(first.s(), second.s()).delay()
            first.apply_async(link=second.s())
            calls.delay()
        assert len(seen) == 7
        assert {whose for _, whose in seen} == {session}
