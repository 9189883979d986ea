from __future__ import annotations

import json

import pytest

from openreplay_cw_stack.tagging.propagation import (
    current_session,
    outgoing_headers,
    propagation_counts,
    use_headers,
    use_session,
)
from openreplay_cw_stack.tagging.propagation.session import Session
from tests.tagging.propagation.visitors import ANNA, BERT, headers_of


def test_a_job_is_the_visitors_who_caused_it() -> None:
    with use_session(ANNA):
        job = json.dumps({"order": 7, "headers": outgoing_headers()})
    with use_session(BERT), use_headers(json.loads(job)["headers"]):
        assert current_session() == ANNA


def test_a_job_of_nobody() -> None:
    assert outgoing_headers() == {}
    for headers in ({}, None, {"other": 7}):
        with use_session(BERT), use_headers(headers):
            assert current_session() is None
    assert propagation_counts()["ignored_headers"] == 0


def test_an_id_that_nobody_signed_is_not_handed_on() -> None:
    with use_session(Session.of_id("7")):
        assert outgoing_headers() == {}


@pytest.mark.parametrize("change", [str.lower, str.upper])
def test_the_case_of_the_name_does_not_matter(change: object) -> None:
    assert callable(change)
    headers = {change(name): value for name, value in headers_of(ANNA).items()}
    with use_headers(headers) as session:
        assert session == ANNA


def test_what_is_no_token_is_counted() -> None:
    with use_headers({"X-OpenReplay-SessionToken": "nonsense"}):
        assert current_session() is None
    assert propagation_counts()["ignored_headers"] == 1
