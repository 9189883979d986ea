from __future__ import annotations

import io
import logging
import sys
from collections.abc import Generator, Iterator

import pytest

from openreplay_cw_stack.tagging import propagation
from openreplay_cw_stack.tagging.propagation import counts
from openreplay_cw_stack.tagging.propagation.context import set_session


@pytest.fixture
def stderr() -> io.StringIO:
    """What a program's stderr has in the end."""
    return io.StringIO()


@pytest.fixture
def installed(stderr: io.StringIO) -> io.StringIO:
    """The tagging is installed; stderr."""
    return stderr


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Put the fixtures in place for the test alone: pytest sets the streams between its steps."""
    stream = pyfuncitem.funcargs.get("stderr")
    if not isinstance(stream, io.StringIO):
        return (yield)
    factory, before = logging.getLogRecordFactory(), sys.stderr
    sys.stderr = stream
    if "log" in pyfuncitem.funcargs:
        # Without the handler that pytest has added.
        logging.getLogger("tests.propagation").handlers = [logging.StreamHandler(stream)]
    if "installed" in pyfuncitem.fixturenames:
        propagation.install()
    try:
        return (yield)
    finally:
        propagation.uninstall()
        sys.stderr = before
        logging.setLogRecordFactory(factory)
        set_session(None)


@pytest.fixture(autouse=True)
def nothing_counted() -> Iterator[None]:
    """Counts begin at zero, and no text may be left untagged by a fault of ours."""
    with counts._lock:
        counts._counts.update(dict.fromkeys(counts._counts, 0))
    yield
    assert counts.counts()["untagged_texts"] == 0


@pytest.fixture
def log(stderr: io.StringIO) -> Iterator[logging.Logger]:
    """A logger that writes to stderr alone; its handler is older than the tagging."""
    logger = logging.getLogger("tests.propagation")
    logger.propagate = False
    logger.setLevel(logging.DEBUG)
    yield logger
    logger.handlers = []
