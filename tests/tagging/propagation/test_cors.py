from __future__ import annotations

from openreplay_cw_stack.tagging.propagation import (
    CORS_ALLOW_HEADERS,
    HEADER_NAME,
    cors_allow_headers,
)


def test_each_header_once() -> None:
    assert CORS_ALLOW_HEADERS == (HEADER_NAME,)
    assert cors_allow_headers() == [HEADER_NAME]
    assert cors_allow_headers("Accept", "x-openreplay-sessiontoken", "accept") == [
        "Accept",
        "x-openreplay-sessiontoken",
    ]
    assert cors_allow_headers(header_name="X-Visit") == ["X-Visit"]
