from __future__ import annotations

from typing import Any

import pytest

from openreplay_cw_stack.tagging.propagation import add_session_tag, use_session
from tests.tagging.propagation.visitors import ANNA, BERT

FIELD = {"openReplaySessionToken": ANNA.token}


def of_anna(**event: Any) -> Any:
    with use_session(ANNA):
        return add_session_tag(None, "error", event)


@pytest.mark.parametrize("event", ["paid", "", 7, None])
def test_the_field_is_added(event: Any) -> None:
    assert of_anna(event=event, order=7) == {"event": event, "order": 7, **FIELD}


def test_tags_of_texts_that_were_formatted_before_are_taken_out() -> None:
    tagged = of_anna(event=f"{ANNA.tag} paid", exception=f"{ANNA.tag} a\n{ANNA.tag} b")
    assert tagged == {"event": "paid", "exception": "a\nb", **FIELD}


def test_without_a_visitor_it_stays() -> None:
    event = {"event": 7}
    assert add_session_tag(None, "error", event) is event
    assert event == {"event": 7}


def test_an_entry_without_an_event() -> None:
    assert of_anna(order=7) == {"order": 7, **FIELD}


@pytest.mark.parametrize(
    "own",
    [
        {"openReplaySession.id": str(ANNA.session_id)},
        {"openReplaySession": {"id": str(ANNA.session_id), "url": "https://shop.example"}},
        {"openReplaySession": "none"},
    ],
)
def test_a_field_of_the_program_that_names_the_same_session_stays(own: dict[str, Any]) -> None:
    assert of_anna(event="paid", **own) == {"event": "paid", **own, **FIELD}


@pytest.mark.parametrize(
    "other",
    [
        {"openReplaySessionToken": BERT.token},
        {"openReplaySessionToken": None},
        {"openReplaySession.id": str(BERT.session_id)},
        {"openReplaySession.id": ANNA.session_id},
        {"openReplaySession": {"id": str(BERT.session_id)}},
        {"openReplaySession.id": object()},
        {"openReplaySession": {"id": {1, 2}}},
    ],
)
def test_what_contradicts_it_does_not(other: dict[str, Any]) -> None:
    assert of_anna(event="paid", **other) == {"event": "paid", **FIELD}
