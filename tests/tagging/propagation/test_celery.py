"""A job queue: Celery, with the recipe of the README."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from typing import Any

import celery
import pytest
from celery.contrib.testing.worker import start_worker

from openreplay_cw_stack.tagging import propagation
from openreplay_cw_stack.tagging.propagation import outgoing_headers, use_headers, use_session
from tests.tagging.propagation.visitors import ANNA, BERT, check_lines


class VisitorsTask(celery.Task):  # type: ignore[misc]
    def apply_async(self, *args: Any, headers: Any = None, **options: Any) -> Any:
        headers = {**(headers or {}), **outgoing_headers()}
        return super().apply_async(*args, headers=headers, **options)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with use_headers(self.request.headers):
            return super().__call__(*args, **kwargs)


app = celery.Celery("shop", task_cls=VisitorsTask, broker="memory://", backend="cache+memory://")
app.conf.worker_hijack_root_logger = False
app.conf.broker_transport_options = {"polling_interval": 0.02}


@app.task(name="pay")  # type: ignore[untyped-decorator]
def pay(name: str) -> None:
    logging.getLogger("tests.propagation").error("declined: %s", name)
    raise ValueError(f"no money: {name}")


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
    stderr: io.StringIO, log: logging.Logger, celerys_log: io.StringIO
) -> None:
    propagation.install()
    with start_worker(app, pool="solo", perform_ping_check=False, shutdown_timeout=20):
        for session, name in ((ANNA, "anna"), (None, "nobody"), (BERT, "bert"), (None, "nobody")):
            with use_session(session):
                job = pay.delay(name)
            with pytest.raises(ValueError, match=name):
                job.get(timeout=20, interval=0.02)
    log_lines = stderr.getvalue().splitlines()
    for session, name in ((ANNA, "anna"), (BERT, "bert"), (None, "nobody")):
        own = "\n".join(line for line in log_lines if name in line)
        assert f"declined: {name}" in check_lines(own, session)
    reports = celerys_log.getvalue().split("Task pay[")
    assert len(reports) == 5
    for session, name in ((ANNA, "anna"), (BERT, "bert"), (None, "nobody")):
        lines = [one for one in celerys_log.getvalue().splitlines() if f"no money: {name}" in one]
        assert lines
        check_lines("\n".join(lines), session)
