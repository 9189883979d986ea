"""The cost of the session tag for a log record, and for a request without a token.

For comparison, the same run measures asgi-correlation-id's filter, which adds a context variable to
a record, and structlog's ``merge_contextvars``, which adds one to an event, both with the same
handler. All write the value before the same message.
"""

from __future__ import annotations

import logging
import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from asgi_correlation_id import CorrelationIdFilter
from asgi_correlation_id.context import correlation_id
from flask import Flask
from werkzeug.test import create_environ, run_wsgi_app

from benchmarks.measuring import cpu_seconds
from openreplay_cw_stack.tagging import compose_token, propagation

ROUNDS = 15
TOKEN = compose_token(session_id=2516582400000315960, expires_ms=2**50, token_secret=b"benchmark")
Record = Callable[[], object]


class Nowhere:
    """A stream that discards its input."""

    def write(self, text: str) -> None:
        """Discard a text."""

    def flush(self) -> None:
        """Do nothing."""


def run() -> None:
    """Print the cost of a record in each case, as a ratio to a record of plain logging."""
    cases = {
        "plain logging": (_plain, _nothing),
        "installed, no session": (_plain, _installed),
        "installed, a session": (_plain, _session),
        "asgi-correlation-id's filter": (_correlation_id, _correlated),
        "structlog's merge_contextvars": (_structlog, _bound),
    }
    rounds = [{name: _measure(*case) for name, case in cases.items()} for _ in range(ROUNDS)]
    print("a log record, CPU time")
    for name in cases:
        ratio = statistics.median(one[name] / one["plain logging"] for one in rounds)
        micros = statistics.median(one[name] for one in rounds) * 1e6
        print(f"  {name:32} {micros:6.2f} us   {ratio:5.2f} x plain")
    peers = ("asgi-correlation-id's filter", "structlog's merge_contextvars")
    ratios = [one["installed, a session"] / min(one[peer] for peer in peers) for one in rounds]
    print(f"  a session against the cheapest peer: {_spread(ratios)} (at most 1.2 wanted)")
    idle = [one["installed, no session"] / one["plain logging"] for one in rounds]
    print(f"  no session against plain logging: {_spread(idle)} (1.0 wanted)")
    _requests()


def _requests() -> None:
    """Print the cost of a request without a token: a Flask route that logs one line."""
    app = Flask("benchmark")
    logger = _logger()

    @app.route("/orders")
    def order() -> str:
        logger.error("order %s failed", 7)
        return "ok"

    def ask(application: Any) -> float:
        return cpu_seconds(lambda: run_wsgi_app(application, create_environ("/orders")), rounds=1)

    ratios, more = [], []
    for _ in range(ROUNDS):
        plain = ask(app)
        with _installed():
            tagged = ask(propagation.WSGIMiddleware(app))
        ratios.append(tagged / plain)
        more.append((tagged - plain) * 1e6)
    print("a Flask request that logs one line, without a token, CPU time")
    print(f"  with the tagging against without: {_spread(ratios)} (1.0 wanted)")
    print(f"  microseconds more: {_spread(more)}")


def _spread(ratios: list[float]) -> str:
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def _measure(make: Callable[[], Record], around: Callable[[], Any]) -> float:
    with around():
        return cpu_seconds(make(), rounds=1, at_least=0.01)


def _logger(format_: str = "%(levelname)s %(message)s") -> logging.Logger:
    logger = logging.getLogger("benchmark")
    logger.propagate = False
    handler = logging.StreamHandler(Nowhere())
    handler.setFormatter(logging.Formatter(format_))
    logger.handlers, logger.filters = [handler], []
    return logger


def _plain() -> Record:
    logger = _logger()
    return lambda: logger.error("order %s failed", 7)


def _correlation_id() -> Record:
    logger = _logger("[openReplaySessionToken=%(correlation_id)s] %(levelname)s %(message)s")
    logger.handlers[0].addFilter(CorrelationIdFilter())
    return lambda: logger.error("order %s failed", 7)


def _structlog() -> Record:
    """Return a record of structlog's fastest configuration: without logging, rendered as logfmt."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.processors.add_log_level,
            structlog.processors.LogfmtRenderer(key_order=["tag", "level", "event"]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(Nowhere()),  # type: ignore[arg-type]
        cache_logger_on_first_use=True,
    )
    logger = structlog.get_logger()
    return lambda: logger.error("order %s failed", 7)


@contextmanager
def _nothing() -> Iterator[None]:
    yield


@contextmanager
def _installed() -> Iterator[None]:
    propagation.install()
    try:
        yield
    finally:
        propagation.uninstall()


@contextmanager
def _session() -> Iterator[None]:
    with _installed(), propagation.use_session_token(TOKEN):
        yield


@contextmanager
def _correlated() -> Iterator[None]:
    before = correlation_id.set(TOKEN)
    try:
        yield
    finally:
        correlation_id.reset(before)


@contextmanager
def _bound() -> Iterator[None]:
    with structlog.contextvars.bound_contextvars(tag=f"[openReplaySessionToken={TOKEN}]"):
        yield
