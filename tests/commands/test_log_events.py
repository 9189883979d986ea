from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from openreplay_cw_stack.commands.log_events import MAX_PAGES, sample_events, tagged_events
from openreplay_cw_stack.contract.filter_pattern import FILTER_PATTERN
from openreplay_cw_stack.tagging import token_tag
from tests.commands.support import Client, refusal
from tests.tagging.tokens import a_token

TAGGED = token_tag(a_token())


def page(*messages: str) -> dict[str, Any]:
    return {"events": [{"message": message} for message in messages]}


@pytest.mark.parametrize(
    ("pages", "taken", "more"),
    [
        ([], [], False),
        ([page()] * MAX_PAGES, [], False),
        ([page()] * (MAX_PAGES + 1), [], True),
        ([page("a"), page(), page("b")], ["a", "b"], False),
        ([page("a"), page("b", "c")], ["a", "b"], True),
        ([page("a", "b"), page()], ["a", "b"], False),
    ],
)
def test_a_sample(pages: list[Any], taken: list[str], more: bool) -> None:
    """Empty pages do not go on for ever."""
    client = Client({"filter_log_events": pages})
    events, cut, unfiltered = sample_events(client, "/x", 7, 2)
    assert ([one["message"] for one in events], cut, unfiltered) == (taken, more, False)


def test_what_is_asked_for() -> None:
    client = Client({"filter_log_events": [page("a"), page("b")]})
    assert [one["message"] for one in tagged_events(client, "/x", 7)] == ["a", "b"]
    arguments = {"logGroupName": "/x", "startTime": 7, "filterPattern": FILTER_PATTERN}
    assert client.asked == [("filter_log_events", arguments)]


def refusing(code: str) -> Client:
    """It refuses a pattern, and has three lines, of which one has a tag."""

    def answer(*, filterPattern: str = "", **more: Any) -> Any:  # noqa: N803
        if filterPattern:
            raise refusal("FilterLogEvents", code)
        return [page("error"), page(TAGGED, "openReplaySessionToken is a name")]

    return Client({"filter_log_events": answer})


def test_where_the_pattern_is_refused_lines_are_selected_here() -> None:
    client = refusing("InvalidParameterException")
    events, cut, unfiltered = sample_events(client, "/x", 7, 2)
    assert ([one["message"] for one in events], cut, unfiltered) == ([TAGGED], False, True)
    assert [one["message"] for one in tagged_events(client, "/x", 7)] == [TAGGED]


def test_another_refusal_is_one() -> None:
    with pytest.raises(ClientError):
        sample_events(refusing("AccessDeniedException"), "/x", 7, 2)
