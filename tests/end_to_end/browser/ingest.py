"""A stand-in for OpenReplay's ingest server, as its tracker talks to it.

OpenReplay v1.27.0, ``tracker/tracker/src/main/app/index.ts`` and ``backend/internal/http/server``:
``POST /v1/web/start`` makes a session, ``GET /v1/web/tags`` lists none, ``POST /v1/web/i`` takes
batches of what the visitor did.
"""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from openreplay_cw_stack.tagging import compose_token
from tests.tagging.tokens import session_of

LIFETIME_MS = 7_200_000


class Ingest:
    """The sessions that were started, by the user who started them; and the batches received."""

    def __init__(self, token_secret: bytes) -> None:
        self.url = ""
        self.sessions: dict[str, int] = {}
        self.tokens: dict[str, str] = {}
        self.batches: list[str] = []
        self._secret = token_secret
        self._numbers = itertools.count(1)

    def start(self, user: str) -> dict[str, Any]:
        """Make a session, and answer as OpenReplay does."""
        now_ms = int(time.time() * 1000)
        session_id = session_of(now_ms, next(self._numbers))
        token = compose_token(
            session_id=session_id,
            expires_ms=now_ms + LIFETIME_MS,
            token_secret=self._secret,
            # A browser whose clock is ahead: the delay has a sign.
            delay_ms=-17,
        )
        self.sessions[user], self.tokens[user] = session_id, token
        return {
            "token": token,
            "userUUID": f"uuid-of-{user}",
            "sessionID": str(session_id),
            "delay": -17,
            "startTimestamp": now_ms,
            "beaconSizeLimit": 1_000_000,
            "projectID": "1",
        }


@contextmanager
def serving(token_secret: bytes) -> Iterator[Ingest]:
    """The stand-in, while it serves."""
    ingest = Ingest(token_secret)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(ingest))
    ingest.url = f"http://localhost:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield ingest
    finally:
        server.shutdown()
        server.server_close()


def _handler(ingest: Ingest) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_OPTIONS(self) -> None:
            self._answer(b"")

        def do_GET(self) -> None:
            self._answer(b'{"tags": []}')

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.path.startswith("/v1/web/start"):
                self._answer(json.dumps(ingest.start(json.loads(body)["userID"])).encode())
                return
            ingest.batches.append(self.headers.get("Authorization", ""))
            self._answer(b"")

        def _answer(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Access-Control-Allow-Origin", "*")
            self.send_header("Access-Control-Allow-Methods", "POST,GET,OPTIONS")
            self.send_header(
                "Access-Control-Allow-Headers",
                "Content-Type,Authorization,Content-Encoding,DataType",
            )
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    return Handler
