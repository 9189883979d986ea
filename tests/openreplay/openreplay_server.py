"""A stand-in for OpenReplay's API: its routes, status codes and quirks at each version.

POST of an integration answers 422 and saves the row, or 500 where there is one; PATCH and DELETE
answer 200 whatever happens; nothing is validated. Up to v1.20 there are
no such routes.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

EMAIL, PASSWORD = "rotation@shop.example", "correct horse battery"
_NEW = re.compile(r"/integrations/(\d+)/integration/elasticsearch\Z")
_OLD = re.compile(r"/integrations/v1/integrations/elasticsearch/(\d+)\Z")
Reply = tuple[int, Any]


@dataclass
class OpenReplayServer:
    """OpenReplay of a version.

    Attributes:
        version: 20 for v1.20, and so on.
        login: what the login answers instead: ``captcha``, ``sso``, ``redirect``, ``nonsense``.
        other_logins: so many logins are followed at once by another one of the same member.
        rows: what is stored, by route and project.
        asked: method and path of each request, in their order.
        bodies: everything that was sent.
    """

    version: int = 27
    login: str = ""
    other_logins: int = 0
    forgets: bool = False
    redirect_to: str = ""
    url: str = ""
    jwt: str = "jwt-0"
    rows: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    bodies: list[str] = field(default_factory=list)

    def answer(self, method: str, path: str, headers: Any, body: str) -> Reply:
        self.asked.append(f"{method} {path}")
        self.bodies.append(body)
        if path == "/api/login":
            return self._login(json.loads(body))
        kind = self._kind(path)
        if kind is None:
            return 404, {"error": "not found"}
        if headers.get("Authorization") != f"Bearer {self.jwt}":
            return 401, {"error": "unauthorized"}
        return self._elasticsearch(method, path, body)

    def _login(self, body: dict[str, str]) -> Reply:
        if self.login == "captcha":
            return 401, {"errors": ["Invalid captcha."]}
        if self.login == "sso":
            return 401, {"errors": ["must sign-in with SSO"]}
        if self.login == "nonsense":
            return 200, "<html>"
        if self.login == "redirect":
            return 302, {}
        if body != {"email": EMAIL, "password": PASSWORD}:
            return 401, {"errors": ["You've entered invalid Email or Password."]}
        # Each login ends the member's other ones.
        number = int(self.jwt.removeprefix("jwt-")) + 1
        self.jwt = f"jwt-{number + 1 if self.other_logins else number}"
        self.other_logins = max(0, self.other_logins - 1)
        return 200, {"jwt": f"jwt-{number}", "spotJwt": "", "data": {"user": {}}}

    def _kind(self, path: str) -> str | None:
        if _NEW.match(path) and self.version >= 23:
            return "elasticsearch"
        if _OLD.match(path) and self.version in (21, 22):
            return "elasticsearch"
        return None

    def _elasticsearch(self, method: str, path: str, body: str) -> Reply:
        if method == "GET":
            return (200, self.rows[path]) if path in self.rows else (404, None)
        if method == "DELETE":
            self.rows.pop(path, None)
            return 200, None
        options = json.loads(body)["data"]
        if not all(isinstance(value, str) for value in options.values()):
            return 400, None
        if method == "PATCH":
            if path in self.rows and not self.forgets:
                self.rows[path] = options
            return 200, None
        if path in self.rows:
            return 500, {"error": "duplicate key value violates unique constraint"}
        if not self.forgets:
            self.rows[path] = options
        return 422, {"error": "failed to validate credentials"}


@contextmanager
def serving(server: OpenReplayServer) -> Iterator[OpenReplayServer]:
    """The stand-in, while it serves."""

    class Handler(BaseHTTPRequestHandler):
        def handle_one(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length).decode()
            status, answer = server.answer(self.command, self.path, self.headers, body)
            data = answer if isinstance(answer, str) else json.dumps(answer)
            self.send_response(status)
            if status == 302:
                self.send_header("Location", server.redirect_to)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data.encode())

        do_GET = do_POST = do_PATCH = do_DELETE = handle_one  # noqa: N815

        def log_message(self, *args: object) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.url = f"http://127.0.0.1:{listening.server_port}"
    threading.Thread(target=listening.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server
    finally:
        listening.shutdown()
        listening.server_close()
