from __future__ import annotations

import base64
import gzip
from typing import Any

import pytest

from openreplay_cw_stack.runtime.bridge.request import (
    MAX_BODY_BYTES,
    BodyTooLong,
    InvalidRequest,
    decode_request,
)
from tests.runtime.bridge.support import an_event


@pytest.mark.parametrize(
    ("path", "segments"),
    [
        ("/", ()),
        ("", ()),
        ("//", ()),
        ("/%20/", ()),
        ("/logs/_search", ("logs", "_search")),
        ("//logs///_search/", ("logs", "_search")),
        ("/prefix/%20/logs/_search", ("prefix", "logs", "_search")),
        ("/%20/logs/_search", ("logs", "_search")),
        ("/a/../logs/_search", ("a", "..", "logs", "_search")),
        ("/logs%2F_search", ("logs/_search",)),
        ("/%6cogs/%5fsearch", ("logs", "_search")),
        ("/%ff%fe", ("\ufffd\ufffd",)),
    ],
)
def test_paths(path: str, segments: tuple[str, ...]) -> None:
    assert decode_request(an_event(path=path)).path == segments


def test_header_names_have_small_letters() -> None:
    request = decode_request(an_event(headers={"X-Thing": "1"}))
    assert request.headers["x-thing"] == "1"


def test_the_address_and_method() -> None:
    request = decode_request(an_event("head", source="2001:db8::1"))
    assert (request.method, request.source_address) == ("HEAD", "2001:db8::1")


class TestBody:
    def test_plain(self) -> None:
        assert decode_request(an_event(body="{}")).body() == b"{}"
        assert decode_request(an_event()).body() == b""

    def test_base64(self) -> None:
        event = an_event(body=base64.b64encode(b"{}").decode(), isBase64Encoded=True)
        assert decode_request(event).body() == b"{}"

    def test_gzip(self) -> None:
        packed = base64.b64encode(gzip.compress(b"{}")).decode()
        event = an_event(body=packed, isBase64Encoded=True, headers={"content-encoding": "gzip"})
        assert decode_request(event).body() == b"{}"

    @pytest.mark.parametrize(
        ("body", "changes"),
        [
            ("***", {"isBase64Encoded": True}),
            ("é", {"isBase64Encoded": True}),
            ("{}", {"headers": {"content-encoding": "gzip"}}),
            (
                base64.b64encode(gzip.compress(b"{}" * 99, mtime=0)[:-9]).decode(),
                {"isBase64Encoded": True, "headers": {"content-encoding": "gzip"}},
            ),
        ],
    )
    def test_what_is_not_in_its_encoding(self, body: str, changes: dict[str, Any]) -> None:
        with pytest.raises(InvalidRequest):
            decode_request(an_event(body=body, **changes)).body()

    def test_six_megabytes_and_a_bomb_are_too_long(self) -> None:
        bomb = base64.b64encode(gzip.compress(b" " * 50_000_000)).decode()
        packed: dict[str, Any] = {"isBase64Encoded": True, "headers": {"content-encoding": "gzip"}}
        for event in (
            an_event(body=" " * (MAX_BODY_BYTES + 1)),
            an_event(body=" " * 6_000_000),
            an_event(body=bomb, **packed),
        ):
            with pytest.raises(BodyTooLong):
                decode_request(event).body()
        assert len(decode_request(an_event(body=" " * MAX_BODY_BYTES)).body()) == MAX_BODY_BYTES


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        "text",
        {},
        {"requestContext": None},
        {"requestContext": {"http": None}},
        {"requestContext": {"http": []}},
        {"Records": []},
        {"httpMethod": "GET", "path": "/", "requestContext": {}},
    ],
)
def test_other_events_are_refused(event: object) -> None:
    with pytest.raises(InvalidRequest):
        decode_request(event)


def test_ill_typed_fields_are_empty() -> None:
    event = an_event()
    event.update(rawPath=5, headers=["x"], body={"a": 1}, isBase64Encoded="yes")
    event["requestContext"]["http"] = {"method": None, "path": None, "sourceIp": 7}
    request = decode_request(event)
    assert (request.method, request.path, dict(request.headers)) == ("", (), {})
    assert (request.source_address, request.body()) == ("", b"")
