"""HTTP calls that carry credentials: to the host that was named, and to no other.

No redirect is followed, so that credentials never go where an answer sends them. No error holds a
header, a body or the path of a request.
"""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult

TIMEOUT_SECONDS = 20.0
"""How long each step of a call may take."""

_LONGEST_ANSWER = 1_000_000


class RegistrationFailed(Exception):
    """It did not work; the message says why, and what to do."""


class Unreachable(RegistrationFailed):
    """The server did not answer, or not in HTTP."""


@dataclass(frozen=True)
class Answer:
    """What a server answered.

    Attributes:
        status: the HTTP status.
        headers: by name in small letters.
        body: the JSON in it; None where there is none.
        text: the first 200 characters of it.
    """

    status: int
    headers: Mapping[str, str]
    body: Any
    text: str


def call(
    server: SplitResult,
    method: str,
    path: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: object = None,
    timeout: float = TIMEOUT_SECONDS,
) -> Answer:
    """Ask a server, with JSON.

    Raises:
        Unreachable: there was no answer.
        RegistrationFailed: it answered with a redirect.
    """
    host = str(server.hostname)
    connection = _connection(server, timeout)
    try:
        connection.request(
            method,
            server.path.rstrip("/") + path,
            None if body is None else json.dumps(body).encode(),
            {"Content-Type": "application/json", **(headers or {})},
        )
        answer = connection.getresponse()
        text = answer.read(_LONGEST_ANSWER).decode(errors="replace")
    except (OSError, http.client.HTTPException, ValueError) as error:
        # The error's text may quote what was sent.
        raise Unreachable(f"{host} did not answer ({type(error).__name__})") from None
    finally:
        connection.close()
    if 300 <= answer.status < 400:
        raise RegistrationFailed(
            f"{host} answered with a redirect, which is not followed with credentials: use the "
            "address that it leads to"
        )
    found = {name.lower(): value for name, value in answer.getheaders()}
    return Answer(answer.status, found, _json(text), text[:200])


def _connection(server: SplitResult, timeout: float) -> http.client.HTTPConnection:
    host = str(server.hostname)
    if server.scheme == "http":
        return http.client.HTTPConnection(host, server.port, timeout=timeout)
    context = ssl.create_default_context()
    return http.client.HTTPSConnection(host, server.port, timeout=timeout, context=context)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
