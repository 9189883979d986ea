from __future__ import annotations

import pytest

from openreplay_cw_stack.runtime.bridge.response import Response, error, hello, search_result
from tests.runtime.bridge.support import body_of

LONG = Response(200, {"text": "z" * 5000})


def encoded(response: Response, method: str = "POST", **headers: str) -> dict[str, object]:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return response.encode(method=method, request_headers=names)


def headers_of(answer: dict[str, object]) -> dict[str, str]:
    headers = answer["headers"]
    assert isinstance(headers, dict)
    return headers


@pytest.mark.parametrize(
    "response", [hello(), search_result([], total=0, took_ms=1), error(404, "x", "y")]
)
def test_every_answer_carries_the_product_header(response: Response) -> None:
    for method in ("GET", "HEAD", "POST"):
        headers = headers_of(encoded(response, method))
        assert headers["X-Elastic-Product"] == "Elasticsearch"
        assert headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("", "application/json"),
        ("application/json", "application/json"),
        ("*/*", "application/json"),
        (
            "application/vnd.elasticsearch+json; compatible-with=8",
            "application/vnd.elasticsearch+json;compatible-with=8",
        ),
        (
            "application/vnd.elasticsearch+json;compatible-with=9",
            "application/vnd.elasticsearch+json;compatible-with=9",
        ),
        ("application/vnd.elasticsearch+json; compatible-with=12", "application/json"),
        ("application/vnd.elasticsearch+x-ndjson; compatible-with=8", "application/json"),
        ("application/vnd.elasticsearch+json;" + " " * 100_000, "application/json"),
    ],
)
def test_media_types_are_answered_in_kind(accept: str, media_type: str) -> None:
    assert headers_of(encoded(hello(), accept=accept))["Content-Type"] == media_type


@pytest.mark.parametrize(
    ("accept_encoding", "packed"),
    [
        ("gzip", True),
        ("GZIP", True),
        ("deflate, gzip;q=0.5, br", True),
        ("gzip;q=1.0", True),
        ("gzip;q=0.001", True),
        ("gzip;q=0", False),
        ("gzip;q=0.0", False),
        ("gzip;q=0.000", False),
        ("br", False),
        ("", False),
    ],
)
def test_gzip_where_it_is_accepted(accept_encoding: str, packed: bool) -> None:
    answer = encoded(LONG, accept_encoding=accept_encoding)
    assert (headers_of(answer).get("Content-Encoding") == "gzip") is packed
    assert answer["isBase64Encoded"] is packed
    assert body_of(answer) == LONG.document


@pytest.mark.parametrize(("all_counted", "relation"), [(True, "eq"), (False, "gte")])
def test_a_total_says_whether_it_is_exact(all_counted: bool, relation: str) -> None:
    document = search_result([], total=7, took_ms=1, all_counted=all_counted).document
    assert document["hits"]["total"] == {"value": 7, "relation": relation}


def test_short_answers_are_not_packed() -> None:
    assert "Content-Encoding" not in headers_of(
        encoded(error(404, "x", "y"), accept_encoding="gzip")
    )


def test_head_has_no_body() -> None:
    assert encoded(hello(), "HEAD")["body"] == ""


def test_a_long_answer_stays_below_lambdas_six_megabytes() -> None:
    # Quotes double when Lambda writes a text body into JSON once more.
    worst = Response(200, {"text": '"' * 2_000_000})
    answer = encoded(worst)
    body = answer["body"]
    assert isinstance(body, str)
    assert answer["isBase64Encoded"] is True
    assert len(body) < 6 * 1024 * 1024
    assert body_of(answer) == worst.document


def test_errors_have_elasticsearchs_form() -> None:
    assert body_of(encoded(error(401, "security_exception", "no"))) == {
        "error": {
            "root_cause": [{"type": "security_exception", "reason": "no"}],
            "type": "security_exception",
            "reason": "no",
        },
        "status": 401,
    }


def test_text_that_utf8_cannot_carry_is_replaced() -> None:
    assert body_of(encoded(Response(200, {"text": "a\ud800b"})))["text"] == "a?b"
