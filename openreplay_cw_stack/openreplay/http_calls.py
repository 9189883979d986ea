"""HTTP calls with credentials, which go only to the named host.

Redirects are not followed, since they would send the credentials to another host. No error contains
the headers, the body or the path of a request.
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
"""The timeout of each step of a call."""

_LONGEST_ANSWER = 1_000_000


class RegistrationFailed(Exception):
    """A registration failed. The message says why, and what to do."""


class Unreachable(RegistrationFailed):
    """The server did not answer with HTTP."""


@dataclass(frozen=True)
class Answer:
    """The answer of a server.

    Attributes:
        status: the HTTP status.
        headers: the headers by name in small letters.
        body: the parsed JSON of the body; None if it is not JSON.
        text: the first 200 characters of the body.
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
    """Send a request with JSON and return the answer.

    Raises:
        Unreachable: the server did not answer.
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
        # The error's text may quote the request.
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
