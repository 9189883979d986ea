"""HTTP calls that send credentials only to the given host.

Redirects are not followed, because they would send the credentials to another host. No error
contains the headers, the body or the path of a request.
"""

from __future__ import annotations

import http.client
import json
import random
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult

TIMEOUT_SECONDS = 20.0
"""The timeout of each step of a call."""

_MAX_ANSWER = 1_000_000

_ATTEMPTS = 5
_MIN_PAUSE_SECONDS, _MAX_PAUSE_SECONDS = 1.1, 2.0
"""The range of the first pause after a 429 response. Each further pause is twice as long."""

Sleep = Callable[[float], None]
"""Waits for a number of seconds."""


class RegistrationFailed(Exception):
    """A registration failed. The message names the reason and the fix."""


class Unreachable(RegistrationFailed):
    """The server did not send an HTTP response."""


class RateLimited(RegistrationFailed):
    """The server still responds with 429 after all retries."""


@dataclass(frozen=True)
class Answer:
    """The response of a server.

    Attributes:
        status: the HTTP status.
        headers: the headers by lower-case name.
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
    """Send a request with a JSON body and return the response.

    Raises:
        Unreachable: the server did not respond.
        RegistrationFailed: the server responded with a redirect.
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
        text = answer.read(_MAX_ANSWER).decode(errors="replace")
    except (OSError, http.client.HTTPException, ValueError) as error:
        # The error's text may quote the request.
        raise Unreachable(_in_words(error, host, timeout)) from None
    finally:
        connection.close()
    if 300 <= answer.status < 400:
        raise RegistrationFailed(
            f"{host} answered with a redirect, which is not followed with credentials: use the "
            "address it redirects to"
        )
    found = {name.lower(): value for name, value in answer.getheaders()}
    return Answer(answer.status, found, _json(text), text[:200])


def call_patiently(ask: Callable[[], Answer], host: str, sleep: Sleep = time.sleep) -> Answer:
    """Send a request, retry it while the response is 429, and return the first other response.

    OpenReplay's limiter allows a member more requests only after a whole second without one, and a
    rejected request counts too (``backend/pkg/server/limiter/limiter.go`` at v1.21.0 to v1.27.0).
    Each pause is therefore longer than a second. Its length is random, because other clients of the
    same member may also wait.

    Args:
        ask: sends the request.
        host: the server's host, for the error.
        sleep: waits between two attempts.

    Raises:
        RateLimited: every response was 429.
    """
    for attempt in range(_ATTEMPTS):
        answer = ask()
        if answer.status != 429:
            return answer
        if attempt < _ATTEMPTS - 1:
            pause = random.uniform(_MIN_PAUSE_SECONDS, _MAX_PAUSE_SECONDS)  # noqa: S311
            sleep(pause * 2**attempt)
    raise RateLimited(
        f"{host} reports too many requests (429), {_ATTEMPTS} times in a row: try again in a "
        "minute, and check whether another program uses the same member"
    )


def _in_words(error: Exception, host: str, timeout: float) -> str:
    if isinstance(error, (socket.gaierror, UnicodeError)):
        return (
            f"the name {host} does not resolve: check its spelling, and that this machine can "
            "resolve it"
        )
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"{host} has a certificate that this machine does not trust: check its name and CA"
    if isinstance(error, TimeoutError):
        return f"{host} did not answer within {timeout:.0f} seconds: check the network to it"
    return f"{host} did not answer ({type(error).__name__})"


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
