from __future__ import annotations

import base64
import ipaddress
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.openreplay import check_hits
from openreplay_cw_stack.runtime.bridge.credentials import ApiKey
from tests.runtime.bridge.support import (
    HOUR_MS,
    KEY,
    MINUTE_MS,
    NOW_MS,
    OTHER_SESSION,
    SESSION,
    SETTINGS,
    START_MS,
    Group,
    World,
    a_line,
    a_search,
    an_event,
    authorization,
    body_of,
    session_of,
)


def test_a_sessions_lines_are_answered_in_order() -> None:
    world = World()
    world.group.add(a_line(3), a_line(1), a_line(9, session=OTHER_SESSION), a_line(2))
    document = world.ask()
    check_hits(document["hits"]["hits"])
    assert [hit["_source"]["message"] for hit in document["hits"]["hits"]] == [
        f"/app/checkout: error {number}" for number in (1, 2, 3)
    ]
    assert document["hits"]["total"] == {"value": 3, "relation": "eq"}
    assert document["hits"]["max_score"] == 1.0
    assert document["timed_out"] is False
    assert document["took"] == 0
    assert world.metrics() == {"Questions": 1, "Answers": 1, "Hits": 3, "AnswerTime": 1}


def test_only_the_sessions_window_is_read() -> None:
    world = World()
    world.ask()
    (call,) = world.group.calls
    assert call["start_ms"] == START_MS - 10 * MINUTE_MS
    assert call["end_ms"] == NOW_MS
    world.now_ms = START_MS + 300 * HOUR_MS
    world.ask()
    assert world.group.calls[1]["end_ms"] == START_MS + 48 * HOUR_MS


def test_both_layouts_of_ids_have_their_window() -> None:
    world = World()
    old = 7825692707225415
    world.now_ms = 1_669_410_594_287 + HOUR_MS
    world.ask(old)
    assert world.group.calls[0]["start_ms"] == 1_669_410_594_287 - 10 * MINUTE_MS


def test_a_session_of_the_future_costs_nothing() -> None:
    world = World()
    assert world.messages(session_of(NOW_MS + 11 * MINUTE_MS)) == []
    assert world.group.calls == []
    world.messages(session_of(NOW_MS + 9 * MINUTE_MS))
    assert len(world.group.calls) == 1


@pytest.mark.parametrize("session", [0, 1, 12, 2**63, 2**64 - 1, 2**64, "abc", "", "-5"])
def test_any_id_is_answered(session: int | str) -> None:
    assert World().ask(session)["hits"]["hits"] == []  # type: ignore[arg-type]


class TestSettling:
    def test_a_young_line_holds_the_answer_back(self) -> None:
        world = World()
        world.group.add(a_line(1))
        arrival_ms = world.group.events[0][0]
        world.now_ms = arrival_ms + 3 * MINUTE_MS - 1
        assert world.messages() == []
        assert world.metrics()["UnsettledAnswers"] == 1
        world.now_ms += 1
        assert world.messages() != []

    def test_a_late_arrival_of_an_old_line_does_too(self) -> None:
        world = World()
        world.group.add(a_line(1), a_line(2))
        world.group.add(a_line(3), delay_ms=NOW_MS - a_line(3).time - MINUTE_MS)
        assert world.messages() == []

    def test_settle_can_be_none(self) -> None:
        world = World(settings=replace(SETTINGS, settle_ms=0), now_ms=START_MS + 9 * HOUR_MS)
        world.group.add(a_line(1), delay_ms=world.now_ms - a_line(1).time)
        assert len(world.messages()) == 1


class TestRunningSessions:
    OVER_MS = START_MS + 2 * HOUR_MS + 30_000 + 3 * MINUTE_MS

    def world(self, **changes: Any) -> World:
        world = World(settings=replace(SETTINGS, **changes))
        world.group.add(a_line(1))
        return world

    def test_the_last_hit_says_that_the_view_will_not_grow(self) -> None:
        world = self.world()
        world.now_ms = self.OVER_MS - 1
        messages = world.messages()
        assert len(messages) == 2
        assert messages[1].startswith("openreplay-cw-stack: this view was taken at 2026-11-24T0")
        assert messages[1].endswith("OpenReplay keeps it, and it will not grow.")
        world.now_ms = self.OVER_MS
        assert len(world.messages()) == 1

    def test_or_nothing_is_shown_until_it_is_over(self) -> None:
        world = self.world(hold_until_over=True)
        world.now_ms = self.OVER_MS - 1
        assert world.messages() == []
        assert world.metrics()["UnsettledAnswers"] == 1
        world.now_ms = self.OVER_MS
        assert len(world.messages()) == 1

    def test_the_lifetime_is_configurable(self) -> None:
        world = self.world(session_lifetime_ms=24 * HOUR_MS)
        assert len(world.messages()) == 2


class TestNotNow:
    def test_throttled_is_200_without_hits_and_timed_out(self) -> None:
        world = World(group=Group(failures=["ThrottlingException"]))
        document = world.ask()
        assert (document["timed_out"], document["hits"]["hits"]) == (True, [])
        assert world.metrics()["TimedOutAnswers"] == 1
        assert "ThrottlingException" in world.printed[0]
        assert "Answers" not in world.metrics()

    def test_a_slow_cloudwatch_is_too(self) -> None:
        world = World(group=Group(page_size=1))
        world.group.add(*map(a_line, range(100)))

        def second_passes() -> None:
            world.seconds += 1

        world.group.before_page = second_passes
        document = world.ask()
        assert (document["timed_out"], document["hits"]["hits"]) == (True, [])
        assert document["took"] == 10_000
        assert len(world.group.calls) == 10
        assert world.metrics()["AnswerTime"] == 10_000

    def test_keys_that_cannot_be_read_are_a_429_that_is_not_repeated(self) -> None:
        world = World(keys_failure="ThrottlingException")
        answer = world.handle(a_search())
        assert answer["statusCode"] == 429
        assert body_of(answer)["error"]["type"] == "es_rejected_execution_exception"
        assert world.metrics()["FailedQuestions"] == 1

    def test_a_fault_of_ours_is_one_too_and_named_by_its_class(self) -> None:
        world = World()

        def fault() -> None:
            raise ZeroDivisionError("openReplaySession.id=4118144119896553030")

        world.group.before_page = fault
        answer = world.handle(a_search())
        assert answer["statusCode"] == 429
        assert world.metrics()["FailedQuestions"] == 1
        assert "ZeroDivisionError" in "".join(world.printed)
        assert "4118144119896553030" not in "".join(world.printed)


class TestCredentialTest:
    QUESTION = an_event(body='{"size": 1}')

    def test_it_finds_a_line(self) -> None:
        world = World()
        world.group.add(a_line(1))
        (hit,) = body_of(world.handle(self.QUESTION))["hits"]["hits"]
        assert hit["_source"]["message"] == "/app/checkout: error 1"
        check_hits([hit])

    def test_or_says_that_it_is_connected(self) -> None:
        (hit,) = body_of(World().handle(self.QUESTION))["hits"]["hits"]
        assert hit["_source"]["message"] == ("openreplay-cw-stack: connected; no linked line yet")
        check_hits([hit])

    def test_size_zero_has_no_hit(self) -> None:
        document = body_of(World().handle(an_event(body='{"size": 0}')))
        assert document["hits"]["hits"] == []

    def test_throttled(self) -> None:
        world = World(group=Group(failures=["x"]))
        assert body_of(world.handle(self.QUESTION))["timed_out"] is True


class TestWhoMayAsk:
    @pytest.mark.parametrize("scheme", ["APIKey", "ApiKey", "apikey", "Basic"])
    def test_the_key_in_any_scheme(self, scheme: str) -> None:
        answer = World().handle(a_search(headers={"authorization": authorization(scheme=scheme)}))
        assert answer["statusCode"] == 200

    @pytest.mark.parametrize(
        "header", ["", "Bearer x", "ApiKey ***", authorization(ApiKey("openreplay", "wrong"))]
    )
    @pytest.mark.parametrize(
        ("method", "path"), [("POST", "/logs/_search"), ("GET", "/"), ("PUT", "/x")]
    )
    def test_without_it_401(self, method: str, path: str, header: str) -> None:
        world = World()
        answer = world.handle(an_event(method, path, headers={"authorization": header}))
        assert answer["statusCode"] == 401
        assert body_of(answer)["error"]["type"] == "security_exception"
        assert answer["headers"]["WWW-Authenticate"].startswith("ApiKey, Basic")
        assert world.group.calls == []
        assert world.metrics() == {"RefusedQuestions": 1}

    def test_an_ill_formed_header_costs_no_call(self) -> None:
        world = World()
        world.handle(a_search(headers={"authorization": "ApiKey ***"}))
        assert world.key_reads == 0

    def test_other_addresses_are_refused_before_anything_is_read(self) -> None:
        ranges = tuple(map(ipaddress.ip_network, ("198.51.100.0/24", "2001:db8::/32")))
        world = World(settings=replace(SETTINGS, allowed_source_ranges=ranges))
        for source, status in {
            "198.51.100.7": 200,
            "2001:db8::7": 200,
            "203.0.113.9": 403,
            "2001:db9::7": 403,
            "not an address": 403,
            "": 403,
            "198.51.100.7, 203.0.113.9": 403,
        }.items():
            reads = world.key_reads
            assert world.handle(a_search(source=source))["statusCode"] == status, source
            if status == 403:
                assert world.key_reads == reads

    def test_no_refusal_says_what_was_wrong(self) -> None:
        bodies = {
            World().handle(a_search(headers={"authorization": header}))["body"]
            for header in ("", "x", authorization(ApiKey("wrong", KEY.api_key)))
        }
        assert len(bodies) == 1


class TestRoutes:
    @pytest.mark.parametrize(
        "path",
        [
            "/logs/_search",
            "//logs//_search",
            "/%20/logs/_search",
            "/a/b/logs/_search",
            "/logs/_search/",
        ],
    )
    def test_the_search_under_any_prefix(self, path: str) -> None:
        answer = World().handle(a_search(path=path))
        assert answer["statusCode"] == 200
        assert "hits" in body_of(answer)

    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    def test_hello(self, method: str) -> None:
        answer = World().handle(an_event(method, "/"))
        assert answer["statusCode"] == 200
        if method == "GET":
            assert body_of(answer)["tagline"] == "You Know, for Search"
            assert body_of(answer)["version"]["build_flavor"] == "default"

    @pytest.mark.parametrize(
        ("method", "path", "status", "kind"),
        [
            ("PUT", "/logs/_search", 405, "method_not_allowed_exception"),
            ("DELETE", "/", 405, "method_not_allowed_exception"),
            ("GET", "/other/_search", 404, "resource_not_found_exception"),
            ("POST", "/_search", 404, "resource_not_found_exception"),
            ("POST", "/logs/_searches", 404, "resource_not_found_exception"),
            ("POST", "/logs/_search/..", 404, "resource_not_found_exception"),
            ("POST", "/logs%2F_search", 404, "resource_not_found_exception"),
            ("DELETE", "/logs", 404, "resource_not_found_exception"),
            ("POST", "/_bulk", 404, "resource_not_found_exception"),
        ],
    )
    def test_everything_else(self, method: str, path: str, status: int, kind: str) -> None:
        world = World()
        answer = world.handle(an_event(method, path, body="{}"))
        assert answer["statusCode"] == status
        assert body_of(answer)["error"]["type"] == kind
        assert world.metrics() == {"RefusedQuestions": 1}

    @pytest.mark.parametrize(
        ("body", "status", "kind"),
        [
            ("{", 400, "x_content_parse_exception"),
            ('{"query":{"term":{}}}', 400, "parsing_exception"),
            ('{"size":-1}', 400, "illegal_argument_exception"),
            (" " * 6_000_000, 413, "content_too_long_exception"),
        ],
    )
    def test_bodies_that_are_no_question(self, body: str, status: int, kind: str) -> None:
        answer = World().handle(an_event(body=body))
        assert answer["statusCode"] == status
        assert body_of(answer)["error"]["type"] == kind

    def test_an_event_of_another_kind(self) -> None:
        assert World().handle({"Records": []})["statusCode"] == 400

    def test_a_flood_of_headers(self) -> None:
        flood = {f"x-{number}": "v" * 100 for number in range(2000)}
        assert World().handle(a_search(headers=flood))["statusCode"] == 200


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)
bodies = st.one_of(
    st.text(st.characters(exclude_categories=()), max_size=80),
    st.builds(json.dumps, json_values),
    st.builds(lambda query: json.dumps({"query": query, "size": 5}), json_values),
    st.builds(lambda b: base64.b64encode(b).decode(), st.binary(max_size=60)),
    st.just(a_search()["body"]),
)
paths = st.lists(
    st.sampled_from(["", "logs", "_search", "%20", "..", "%2F", "%ff", "x", "\0"])
    | st.text(max_size=5)
).map("/".join)
requests = st.builds(
    an_event,
    st.sampled_from(["GET", "POST", "HEAD", "PUT", ""]) | st.text(max_size=5),
    st.just("/logs/_search") | paths,
    st.none() | bodies,
    headers=st.dictionaries(
        st.sampled_from(["authorization", "accept", "accept-encoding", "content-encoding"])
        | st.text(max_size=9),
        st.text(max_size=20) | st.sampled_from(["gzip", authorization()]),
        max_size=4,
    ),
    source=st.text(max_size=9) | st.just("203.0.113.9"),
    isBase64Encoded=st.booleans(),
)


@settings(max_examples=600, deadline=None)
@given(requests | json_values, st.sampled_from(list(an_event())), json_values)
def test_whatever_comes_the_answer_is_elasticsearchs_and_no_5xx(
    event: Any, name: str, value: Any
) -> None:
    world = World()
    world.group.add(a_line(1))
    for candidate in (event, {**event, name: value} if isinstance(event, dict) else event):
        answer = world.handle(candidate)
        assert 200 <= answer["statusCode"] < 500
        assert answer["statusCode"] != 429
        assert answer["headers"]["X-Elastic-Product"] == "Elasticsearch"
        if answer["body"]:
            document = body_of(answer)
            assert ("error" in document) == (answer["statusCode"] >= 400)
    assert "FailedQuestions" not in world.metrics()
    everything = "".join(world.printed)
    for secret in (KEY.api_key, str(SESSION), "error 1"):
        assert secret not in everything
