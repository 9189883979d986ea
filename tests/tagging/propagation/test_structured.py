from __future__ import annotations

from typing import Any

import pytest

from openreplay_cw_stack.tagging.propagation import add_session_tag, use_session
from tests.tagging.propagation.visitors import ANNA


@pytest.mark.parametrize(
    ("event", "tagged"),
    [("paid", f"{ANNA.tag} paid"), (f"{ANNA.tag} paid", f"{ANNA.tag} paid"), (7, f"{ANNA.tag} 7")],
)
def test_the_event_gets_the_tag(event: Any, tagged: str) -> None:
    with use_session(ANNA):
        assert add_session_tag(None, "error", {"event": event, "order": 7}) == {
            "event": tagged,
            "order": 7,
        }


def test_without_a_visitor_it_stays() -> None:
    event = {"event": 7}
    assert add_session_tag(None, "error", event) is event
    assert event == {"event": 7}


def test_an_entry_without_an_event() -> None:
    with use_session(ANNA):
        assert add_session_tag(None, "error", {"order": 7})["event"].startswith(ANNA.tag)
