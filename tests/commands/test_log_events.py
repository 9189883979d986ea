from __future__ import annotations

from typing import Any

import pytest

from openreplay_cw_stack.commands.log_events import MOST_PAGES, sample_events, tagged_events
from openreplay_cw_stack.contract.filter_pattern import FILTER_PATTERN
from tests.commands.support import Client


def page(*messages: str) -> dict[str, Any]:
    return {"events": [{"message": message} for message in messages]}


@pytest.mark.parametrize(
    ("pages", "taken", "more"),
    [
        ([], [], False),
        ([page()] * MOST_PAGES, [], False),
        ([page()] * (MOST_PAGES + 1), [], True),
        ([page("a"), page(), page("b")], ["a", "b"], False),
        ([page("a"), page("b", "c")], ["a", "b"], True),
        ([page("a", "b"), page()], ["a", "b"], False),
    ],
)
def test_a_sample(pages: list[Any], taken: list[str], more: bool) -> None:
    """Empty pages do not go on for ever."""
    client = Client({"filter_log_events": pages})
    events, there_is_more = sample_events(client, "/x", 7, 2, tagged=True)
    assert ([one["message"] for one in events], there_is_more) == (taken, more)


def test_what_is_asked_for() -> None:
    client = Client({"filter_log_events": [page("a")]})
    sample_events(client, "/x", 7, 2, tagged=False)
    assert [one["message"] for one in tagged_events(client, "/x", 7)] == ["a"]
    plain = {"logGroupName": "/x", "startTime": 7}
    assert client.asked == [
        ("filter_log_events", plain),
        ("filter_log_events", {**plain, "filterPattern": FILTER_PATTERN}),
    ]
