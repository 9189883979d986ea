"""Loggers that write JSON: the line stays JSON, with the token field and no other field more."""

from __future__ import annotations

import io
import itertools
import json
import logging
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog
from aws_lambda_powertools import Logger
from pythonjsonlogger.json import JsonFormatter

from openreplay_cw_stack.tagging import propagation
from openreplay_cw_stack.tagging.propagation import add_session_tag, use_session
from tests.tagging.propagation.visitors import ANNA, check_lines

Write = Callable[[Any], None]
NAME = "tests.propagation"
_numbers = itertools.count()


def python_json_logger() -> Write:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter("{levelname}{message}{name}", style="{"))
    logger = logging.getLogger(NAME)
    logger.handlers = [handler]
    return lambda message: logger.exception(message, extra={"order": 7})


def powertools() -> Write:
    # A name of its own: Powertools sets a logger up once.
    logger = Logger(service=f"shop-{next(_numbers)}", stream=sys.stderr)
    return lambda message: logger.exception(message, order=7)


def structlog_through_logging() -> Write:
    """structlog renders, logging writes."""
    logging.getLogger(NAME).handlers = [logging.StreamHandler(sys.stderr)]
    structlog.configure(
        processors=[
            structlog.stdlib.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    logger = structlog.get_logger(NAME)
    return lambda message: logger.error(message, order=7, exc_info=True)


def structlog_as_a_formatter() -> Write:
    """Logging writes, and structlog is its formatter."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ExtraAdder(),
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(),
            ]
        )
    )
    logger = logging.getLogger(NAME)
    logger.handlers = [handler]
    return lambda message: logger.exception(message, extra={"order": 7})


def structlog_to_the_stream() -> Write:
    return _structlog(structlog.PrintLoggerFactory(sys.stderr))


def structlog_by_the_processor() -> Write:
    """structlog writes by itself, where nothing is tagged but by the processor."""
    stream: Any = sys.stderr
    behind = getattr(stream, "_stream", stream)
    return _structlog(structlog.WriteLoggerFactory(behind), add_session_tag)


def _structlog(factory: Any, *more: Any) -> Write:
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            *more,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=factory,
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=False,
    )
    logger = structlog.get_logger()
    return lambda message: logger.exception(message, order=7)


LOGGERS = {
    "python-json-logger": (python_json_logger, "message"),
    "Powertools": (powertools, "message"),
    "structlog through logging": (structlog_through_logging, "event"),
    "structlog as a formatter": (structlog_as_a_formatter, "event"),
    "structlog to the stream": (structlog_to_the_stream, "event"),
    "structlog by the processor": (structlog_by_the_processor, "event"),
}


@pytest.fixture(autouse=True)
def structlogs_defaults() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def written(stderr: io.StringIO, write: Write, message: Any) -> dict[str, Any]:
    """The line that a message becomes, which must be one and JSON."""
    stderr.seek(0)
    stderr.truncate()
    try:
        raise ValueError("no stock\nleft")
    except ValueError:
        write(message)
    (line,) = stderr.getvalue().splitlines()
    document: dict[str, Any] = json.loads(line)
    return document


@pytest.mark.parametrize("name", LOGGERS)
def test_the_line_gets_the_field(stderr: io.StringIO, log: logging.Logger, name: str) -> None:
    make, field = LOGGERS[name]
    before = written(stderr, make(), 'a "quoted" message')
    propagation.install()
    write = make()
    with use_session(ANNA):
        tagged = written(stderr, write, 'a "quoted" message')
    check_lines(stderr.getvalue(), ANNA)
    assert tagged.pop("openReplaySessionToken") == ANNA.token
    assert tagged[field] == 'a "quoted" message'
    assert list(tagged) == list(before)
    untagged = written(stderr, write, 'a "quoted" message')
    assert list(untagged) == list(before)
    check_lines(stderr.getvalue(), None)


def test_a_message_that_is_no_text(installed: io.StringIO, log: logging.Logger) -> None:
    write = powertools()
    with use_session(ANNA):
        document = written(installed, write, {"order": 7})
    assert document["message"] == {"order": 7}
    assert document["openReplaySessionToken"] == ANNA.token
    check_lines(installed.getvalue(), ANNA)


def test_indented(
    installed: io.StringIO, log: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POWERTOOLS_DEV", "true")
    write = powertools()
    with use_session(ANNA):
        write("no stock left")
    document = json.loads(installed.getvalue())
    assert document["message"] == "no stock left"
    assert document["openReplaySessionToken"] == ANNA.token
    assert installed.getvalue().count(str(ANNA.token)) == 1
    assert installed.getvalue().count("\n") > 5


@pytest.mark.parametrize("instead", ["\r", "\\n"])
def test_a_formatter_that_makes_one_line_of_many(
    installed: io.StringIO, log: logging.Logger, instead: str
) -> None:
    class OneLine(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            return super().format(record).replace("\n", instead)

    log.handlers[0].setFormatter(OneLine())
    with use_session(ANNA):
        try:
            raise ValueError("no stock left")
        except ValueError:
            log.exception("failed")
    (line,) = installed.getvalue().removesuffix("\n").split("\n")
    check_lines(line, ANNA)
    assert "ValueError: no stock left" in line
