"""Middleware for ASGI applications, such as FastAPI, Starlette and Django.

It is pure ASGI, because Starlette's ``BaseHTTPMiddleware`` runs the application in a separate task
and loses context variables.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from openreplay_cw_stack.tagging.propagation.context import await_in, current_session
from openreplay_cw_stack.tagging.propagation.session import HEADER_NAME, HeaderReader

_Scope = MutableMapping[str, Any]
_Application = Callable[[_Scope, Callable[..., Any], Callable[..., Any]], Awaitable[None]]


class ASGIMiddleware:
    """ASGI middleware that binds each request or websocket to the session its header names.

    Make it the outermost middleware: in FastAPI and Starlette, call
    ``app.add_middleware(ASGIMiddleware)`` last.
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

    async def __call__(
        self, scope: _Scope, receive: Callable[..., Any], send: Callable[..., Any]
    ) -> None:
        """Serve a request or a websocket."""
        headers = scope.get("headers", ())
        session = self._reader.read(lambda name: _values(headers, name))
        if session is None and current_session() is None:
            return await self.app(scope, receive, send)
        return await await_in(session, self.app, scope, receive, send)


def _values(headers: Any, name: str) -> list[object]:
    key = name.lower().encode()
    return [value.decode("latin-1") for header, value in headers if header.lower() == key]
