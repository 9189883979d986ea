"""A request as an API Gateway HTTP API sends it.

It uses payload format 2.0 (AWS documentation, "Create AWS Lambda proxy integrations for HTTP APIs
in API Gateway").
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

MAX_BODY_BYTES = 64 * 1024
"""The longest body. A question of OpenReplay has 90 bytes."""


class InvalidRequest(ValueError):
    """The event is not a readable request. The message never quotes it."""


class BodyTooLong(InvalidRequest):
    """The body is longer than :data:`MAX_BODY_BYTES`, as sent or unpacked."""


@dataclass(frozen=True)
class Request:
    """A request.

    Attributes:
        method: in capitals.
        path: its segments, decoded. Empty and blank ones are left out, so that repeated slashes and
            a blank that was pasted behind a URL do no harm.
        headers: by name in small letters.
        source_address: the caller's address.
    """

    method: str
    path: tuple[str, ...]
    headers: Mapping[str, str]
    source_address: str
    _body: str = field(repr=False)
    _body_is_base64: bool = False

    def body(self) -> bytes:
        """Return the body, unpacked.

        Raises:
            BodyTooLong: it is too long.
            InvalidRequest: it is not in the encoding that its headers name.
        """
        if len(self._body) > 2 * MAX_BODY_BYTES:
            raise BodyTooLong("the body is too long")
        body = self._decoded()
        if "gzip" in self.headers.get("content-encoding", "").lower():
            body = _unpacked(body)
        if len(body) > MAX_BODY_BYTES:
            raise BodyTooLong("the body is too long")
        return body

    def _decoded(self) -> bytes:
        if not self._body_is_base64:
            return self._body.encode("utf-8", "replace")
        try:
            return base64.b64decode(self._body, validate=True)
        except (binascii.Error, ValueError):
            raise InvalidRequest("the body is not in base64") from None


def decode_request(event: object) -> Request:
    """Read a request from the event of an HTTP API.

    Raises:
        InvalidRequest: the event is of another kind.
    """
    document = event if isinstance(event, dict) else {}
    context = document.get("requestContext")
    http = context.get("http") if isinstance(context, dict) else None
    if not isinstance(http, dict):
        raise InvalidRequest("the event is no HTTP request of payload format 2.0")
    return Request(
        method=_text(http.get("method")).upper(),
        path=_segments(_text(document.get("rawPath")) or _text(http.get("path"))),
        headers=_headers(document.get("headers")),
        source_address=_text(http.get("sourceIp")),
        _body=_text(document.get("body")),
        _body_is_base64=document.get("isBase64Encoded") is True,
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _segments(path: str) -> tuple[str, ...]:
    decoded = (unquote(segment).strip() for segment in path.split("/"))
    return tuple(segment for segment in decoded if segment)


def _headers(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        return {}
    return {
        name.lower(): text
        for name, text in value.items()
        if isinstance(name, str) and isinstance(text, str)
    }


def _unpacked(body: bytes) -> bytes:
    unpacking = zlib.decompressobj(wbits=31)
    try:
        unpacked = unpacking.decompress(body, MAX_BODY_BYTES + 1)
    except zlib.error:
        raise InvalidRequest("the body is not gzip") from None
    if len(unpacked) <= MAX_BODY_BYTES and not unpacking.eof:
        raise InvalidRequest("the body is not whole gzip")
    return unpacked
