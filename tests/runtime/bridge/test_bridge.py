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
from openreplay_cw_stack.contract.linked_line import LinkedLine
from openreplay_cw_stack.runtime.aws_calls import CallFailed
from openreplay_cw_stack.runtime.bridge.credentials import ApiKey, KeyVersion
from openreplay_cw_stack.runtime.bridge.hits import OURS, timestamp
from openreplay_cw_stack.runtime.bridge.waiting_lines import WaitingLines
from tests.runtime.bridge.support import (
    HOUR_MS,
    KEY,
    MINUTE_MS,
    NOW_MS,
    OTHER_SESSION,
    SESSION,
    SETTINGS,
    START_MS,
    MemoryTable,
    World,
    a_line,
    a_search,
    an_event,
    authorization,
    body_of,
)
from tests.tagging.tokens import session_of


def test_a_sessions_lines_are_answered_in_order() -> None:
    world = World()
    world.table.put(a_line(3), a_line(1), a_line(2), a_line(9, session=OTHER_SESSION))
    document = world.ask()
    check_hits(document["hits"]["hits"])
    assert [hit["_source"]["message"] for hit in document["hits"]["hits"]] == [
        f"/app/checkout: error {number}" for number in (1, 2, 3)
    ]
    assert document["hits"]["total"] == {"value": 3, "relation": "eq"}
    assert document["hits"]["max_score"] == 1.0
    assert document["timed_out"] is False
    assert document["took"] == 0
    assert world.metrics() == {"Searches": 1, "AnsweredSearches": 1, "Hits": 3, "SearchTime": 1}


def test_a_session_without_lines_has_no_hits() -> None:
    world = World()
    world.table.put(a_line(1, session=OTHER_SESSION))
    document = world.ask()
    assert document["hits"] == {
        "total": {"value": 0, "relation": "eq"},
        "max_score": None,
        "hits": [],
    }
    assert document["timed_out"] is False
    assert world.metrics() == {"Searches": 1, "EmptySearches": 1, "SearchTime": 1}


@pytest.mark.parametrize("session", [0, 1, 12, 2**63, 2**64 - 1, 2**64, "abc", "", "-5"])
@pytest.mark.parametrize("hold_until_over", [False, True])
def test_any_id_is_answered(session: int | str, hold_until_over: bool) -> None:
    world = World(settings=replace(SETTINGS, hold_until_over=hold_until_over))
    assert world.ask(session)["hits"]["hits"] == []


def test_what_can_be_no_session_costs_nothing() -> None:
    world = World()
    assert world.messages("18446744073709551616") == []
    assert world.table.pages == 0


def test_a_long_session_is_answered_with_its_first_lines() -> None:
    world = World(table=MemoryTable(page_items=3))
    for number in range(3000):
        world.table.put(a_line(number))
    document = world.ask()
    hits = document["hits"]["hits"]
    check_hits(hits)
    assert len(hits) == 1000
    assert [hit["_source"]["message"] for hit in hits[:999]] == [
        f"/app/checkout: error {number}" for number in range(999)
    ]
    assert hits[999]["_source"]["message"].startswith("openreplay-cw-stack: At least 1 more line ")
    assert document["hits"]["total"] == {"value": 1000, "relation": "gte"}
    assert world.table.pages < 400


def test_a_search_for_no_hits_says_how_many_there_are() -> None:
    world = World()
    world.table.put(a_line(1), a_line(2))
    document = world.ask(size=0)
    assert document["hits"]["hits"] == []
    assert document["hits"]["total"]["value"] == 2
    assert world.metrics() == {"Searches": 1, "AnsweredSearches": 1, "SearchTime": 1}


def test_a_forgotten_session_is_empty() -> None:
    world = World()
    world.table.put(a_line(1), a_line(2))
    world.table.forget()
    assert world.messages() == []
    assert world.metrics() == {"Searches": 1, "EmptySearches": 1, "SearchTime": 1}
    world.table.put(a_line(3), arrived_ms=NOW_MS)
    assert world.messages() == []


def test_items_that_are_not_shown_are_counted_by_reason() -> None:
    world = World()
    world.table.put(a_line(1))
    world.table.put(a_line(2), retention_seconds=60)
    for number in (3, 4):
        (key,) = world.table.put(a_line(number))
        world.table.damage(SESSION, key, v={"N": "2"})
    (key,) = world.table.put(a_line(5))
    world.table.damage(SESSION, key, lines={"B": b"damaged"})
    assert world.messages() == ["/app/checkout: error 1"]
    assert world.metrics() == {
        "Searches": 1,
        "AnsweredSearches": 1,
        "Hits": 1,
        "SearchTime": 1,
        "SkippedItems Reason=expired": 1,
        "SkippedItems Reason=version": 2,
        "SkippedItems Reason=corrupt": 1,
    }


OVER_MS = START_MS + 2 * HOUR_MS + 30_000 + 3 * MINUTE_MS
"""When a session is over, and so long ago that the last of its lines has arrived."""


class TestSettling:
    def test_a_young_line_holds_the_answer_back(self) -> None:
        world = World()
        arrived_ms = START_MS + HOUR_MS
        world.table.put(a_line(1), arrived_ms=arrived_ms)
        world.now_ms = arrived_ms + 3 * MINUTE_MS - 1
        assert world.messages() == []
        assert world.metrics() == {"Searches": 1, "UnsettledSearches": 1, "SearchTime": 1}
        world.now_ms += 1
        assert world.messages() != []

    def test_a_late_arrival_of_an_old_line_does_too(self) -> None:
        world = World(now_ms=OVER_MS - 1)
        world.table.put(a_line(3))
        world.table.put(a_line(1), arrived_ms=OVER_MS - MINUTE_MS)
        assert world.messages() == []

    def test_so_does_the_last_line_of_a_long_session(self) -> None:
        world = World(now_ms=OVER_MS - 1)
        for number in range(1100):
            world.table.put(a_line(number))
        world.table.put(a_line(1100), arrived_ms=OVER_MS - MINUTE_MS)
        assert world.messages() == []
        assert world.table.newest_limits == [5]

    @pytest.mark.parametrize("arrived_ms", [OVER_MS, OVER_MS - 1, OVER_MS + HOUR_MS])
    def test_not_once_the_session_is_over_whatever_arrives(self, arrived_ms: int) -> None:
        world = World(now_ms=OVER_MS)
        world.table.put(a_line(1), arrived_ms=arrived_ms)
        assert world.messages() == ["/app/checkout: error 1"]

    def test_a_view_after_that_is_answered_at_once_with_later_arrivals(self) -> None:
        world = World(now_ms=OVER_MS + HOUR_MS)
        for number in range(1, 4):
            world.table.put(a_line(number), arrived_ms=world.now_ms)
            assert len(world.messages()) == number

    def test_settle_can_be_none(self) -> None:
        world = World(settings=replace(SETTINGS, settle_ms=0), now_ms=START_MS + HOUR_MS)
        world.table.put(a_line(1), arrived_ms=world.now_ms)
        assert len(world.messages()) == 2

    @pytest.mark.parametrize("old", [True, False])
    def test_both_layouts_of_ids_say_when_a_session_began(self, old: bool) -> None:
        session = 7825692707225415 if old else session_of(1_669_410_594_287)
        over_ms = 1_669_410_594_287 + OVER_MS - START_MS
        world = World(settings=replace(SETTINGS, hold_until_over=True), now_ms=over_ms - 300)
        world.table.put(a_line(1, session=session), arrived_ms=over_ms - HOUR_MS)
        assert world.messages(session) == []
        world.now_ms = over_ms
        assert len(world.messages(session)) == 1


class TestRunningSessions:
    def world(self, **changes: Any) -> World:
        world = World(settings=replace(SETTINGS, **changes))
        world.table.put(a_line(1))
        return world

    def test_the_last_hit_says_that_the_view_will_not_grow(self) -> None:
        world = self.world()
        world.now_ms = OVER_MS - 1
        document = world.ask()
        check_hits(document["hits"]["hits"])
        _, remark = (hit["_source"] for hit in document["hits"]["hits"])
        assert remark["message"] == (
            f"openreplay-cw-stack: This view was taken at {timestamp(OVER_MS - 1)}, while the "
            "session may still have been running. OpenReplay keeps it, and it will not grow."
        )
        assert document["hits"]["total"]["value"] == 1
        world.now_ms = OVER_MS
        assert len(world.messages()) == 1

    def test_or_nothing_is_shown_until_it_is_over_and_nothing_is_read(self) -> None:
        world = self.world(hold_until_over=True)
        world.now_ms = OVER_MS - 1
        assert world.messages() == []
        assert world.table.pages == 0
        assert world.metrics() == {"Searches": 1, "UnsettledSearches": 1, "SearchTime": 1}
        world.now_ms = OVER_MS
        assert len(world.messages()) == 1

    def test_the_lifetime_is_configurable(self) -> None:
        world = self.world(session_lifetime_ms=24 * HOUR_MS)
        assert len(world.messages()) == 2


class TestWaitingLines:
    REMARK = (
        "openreplay-cw-stack: Some log lines of this deployment were still waiting to be stored "
        "when this view was taken. If they are of this session, they are missing here."
    )

    def test_the_last_hit_says_that_lines_wait(self) -> None:
        world = World(waiting=lambda: True)
        world.table.put(a_line(1))
        assert world.messages() == ["/app/checkout: error 1", self.REMARK]

    def test_both_remarks_are_one_hit(self) -> None:
        world = World(waiting=lambda: True, now_ms=OVER_MS - 1)
        world.table.put(a_line(1))
        messages = world.messages()
        assert len(messages) == 2
        assert "it will not grow. Some log lines" in messages[1]

    def test_it_is_looked_up_for_answers_alone_and_twice_a_minute_at_most(self) -> None:
        looks: list[float] = []
        world = World()

        def look() -> bool:
            looks.append(world.seconds)
            return True

        world.waiting = WaitingLines(look, lambda: world.seconds)
        world.messages()
        world.handle(an_event(body='{"size": 1}'))
        assert looks == []
        world.table.put(a_line(1))
        for _ in range(60):
            assert len(world.messages()) == 2
            world.seconds += 1
        assert len(looks) == 2

    def test_a_look_up_that_fails_says_no(self) -> None:
        def look() -> bool:
            raise CallFailed("AccessDenied")

        world = World(waiting=WaitingLines(look, lambda: 0.0))
        world.table.put(a_line(1))
        assert len(world.messages()) == 1
        assert world.metrics()["AnsweredSearches"] == 1


class TestNotNow:
    def test_throttled_is_200_without_hits_and_timed_out(self) -> None:
        world = World(table=MemoryTable(failures=["ThrottlingException"]))
        world.table.put(a_line(1))
        document = world.ask()
        assert (document["timed_out"], document["hits"]["hits"]) == (True, [])
        assert "ThrottlingException" in world.printed[0]
        assert world.metrics() == {"Searches": 1, "TimedOutSearches": 1, "SearchTime": 1}
        assert len(world.messages()) == 1

    def test_so_is_a_failure_after_the_first_pages(self) -> None:
        world = World(table=MemoryTable(page_items=1))
        for number in range(3):
            world.table.put(a_line(number))

        def third_page_fails() -> None:
            if world.table.pages == 2:
                world.table.failures = ["InternalServerError"]

        world.table.before_page = third_page_fails
        assert world.ask()["timed_out"] is True
        assert world.metrics()["TimedOutSearches"] == 1

    def test_a_slow_table_is_too(self) -> None:
        world = World(table=MemoryTable(page_items=1))
        for number in range(100):
            world.table.put(a_line(number))

        def second_passes() -> None:
            world.seconds += 1

        world.table.before_page = second_passes
        document = world.ask()
        assert (document["timed_out"], document["hits"]["hits"]) == (True, [])
        assert document["took"] == 10_000
        assert world.table.pages == 10
        assert world.metrics()["SearchTime"] == 10_000

    def test_keys_that_cannot_be_read_are_too(self) -> None:
        world = World(keys_failure="ThrottlingException")
        world.table.put(a_line(1))
        document = world.ask()
        assert (document["timed_out"], document["hits"]["hits"]) == (True, [])
        assert world.table.pages == 0
        assert world.metrics() == {"FailedSearches": 1, "SearchTime": 1}
        assert "ThrottlingException" in world.printed[0]

    def test_a_fault_of_ours_is_one_too_and_named_by_its_class(self) -> None:
        world = World()

        def fault() -> None:
            raise ZeroDivisionError(f"openReplaySession.id={SESSION}")

        world.table.before_page = fault
        document = world.ask()
        assert (document["timed_out"], document["hits"]["hits"]) == (True, [])
        assert world.metrics() == {"FailedSearches": 1, "SearchTime": 1}
        assert "ZeroDivisionError" in "".join(world.printed)
        assert str(SESSION) not in "".join(world.printed)

    @pytest.mark.parametrize("event", [a_search(), an_event("GET", "/"), an_event("PUT", "/x")])
    def test_nobody_is_let_in_while_the_keys_cannot_be_read(self, event: dict[str, Any]) -> None:
        answer = World(keys_failure="AccessDenied").handle(event)
        assert answer["statusCode"] == 200
        assert body_of(answer)["timed_out"] is True
        assert "tagline" not in body_of(answer)


class TestCredentialTest:
    SEARCH = an_event(body='{"size": 1}')

    def test_it_is_connected_and_nothing_is_read(self) -> None:
        world = World(table=MemoryTable(failures=["x"]), waiting=lambda: True)
        document = body_of(world.handle(self.SEARCH))
        (hit,) = document["hits"]["hits"]
        check_hits([hit])
        assert hit["_source"]["message"] == "openreplay-cw-stack: connected"
        assert hit["_source"]["@timestamp"] == timestamp(NOW_MS)
        assert document["hits"]["total"]["value"] == 1
        assert (world.table.pages, world.table.newest_limits) == (0, [])
        assert world.metrics() == {"Searches": 1, "AnsweredSearches": 1, "Hits": 1, "SearchTime": 1}

    @pytest.mark.parametrize("body", ["", "{}", '{"query": {"match_all": {}}}', None])
    def test_so_is_any_search_for_anything(self, body: str | None) -> None:
        document = body_of(World().handle(an_event(body=body)))
        assert len(document["hits"]["hits"]) == 1

    def test_size_zero_has_no_hit(self) -> None:
        document = body_of(World().handle(an_event(body='{"size": 0}')))
        assert document["hits"]["hits"] == []


class TestKeyUses:
    NEW = KeyVersion("version-2", ApiKey("openreplay", "a-newer-key"))
    OLD = KeyVersion("version-1", KEY)

    def test_a_use_is_counted_where_several_keys_are_accepted(self) -> None:
        world = World(keys=[self.NEW, self.OLD])
        world.ask()
        assert world.metrics()["KeyUses KeyVersion=version-1"] == 1

    def test_not_where_there_is_one(self) -> None:
        world = World()
        world.ask()
        assert not any(name.startswith("KeyUses") for name in world.metrics())

    def test_nor_for_a_test_of_the_credentials(self) -> None:
        world = World(keys=[self.NEW, self.OLD])
        world.handle(an_event(body='{"size": 1}'))
        assert not any(name.startswith("KeyUses") for name in world.metrics())


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
        assert world.table.pages == 0
        assert world.metrics() == {"RefusedSearches Reason=key": 1}

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
        assert world.metrics()["RefusedSearches Reason=address"] == 1

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
        assert world.metrics() == {"RefusedSearches Reason=path": 1}

    @pytest.mark.parametrize(
        ("body", "status", "kind"),
        [
            ("{", 400, "x_content_parse_exception"),
            ('{"query":{"term":{}}}', 400, "parsing_exception"),
            ('{"size":-1}', 400, "illegal_argument_exception"),
            (" " * 6_000_000, 413, "content_too_long_exception"),
        ],
    )
    def test_bodies_that_are_not_a_search(self, body: str, status: int, kind: str) -> None:
        world = World()
        answer = world.handle(an_event(body=body))
        assert answer["statusCode"] == status
        assert body_of(answer)["error"]["type"] == kind
        assert world.metrics() == {"RefusedSearches Reason=search": 1}

    def test_an_event_of_another_kind(self) -> None:
        world = World()
        assert world.handle({"Records": []})["statusCode"] == 400
        assert world.metrics() == {"RefusedSearches Reason=request": 1}

    def test_a_body_that_is_not_in_its_encoding(self) -> None:
        world = World()
        assert world.handle(a_search(isBase64Encoded=True))["statusCode"] == 400
        assert world.metrics() == {"RefusedSearches Reason=request": 1}

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
    world.table.put(a_line(1))
    for candidate in (event, {**event, name: value} if isinstance(event, dict) else event):
        answer = world.handle(candidate)
        assert 200 <= answer["statusCode"] < 500
        assert answer["statusCode"] != 429
        assert answer["headers"]["X-Elastic-Product"] == "Elasticsearch"
        if answer["body"]:
            document = body_of(answer)
            assert ("error" in document) == (answer["statusCode"] >= 400)
    assert "FailedSearches" not in world.metrics()
    everything = "".join(world.printed)
    for secret in (KEY.api_key, str(SESSION), "error 1", "/app/checkout"):
        assert secret not in everything


SESSIONS = [SESSION, OTHER_SESSION, SESSION // 10, SESSION % 10]
shared_lines = st.lists(
    st.builds(
        a_line,
        st.integers(0, 30),
        session=st.sampled_from(SESSIONS),
        group=st.sampled_from(["/a", "/b"]),
        stream=st.sampled_from(["x", "y"]),
    ),
    max_size=40,
)


@settings(max_examples=150, deadline=None)
@given(st.lists(shared_lines, max_size=4), st.integers(1, 4), st.integers(0, 12))
def test_each_line_of_a_session_is_shown_once_and_none_of_another(
    payloads: list[list[LinkedLine]], page_items: int, size: int
) -> None:
    world = World(table=MemoryTable(page_items=page_items))
    stored: list[LinkedLine] = []
    for payload in payloads:
        # An event has one session and one stream, and is once in a payload.
        unique = {line.identity: replace(line, message=str(line.session)) for line in payload}
        world.table.put(*unique.values())
        stored += unique.values()
    for session in SESSIONS:
        hits = world.ask(session, size=size)["hits"]["hits"]
        check_hits(hits)
        assert len(hits) <= size
        shown = [hit for hit in hits if hit["_source"]["log_group"] != OURS]
        assert all(hit["_source"]["message"].endswith(f": {session}") for hit in shown)
        of_session = {line.identity for line in stored if line.session == session}
        assert len(shown) == len(of_session) or len(hits) == size
