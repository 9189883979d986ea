"""loguru, which takes hold of stderr when it is imported."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import loguru
import pytest

from openreplay_cw_stack.tagging import propagation
from openreplay_cw_stack.tagging.propagation import use_session
from openreplay_cw_stack.tagging.propagation.context import run_in
from tests.tagging.propagation.visitors import ANNA, BERT, check_lines

log: Any = loguru.logger


@pytest.fixture
def sink(installed: io.StringIO) -> Iterator[io.StringIO]:
    """Where loguru writes; set before the tagging was installed, or looked up at each line."""
    stream = io.StringIO()
    log.remove()
    log.add(stream)
    yield stream
    log.remove()


def fail() -> None:
    raise ValueError("no stock\nleft")


def test_a_message(sink: io.StringIO) -> None:
    log.error("of nobody")
    check_lines(sink.getvalue(), None)
    before = len(sink.getvalue())
    with use_session(ANNA):
        log.error("card declined,\ntwice")
    lines = check_lines(sink.getvalue()[before:], ANNA)
    assert lines[-1] == "twice"


def test_the_default_sink_of_a_program_that_imports_it_first(stderr: io.StringIO) -> None:
    log.remove()
    log.add(sys.stderr)
    propagation.install()
    with use_session(ANNA):
        log.error("card declined")
    log.remove()
    (line,) = check_lines(stderr.getvalue(), ANNA)
    assert line.endswith("card declined")


def test_the_default_sink_of_a_program_that_imports_it_afterwards(installed: io.StringIO) -> None:
    log.remove()
    log.add(sys.stderr, colorize=True)
    with use_session(ANNA):
        log.error("card declined")
    log.remove()
    assert len(check_lines(installed.getvalue(), ANNA)) == 1


def test_a_traceback(sink: io.StringIO) -> None:
    with use_session(ANNA):
        try:
            fail()
        except ValueError:
            log.exception("payment failed")
    assert check_lines(sink.getvalue(), ANNA)[-1] == "left"


def test_an_error_of_a_request_that_has_ended(sink: io.StringIO) -> None:
    try:
        run_in(ANNA, fail)
    except ValueError:
        log.exception("payment failed")
    assert len(check_lines(sink.getvalue(), ANNA)) > 3


def test_a_sink_with_a_thread_of_its_own(installed: io.StringIO) -> None:
    stream = io.StringIO()
    log.remove()
    log.add(stream, enqueue=True)
    for session in (ANNA, BERT, None):
        with use_session(session):
            log.error("card declined")
    log.complete()
    log.remove()
    for line, session in zip(stream.getvalue().splitlines(), (ANNA, BERT, None), strict=True):
        check_lines(line, session)


def test_json(installed: io.StringIO) -> None:
    stream = io.StringIO()
    log.remove()
    log.add(stream, serialize=True)
    with use_session(ANNA):
        log.error("card declined")
    log.remove()
    assert json.loads(stream.getvalue())["record"]["message"] == "card declined"
    assert str(ANNA.token) in stream.getvalue()


def test_a_function_is_given_messages_as_before(installed: io.StringIO) -> None:
    messages: list[Any] = []
    log.remove()
    log.add(messages.append, format="{message}")
    with use_session(ANNA):
        log.error("card declined")
    log.remove()
    (message,) = messages
    assert message == f"{ANNA.tag} card declined\n"
    assert message.record["message"] == "card declined"
    assert type(message).__name__ == "Message"


def test_through_logging(installed: io.StringIO, log: logging.Logger) -> None:
    logger: Any = loguru.logger
    logger.remove()
    logger.add(log.handlers[0], format="{message}")
    with use_session(ANNA):
        logger.error("card declined")
    logger.remove()
    assert installed.getvalue() == f"{ANNA.tag} card declined\n"


def test_it_is_undone(sink: io.StringIO) -> None:
    handler = sys.modules["loguru._handler"]
    assert hasattr(handler.Handler.emit, "__wrapped__")
    propagation.uninstall()
    assert not hasattr(handler.Handler.emit, "__wrapped__")
    with use_session(ANNA):
        log.error("card declined")
    check_lines(sink.getvalue(), None)
