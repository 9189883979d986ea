"""Handlers that do not go through ``logging.Handler.format``, or that change what it does."""

from __future__ import annotations

import copy
import io
import logging
import logging.handlers
import pickle
import sys
from collections.abc import Callable
from typing import Any

import pytest

from openreplay_cw_stack.tagging import propagation
from openreplay_cw_stack.tagging.propagation import use_session
from tests.tagging.propagation.visitors import ANNA, BERT, check_lines


class FormatsByItself(logging.Handler):
    def __init__(self, stream: io.StringIO) -> None:
        super().__init__()
        self.stream = stream

    def emit(self, record: logging.LogRecord) -> None:
        assert self.formatter is not None
        self.stream.write(self.formatter.format(record) + "\n")


class FormatsWhereItHasAFormatter(FormatsByItself):
    def emit(self, record: logging.LogRecord) -> None:
        text = self.formatter.format(record) if self.formatter else record.getMessage()
        self.stream.write(text + "\n")


class HasAFormatOfItsOwn(FormatsByItself):
    def format(self, record: logging.LogRecord) -> str:
        return f"{record.levelname}: {record.getMessage()}"

    def emit(self, record: logging.LogRecord) -> None:
        self.stream.write(self.format(record) + "\n")


class ColoursWhatItFormats(logging.StreamHandler):  # type: ignore[type-arg]
    def format(self, record: logging.LogRecord) -> str:
        return f"\x1b[31m{super().format(record)}\x1b[0m"


class Mixed:
    def emit(self, record: logging.LogRecord) -> None:
        self.stream.write(self.formatter.format(record) + "\n")  # type: ignore[attr-defined]


class OfAMixin(Mixed, FormatsByItself):
    pass


NAMES = ("__init__", "emit", "format")
FORMATTING = [
    *(FormatsByItself, FormatsWhereItHasAFormatter, HasAFormatOfItsOwn, ColoursWhatItFormats),
    OfAMixin,
]


@pytest.mark.parametrize("made", ["before", "after"])
@pytest.mark.parametrize("cls", FORMATTING)
def test_what_it_formats_is_tagged(
    stderr: io.StringIO, log: logging.Logger, cls: type[Any], made: str
) -> None:
    stream = io.StringIO()
    if made == "after":
        propagation.install()
    handler: logging.Handler = cls(stream)
    handler.setFormatter(own := logging.Formatter("%(levelname)s %(message)s"))
    if made == "before":
        propagation.install()
    log.handlers = [logging.handlers.MemoryHandler(99, flushLevel=99, target=handler)]
    for session in (ANNA, None, BERT):
        with use_session(session):
            log.error("card declined")
    with use_session(BERT):
        log.handlers[0].flush()
    for line, session in zip(stream.getvalue().splitlines(), (ANNA, None, BERT), strict=True):
        assert "card declined" in line
        # Colours may stand in front of the tag.
        for one in (ANNA, BERT):
            assert line.count(one.tag) == int(one is session)
    assert handler.formatter is own


@pytest.mark.parametrize("cls", FORMATTING)
def test_each_line_of_a_traceback(
    installed: io.StringIO, log: logging.Logger, cls: type[Any]
) -> None:
    stream = io.StringIO()
    handler: logging.Handler = cls(stream)
    handler.setFormatter(logging.Formatter())
    log.handlers = [handler]
    with use_session(ANNA):
        try:
            raise ValueError("no stock left")
        except ValueError:
            log.exception("failed")
    lines = stream.getvalue().splitlines()
    assert len(lines) == (1 if cls is HasAFormatOfItsOwn else 5)
    assert all(line.count(ANNA.tag) == 1 for line in lines)


class WritesTheMessage(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        print(record.getMessage(), file=sys.stderr)


class WritesLater(logging.Handler):
    """Keeps records, and has another handler write them: not with ``handle``."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.kept.append(record)

    def flush(self) -> None:
        for record in self.kept:
            WritesTheMessage().emit(record)


def test_a_message_on_stderr_is_of_the_records_visitor(
    installed: io.StringIO, log: logging.Logger
) -> None:
    """And not of the one whose work is at hand when it is written."""
    handler = WritesLater()
    log.handlers = [handler]
    for session in (ANNA, None):
        with use_session(session):
            log.error("card declined")
    with use_session(BERT):
        handler.flush()
    handler.kept = []
    anna, nobody = installed.getvalue().splitlines()
    check_lines(anna, ANNA)
    check_lines(nobody, None)


def test_a_record_that_is_pickled_and_written_elsewhere_is_nobodys(
    installed: io.StringIO, log: logging.Logger
) -> None:
    handler = WritesLater()
    log.handlers = [handler]
    with use_session(ANNA):
        log.error("card declined")
    handler.kept = [pickle.loads(pickle.dumps(handler.kept[0]))]
    with use_session(BERT):
        handler.flush()
    handler.kept = []
    check_lines(installed.getvalue(), None)


class Keeps(logging.Handler):
    """An error tracker, which sends records to a service."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[Any] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.sent.append((copy.copy(record.__dict__), record.getMessage(), self.formatter))


def test_what_is_not_formatted_has_no_token(installed: io.StringIO, log: logging.Logger) -> None:
    handler = Keeps()
    log.handlers = [handler]
    with use_session(ANNA):
        log.error("card %s", "declined")
    assert str(ANNA.token) not in str(handler.sent)


class Misfit(logging.Handler):
    """Methods of these names with other meanings."""

    def emit(self, record: logging.LogRecord, *, again: bool = False) -> None:
        self.text = self.format(record, "x")

    def format(self, record: logging.LogRecord, suffix: str = "") -> str:
        return record.getMessage() + suffix


def test_methods_of_other_forms_are_left_alone(installed: io.StringIO, log: logging.Logger) -> None:
    handler = Misfit()
    log.handlers = [handler]
    with use_session(ANNA):
        log.error("card declined")
    assert handler.text == "card declinedx"


def test_errors_of_a_handler_are_its_own(installed: io.StringIO, log: logging.Logger) -> None:
    class Failing(FormatsByItself):
        def emit(self, record: logging.LogRecord) -> None:
            assert self.formatter
            raise KeyError(type(self.formatter).__name__)

    handler = Failing(io.StringIO())
    handler.setFormatter(own := logging.Formatter())
    log.handlers = [handler]
    with use_session(ANNA), pytest.raises(KeyError):
        log.error("card declined")
    assert handler.formatter is own


def test_the_formatter_is_what_it_was(installed: io.StringIO, log: logging.Logger) -> None:
    class Own(logging.Formatter):
        limit = 7

    seen: list[Any] = []

    class Looking(FormatsByItself):
        def emit(self, record: logging.LogRecord) -> None:
            formatter: Any = self.formatter
            formatter.limit += 1
            seen.append((isinstance(formatter, Own), formatter.limit, formatter.usesTime()))

    handler = Looking(io.StringIO())
    handler.setFormatter(Own())
    log.handlers = [handler]
    with use_session(ANNA):
        log.error("card declined")
    assert seen == [(True, 8, False)]


def test_it_is_undone(stderr: io.StringIO) -> None:
    classes = [*FORMATTING, Mixed, WritesTheMessage, logging.Handler]

    def everything() -> list[tuple[type[Any], str, Callable[..., Any] | None]]:
        return [(cls, name, vars(cls).get(name)) for cls in classes for name in NAMES]

    before = everything()
    propagation.install()
    assert everything() != before
    # What others may use stays as it is.
    assert vars(Mixed)["emit"] is before[classes.index(Mixed) * len(NAMES) + 1][2]
    propagation.uninstall()
    assert everything() == before
