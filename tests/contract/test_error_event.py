from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from openreplay_cw_stack.contract.error_event import MAX_MESSAGE_CHARACTERS, error_event
from openreplay_cw_stack.contract.linked_line import LinkedLine
from openreplay_cw_stack.tagging.replay_url import EXAMPLE

LINE = LinkedLine(7, 1_795_464_000_123, "12", "123456789012", "/shop", "web", "error", "declined")


def detail_of(*lines: LinkedLine, template: str | None = EXAMPLE) -> dict[str, Any]:
    event = error_event(lines, deployment="Shop", replay_url_template=template)
    detail: dict[str, Any] = json.loads(event.detail)
    assert (detail["id"], detail["session"]) == (event.id, str(event.session))
    return detail


def test_the_whole_detail() -> None:
    later = replace(LINE, time=LINE.time + 1, id="13", message="later")
    detail = detail_of(later, LINE)
    assert len(detail.pop("id")) == 32
    assert detail == {
        "version": 1,
        "deployment": "Shop",
        "session": "7",
        "replay_url": "https://openreplay.example/5/session/7",
        "lines": 2,
        "message": "declined",
        "level": "error",
        "time": "2026-11-23T20:00:00.123000+00:00",
        "account": "123456789012",
        "log_group": "/shop",
        "log_stream": "web",
    }


def test_without_a_template_there_is_no_link() -> None:
    assert detail_of(LINE, template=None)["replay_url"] is None


@given(st.permutations([replace(LINE, id=str(number)) for number in range(5)]))
def test_the_same_lines_make_the_same_event(lines: list[LinkedLine]) -> None:
    ordered = sorted(lines, key=lambda line: line.order)
    assert detail_of(*lines) == detail_of(*ordered)


def test_other_lines_make_another_event() -> None:
    others = [replace(LINE, **one) for one in ({"session": 8}, {"id": "1"}, {"group": "/x"})]
    ids = {detail_of(one)["id"] for one in (LINE, *others)}
    assert len(ids) == 4


@given(st.text(max_size=2 * MAX_MESSAGE_CHARACTERS))
def test_a_message_is_cut(message: str) -> None:
    cut = detail_of(replace(LINE, message=message))["message"]
    assert len(cut) <= MAX_MESSAGE_CHARACTERS
    assert message == cut or (message.startswith(cut[:-1]) and cut.endswith("…"))
