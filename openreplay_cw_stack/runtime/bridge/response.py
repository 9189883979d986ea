"""Compose responses in Elasticsearch's format, for an API Gateway HTTP API."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# Elasticsearch clients reject a 2xx response without this header (go-elasticsearch v8,
# "product check").
PRODUCT_HEADER = {"X-Elastic-Product": "Elasticsearch"}

_GZIP_FROM_BYTES = 1024
# Lambda encodes a text body as JSON again, which doubles quotes and backslashes. In base64, a body
# of 4 MB always stays below the 6 MB of a response.
_BASE64_FROM_BYTES = 1024 * 1024
# Matches gzip with a weight above zero.
_GZIP_ACCEPTED = re.compile(
    r"\s{0,4}gzip\s{0,4}(?:;\s{0,4}q=(?:0?\.0{0,3}[1-9][0-9]{0,3}|1(?:\.0{0,3})?)\s{0,4})?"
)
_COMPATIBLE = re.compile(
    r"application/vnd\.elasticsearch\+json\s{0,4};\s{0,4}compatible-with\s{0,4}=\s{0,4}([789])\b"
)


@dataclass(frozen=True)
class Response:
    """A response.

    Attributes:
        status: the HTTP status.
        document: the body, which is encoded as JSON.
        headers: headers in addition to content type, encoding and product.
    """

    status: int
    document: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)

    def encode(self, *, method: str, request_headers: Mapping[str, str]) -> dict[str, Any]:
        """Return Lambda's response, in the media type and encoding that the request accepts."""
        body = json.dumps(self.document, ensure_ascii=False, separators=(",", ":"))
        content = body.encode("utf-8", "replace")
        headers = {
            **PRODUCT_HEADER,
            "Content-Type": _media_type(request_headers.get("accept", "")),
            "Cache-Control": "no-store",
            **self.headers,
        }
        if method == "HEAD":
            return {"statusCode": self.status, "headers": headers, "body": ""}
        in_base64 = len(content) >= _BASE64_FROM_BYTES
        if len(content) >= _GZIP_FROM_BYTES and _accepts_gzip(request_headers):
            content, in_base64 = gzip.compress(content, compresslevel=6, mtime=0), True
            headers["Content-Encoding"] = "gzip"
        return {
            "statusCode": self.status,
            "headers": headers,
            "body": base64.b64encode(content).decode() if in_base64 else content.decode(),
            "isBase64Encoded": in_base64,
        }


def error(
    status: int, kind: str, reason: str, headers: Mapping[str, str] | None = None
) -> Response:
    """Return an error in Elasticsearch's format; ``kind`` is one of its exception names."""
    cause = {"type": kind, "reason": reason}
    document = {"error": {"root_cause": [cause], **cause}, "status": status}
    return Response(status, document, headers or {})


def search_result(
    hits: list[dict[str, Any]],
    *,
    total: int,
    took_ms: int,
    timed_out: bool = False,
    all_counted: bool = True,
) -> Response:
    """Return the response to a search; ``total`` is a lower bound unless ``all_counted``."""
    return Response(
        200,
        {
            "took": took_ms,
            "timed_out": timed_out,
            "_shards": {"total": 1, "successful": 1, "skipped": 0, "failed": 0},
            "hits": {
                "total": {"value": total, "relation": "eq" if all_counted else "gte"},
                "max_score": 1.0 if hits else None,
                "hits": hits,
            },
        },
    )


def hello() -> Response:
    """Return an Elasticsearch server's description of itself, for ``GET /``."""
    return Response(
        200,
        {
            "name": "openreplay-cw-stack",
            "cluster_name": "openreplay-cw-stack",
            "cluster_uuid": "openreplay-cw-stack",
            "version": {
                "number": "8.17.0",
                "build_flavor": "default",
                "build_type": "unknown",
                "build_hash": "unknown",
                "build_date": "2024-12-11T00:00:00.000Z",
                "build_snapshot": False,
                "lucene_version": "9.12.0",
                "minimum_wire_compatibility_version": "7.17.0",
                "minimum_index_compatibility_version": "7.0.0",
            },
            "tagline": "You Know, for Search",
        },
    )


def _media_type(accept: str) -> str:
    compatible = _COMPATIBLE.search(accept.lower())
    if compatible:
        return f"application/vnd.elasticsearch+json;compatible-with={compatible.group(1)}"
    return "application/json"


def _accepts_gzip(headers: Mapping[str, str]) -> bool:
    codings = headers.get("accept-encoding", "").lower().split(",")
    return any(_GZIP_ACCEPTED.fullmatch(coding) for coding in codings)
