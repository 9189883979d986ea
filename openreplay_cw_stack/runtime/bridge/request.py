"""Decode a request from an API Gateway HTTP API.

The event has payload format 2.0 (AWS documentation, "Create AWS Lambda proxy integrations for HTTP
APIs in API Gateway").
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
"""The maximum size of a body. A search by OpenReplay has 90 bytes."""


class InvalidRequest(ValueError):
    """The event is not a readable request. The message never quotes it."""


class BodyTooLong(InvalidRequest):
    """The body is larger than :data:`MAX_BODY_BYTES`, compressed or decompressed."""


@dataclass(frozen=True)
class Request:
    """A request.

    Attributes:
        method: the method in upper case.
        path: the decoded segments of the path. Empty and blank segments are removed, so repeated
            slashes and a blank pasted after a URL do no harm.
        headers: the headers by lower-case name.
        source_address: the caller's address.
    """

    method: str
    path: tuple[str, ...]
    headers: Mapping[str, str]
    source_address: str
    _body: str = field(repr=False)
    _body_is_base64: bool = False

    def body(self) -> bytes:
        """Return the decompressed body.

        Raises:
            BodyTooLong: the body is too large.
            InvalidRequest: the body is not in the encoding that the headers name.
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
    """Decode a request from the event of an HTTP API.

    Raises:
        InvalidRequest: the event has another format.
    """
    document = event if isinstance(event, dict) else {}
    context = document.get("requestContext")
    http = context.get("http") if isinstance(context, dict) else None
    if not isinstance(http, dict):
        raise InvalidRequest("the event is not an HTTP request of payload format 2.0")
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
        raise InvalidRequest("the gzip body is truncated")
    return unpacked
