"""Middleware for WSGI applications (PEP 3333), such as Flask and Django."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from openreplay_cw_stack.tagging.propagation.context import current_session, run_in
from openreplay_cw_stack.tagging.propagation.session import HEADER_NAME, HeaderReader, Session

_Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class WSGIMiddleware:
    """WSGI middleware that binds each request to the session its header names.

    The session ends when the response has been sent. Make it the outermost middleware: code outside
    it runs without a session.
    """

    def __init__(
        self,
        app: _Application,
        *,
        header_name: str = HEADER_NAME,
        accept_session_id: bool = False,
        token_secret: bytes | str | None = None,
    ) -> None:
        """Wrap an application; see :class:`HeaderReader` for the other arguments.

        Raises:
            ValueError: see :class:`HeaderReader`.
        """
        self.app = app
        self._reader = HeaderReader(header_name, accept_session_id, token_secret)

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Serve a request."""
        session = self._reader.read(lambda name: _values(environ, name))
        if session is None and current_session() is None:
            return self.app(environ, start_response)
        answer = run_in(session, self.app, environ, start_response)
        if isinstance(answer, (list, tuple)) or _is_a_file(environ, answer):
            return answer
        return _Answer(session, answer)


class _Answer:
    """A response whose iteration runs application code in the request's session."""

    def __init__(self, session: Session | None, answer: Iterable[bytes]) -> None:
        self._session = session
        self._answer = answer
        self._pieces: Iterator[bytes] | None = None

    def __iter__(self) -> _Answer:
        return self

    def __next__(self) -> bytes:
        if self._pieces is None:
            self._pieces = run_in(self._session, iter, self._answer)
        return run_in(self._session, next, self._pieces)

    def close(self) -> None:
        """Close the application's response in its session."""
        close = getattr(self._answer, "close", None)
        if close is not None:
            run_in(self._session, close)


def _values(environ: dict[str, Any], name: str) -> list[object]:
    key = "HTTP_" + name.upper().replace("-", "_")
    return [environ[key]] if key in environ else []


def _is_a_file(environ: dict[str, Any], answer: object) -> bool:
    """Return whether the response is a file wrapper, which the server recognises by its type."""
    wrapper = environ.get("wsgi.file_wrapper")
    return isinstance(wrapper, type) and isinstance(answer, wrapper)
