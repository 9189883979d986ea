"""A stand-in for OpenReplay's API: its routes, status codes and quirks at each version.

It was compared with the services of v1.21.0, v1.22.0, v1.26.0 and v1.27.0. POST of an integration
answers 422 and saves the row, or 500 where there is one or the project is unknown; PATCH and DELETE
answer 200 whatever happens; no value is tried. Up to v1.20 the frontend answers on these routes.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from emulator.openreplay import NotShown, OpenReplay
from tests.openreplay.limiter import Limiter

EMAIL, PASSWORD = "rotation@shop.example", "correct horse battery"
_NEW = re.compile(r"/integrations/(\d+)/integration/elasticsearch(?:/data/(\d+))?\Z")
_OLD = re.compile(r"/integrations/v1/integrations/elasticsearch/(\d+)(?:/data/(\d+))?\Z")
_POLLERS = re.compile(r"/api/(\d+)/integrations/cloudwatch\Z")
_METHODS = ("GET", "POST", "PATCH", "DELETE")
_MAX_BODY = 131_072
_OTHER_LOGIN_SECONDS = 1
"""A credential is accepted while another login is at most so much newer."""

Reply = tuple[int, Any]
EMPTY = ""


@dataclass
class OpenReplayServer:
    """OpenReplay of a version, with one member.

    Attributes:
        version: 20 for v1.20, and so on.
        login: what the login answers instead: ``captcha``, ``sso``, ``redirect``, ``nonsense``.
        other_logins: so many logins are followed at once by another one of the same member.
        forgets: it stores nothing.
        keeps: it removes nothing.
        redirect_to: see ``login``.
        url: its address.
        projects: the numbers of its projects; None: every number is one.
        rows: what is stored, by route and project.
        asked: method and path of each request, in their order.
        answered: the status of each answer, in their order.
        bodies: everything that was sent.
        skipped: seconds that its clock is ahead; tests move it instead of waiting.
    """

    version: int = 27
    login: str = ""
    other_logins: int = 0
    forgets: bool = False
    keeps: bool = False
    redirect_to: str = ""
    url: str = ""
    projects: frozenset[int] | None = None
    rows: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    answered: list[int] = field(default_factory=list)
    bodies: list[str] = field(default_factory=list)
    skipped: float = 0.0
    limiter: Limiter = field(init=False)
    _logins: int = 0
    _issued: dict[str, int] = field(default_factory=dict)
    _valid_iat: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __post_init__(self) -> None:
        self.limiter = Limiter(self.now)
        self.jwt = self._issue()

    def now(self) -> float:
        return time.time() + self.skipped

    def skip(self, seconds: float) -> None:
        """Let time pass."""
        self.skipped += seconds

    def answer(self, method: str, path: str, headers: Any, body: str) -> Reply:
        with self._lock:
            self.asked.append(f"{method} {path}")
            self.bodies.append(body)
            reply = self._answer(method, path, headers, body)
            self.answered.append(reply[0])
            return reply

    def _answer(self, method: str, path: str, headers: Any, body: str) -> Reply:
        if path == "/api/login":
            return self._login(body)
        known = self._issued.get(str(headers.get("Authorization")).removeprefix("Bearer "))
        valid = known is not None and abs(self._valid_iat - known) <= _OTHER_LOGIN_SECONDS
        poller = _POLLERS.match(path)
        if poller:
            # The Python API.
            exists = self._exists(int(poller[1]))
            return (200 if exists else 404, {"data": {}}) if valid else (403, {"errors": ["jwt"]})
        route = (_NEW if self.version >= 23 else _OLD).match(path)
        if self.version < 21:
            return (200, "<html>") if method == "GET" else (405, "<html>")
        if route is None:
            return 404, "404 page not found"
        if method not in _METHODS:
            return 405, EMPTY
        if not valid:
            return 401, EMPTY
        if not self.limiter.allows():
            return 429, "Too Many Requests"
        if int(route[1]) == 0:
            return 400, {"error": "invalid project id"}
        if route[2] is not None:
            return self._data(path.partition("/data/")[0], int(route[2]))
        return self._elasticsearch(method, path, int(route[1]), body)

    def _login(self, body: str) -> Reply:
        if self.login == "captcha":
            return 401, {"errors": ["Invalid captcha."]}
        if self.login == "sso":
            return 401, {"errors": ["must sign-in with SSO"]}
        if self.login == "nonsense":
            return 200, "<html>"
        if self.login == "redirect":
            return 302, {}
        credentials = json.loads(body)
        if "@" not in credentials["email"]:
            return 422, {"errors": ["value is not a valid email address"]}
        if credentials != {"email": EMAIL, "password": PASSWORD}:
            return 401, {"errors": ["You've entered invalid Email or Password."]}
        jwt = self.jwt = self._issue()
        if self.other_logins:
            self.other_logins -= 1
            self.log_in_elsewhere()
        return 200, {"jwt": jwt, "spotJwt": "", "data": {"user": {}}}

    def log_in_elsewhere(self) -> None:
        """The same member logs in somewhere else, a moment later."""
        self.skip(_OTHER_LOGIN_SECONDS + 1)
        self._issue()

    def _issue(self) -> str:
        jwt = f"jwt-{self._logins}"
        self._logins += 1
        self._issued[jwt] = self._valid_iat = int(self.now())
        return jwt

    def _exists(self, project: int) -> bool:
        return self.projects is None or project in self.projects

    def _elasticsearch(self, method: str, path: str, project: int, body: str) -> Reply:
        if method == "GET":
            return (200, self.rows[path]) if path in self.rows else (404, {"error": "no rows"})
        if method == "DELETE":
            if not self.keeps:
                self.rows.pop(path, None)
            return 200, EMPTY
        if len(body) > _MAX_BODY:
            return 413, {"error": "request body too large"}
        try:
            options = _options_in(body)
        except (ValueError, AttributeError):
            return 400, {"error": "cannot unmarshal"}
        stores = self._exists(project) and not self.forgets
        if method == "PATCH":
            if path in self.rows and stores:
                self.rows[path] = options
            return 200, EMPTY
        if path in self.rows or not self._exists(project):
            return 500, {"error": "violates a constraint"}
        if stores:
            self.rows[path] = options
        return 422, {"error": "failed to validate credentials"}

    def _data(self, path: str, session: int) -> Reply:
        row = self.rows.get(path)
        if row is None:
            return 400, {"error": "no integration"}
        bridge = OpenReplay(row["url"], row["api_key_id"], row["api_key"], row["url"])
        try:
            bridge.ask(session).hits()
        except (NotShown, OSError, ValueError, KeyError):
            return 400, {"error": "failed to fetch"}
        return 200, {"url": f"{self.url}/recordings/{session}/elasticsearch.logs"}


def _options_in(body: str) -> dict[str, str] | None:
    """What Go reads into a map of texts: ``null`` is an empty text in it, and no map at all."""
    options = json.loads(body).get("data")
    if options is None:
        return None
    texts = {name: "" if value is None else value for name, value in options.items()}
    if not all(isinstance(value, str) for value in texts.values()):
        raise ValueError
    return texts


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

        do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = handle_one  # noqa: N815

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
