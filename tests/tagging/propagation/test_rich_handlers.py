"""rich's log handler, which folds, colours and takes text for markup."""

from __future__ import annotations

import io
import logging
import logging.handlers
from collections.abc import Callable, Iterator

import pytest
from rich.console import Console
from rich.logging import RichHandler

from openreplay_cw_stack.tagging import propagation
from openreplay_cw_stack.tagging.propagation import use_session
from tests.tagging.propagation.interpreters import INTERPRETERS
from tests.tagging.propagation.test_streams import run
from tests.tagging.propagation.visitors import ANNA, BERT, check_lines

LONG = "card declined " * 30


@pytest.fixture
def rich_log() -> Iterator[logging.Logger]:
    logger = logging.getLogger("tests.propagation.rich")
    logger.propagate = False
    yield logger
    logger.handlers = []


def console(**options: object) -> tuple[Console, io.StringIO]:
    stream = io.StringIO()
    return Console(file=stream, **options), stream  # type: ignore[arg-type]


HANDLERS: dict[str, Callable[[Console], RichHandler]] = {
    "plain": lambda console: RichHandler(console=console),
    "with tracebacks": lambda console: RichHandler(console=console, rich_tracebacks=True),
    "with markup": lambda console: RichHandler(console=console, markup=True),
    "without a table's columns": lambda console: RichHandler(
        console=console, show_time=False, show_level=False, show_path=False
    ),
}


@pytest.mark.parametrize("name", HANDLERS)
@pytest.mark.parametrize("colours", [True, False])
def test_each_row_is_the_visitors(
    installed: io.StringIO, rich_log: logging.Logger, name: str, colours: bool
) -> None:
    target, stream = console(force_terminal=colours)
    rich_log.addHandler(HANDLERS[name](target))
    with use_session(ANNA):
        try:
            raise ValueError("no [stock] left")
        except ValueError:
            rich_log.exception(LONG)
    lines = check_lines(stream.getvalue(), ANNA)
    assert len(lines) > 5
    assert "".join(lines).count("declined") == 30
    # Nothing that colours stands in front of the tag.
    rows = [line for line in stream.getvalue().split("\n") if line.strip()]
    assert all(row.startswith(ANNA.tag) for row in rows)
    with use_session(None):
        rich_log.error("of nobody")
    check_lines(stream.getvalue()[stream.getvalue().rindex(ANNA.tag) :].split("\n", 1)[1], None)


def test_the_text_is_as_without_the_tagging(stderr: io.StringIO, rich_log: logging.Logger) -> None:
    target, stream = console(width=60)
    rich_log.addHandler(RichHandler(console=target, show_time=False))
    rich_log.error(LONG)
    before = stream.getvalue().splitlines()
    propagation.install()
    with use_session(ANNA):
        rich_log.error(LONG)
    after = stream.getvalue().splitlines()[len(before) :]
    # The line number at the end of the first row is another one.
    assert check_lines("\n".join(after), ANNA)[1:] == before[1:]


@pytest.mark.parametrize("is_stderr", [True, False])
def test_a_record_that_was_kept(
    installed: io.StringIO, rich_log: logging.Logger, is_stderr: bool
) -> None:
    target, stream = console()
    if is_stderr:
        target, stream = Console(stderr=True), installed
    memory = logging.handlers.MemoryHandler(99, flushLevel=99, target=RichHandler(console=target))
    rich_log.addHandler(memory)
    for session in (ANNA, None):
        with use_session(session):
            rich_log.error("kept")
    with use_session(BERT):
        memory.flush()
    anna, nobody = stream.getvalue().splitlines()
    check_lines(anna, ANNA)
    check_lines(nobody, None)


def test_a_handler_of_its_kind(installed: io.StringIO, rich_log: logging.Logger) -> None:
    class Own(RichHandler):
        def emit(self, record: logging.LogRecord) -> None:
            super().emit(record)

    target, stream = console()
    rich_log.addHandler(Own(console=target))
    with use_session(ANNA):
        rich_log.error(LONG)
    assert len(check_lines(stream.getvalue(), ANNA)) > 3


def test_one_that_is_imported_in_the_midst_of_a_request() -> None:
    """Its class is prepared as rich's before it is prepared as anybody's."""
    ran = run(
        next(iter(INTERPRETERS)),
        "anna.__enter__()\n"
        "import logging\n"
        "from rich.console import Console\n"
        "from rich.logging import RichHandler\n"
        "logging.basicConfig(handlers=[RichHandler(console=Console(file=sys.stdout))])\n"
        f"logging.error({LONG!r})\n",
    )
    lines = check_lines(ran.stdout, ANNA)
    assert "".join(lines).count("declined") == 30


def test_what_else_a_console_prints_is_left_alone(installed: io.StringIO) -> None:
    target, stream = console()
    with use_session(ANNA):
        target.print("a program's result")
    assert stream.getvalue() == "a program's result\n"
