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
from urllib.parse import SplitResult, urlsplit

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


def checked_url(url: str, *, insecure: bool = False) -> SplitResult:
    """A server's address, taken apart.

    Args:
        url: such as ``https://openreplay.example``, with or without a path.
        insecure: allow ``http://``, where everybody on the way can read what is sent.

    Raises:
        ValueError: it is none, is not encrypted, or has credentials in it.
    """
    parts = urlsplit(url.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url.strip()!r} is no address: write https://, host, and nothing else")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError(
            "the address has a user, a password, a query or a fragment in it: leave them out"
        )
    if parts.scheme == "http" and not insecure:
        raise ValueError(
            f"http://{parts.hostname} is not encrypted: credentials are sent there; use https://, "
            "or allow it with insecure"
        )
    try:
        parts.port  # noqa: B018
    except ValueError:
        raise ValueError(f"the port in the address of {parts.hostname} is no number") from None
    return parts


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
