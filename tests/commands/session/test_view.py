from __future__ import annotations

import zlib
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openreplay_cw_stack.contract.linked_line import LinkedLine
from openreplay_cw_stack.contract.session_table import pack_items, tombstone
from tests.commands.session.support import RUNNING, World
from tests.runtime.bridge.support import HOUR_MS, NOW_MS, SESSION, a_line

lines = st.builds(
    a_line,
    number=st.integers(0, 2000),
    group=st.sampled_from(["/app/checkout", "/app/pay"]),
    level=st.sampled_from(["error", "info"]),
    message=st.text(max_size=40) | st.just('{"message":"sold","price":3}'),
)
payloads = st.tuples(
    st.lists(lines, min_size=1, max_size=20),
    st.sampled_from([NOW_MS - HOUR_MS, NOW_MS - 1000, NOW_MS - 40 * 86_400_000]),
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    session=st.sampled_from([SESSION, RUNNING]),
    stored=st.lists(payloads, max_size=6),
    show=st.booleans(),
    waits=st.booleans(),
    hold=st.booleans(),
    forgotten=st.booleans(),
)
def test_it_is_what_the_bridge_answers(
    world: World,
    session: int,
    stored: list[tuple[list[LinkedLine], int]],
    show: bool,
    waits: bool,
    hold: bool,
    forgotten: bool,
) -> None:
    changes = {
        "SHOW_LOG_GROUP": str(show).lower(),
        "HOLD_UNTIL_OVER": str(hold).lower(),
    }
    with world.another() as fresh:
        for batch, arrived_ms in stored:
            by_group: dict[str, list[LinkedLine]] = {}
            for line in batch:
                of_session = LinkedLine(**{**vars(line), "session": session})
                by_group.setdefault(line.group, []).append(of_session)
            for group in by_group.values():
                fresh.store(group, arrived_ms=arrived_ms)
        if waits:
            fresh.sqs.send_message(QueueUrl=fresh.queue, MessageBody="x")
        if forgotten and stored:
            fresh.put(tombstone(session, forgotten_ms=NOW_MS, kept_seconds=86_400))
        view = fresh.view(session, **changes)
        assert view.hits == fresh.answer(session, **changes)
        assert view.waiting is waits
        assert (view.state == "answered") == bool(view.hits)
        if view.state == "held back":
            assert view.held == fresh.answer(
                session, **{**changes, "SETTLE_SECONDS": "0", "HOLD_UNTIL_OVER": "false"}
            )


def test_why_an_answer_is_held_back(world: World) -> None:
    world.store([a_line(session=RUNNING)], arrived_ms=NOW_MS - 60_000)
    view = world.view(RUNNING)
    assert (view.state, view.hits) == ("held back", [])
    assert "its newest line arrived at 2026-11-24T" in view.reason
    assert "for 180 seconds" in view.reason
    assert len(view.held) == 2
    view = world.view(RUNNING, HOLD_UNTIL_OVER="true")
    assert view.state == "held back"
    assert "hold_until_over is set" in view.reason


def test_a_forgotten_session(world: World) -> None:
    world.store([a_line()])
    world.put(tombstone(SESSION, forgotten_ms=NOW_MS - 1000, kept_seconds=86_400))
    view = world.view()
    assert (view.state, view.hits, view.held) == ("forgotten", [], [])
    assert view.reason == "`forget` deleted it at 2026-11-24T03:59:59.000Z"


def test_items_that_are_not_shown(world: World) -> None:
    world.store([a_line(1)])
    world.store([a_line(2)], arrived_ms=NOW_MS - 31 * 86_400_000)
    damaged: list[dict[str, Any]] = [
        {"v": {"N": "2"}},
        {"lines": {"B": zlib.compress(b"0" * 3_000_000)}},
    ]
    for number, changes in enumerate(damaged):
        (item,) = pack_items([a_line(10 + number)])
        attributes = item.attributes(arrived_ms=NOW_MS - HOUR_MS, retention_seconds=86_400)
        world.put({**attributes, **changes})
    view = world.view()
    assert len(view.hits) == 1
    assert view.skipped == {"expired": 1, "version": 1, "corrupt": 1}
