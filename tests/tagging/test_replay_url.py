from __future__ import annotations

import pytest

from openreplay_cw_stack.tagging.replay_url import (
    EXAMPLE,
    checked_replay_url,
    replay_url,
    replay_url_of_project,
)


@pytest.mark.parametrize(
    "template",
    [
        EXAMPLE,
        f" {EXAMPLE}\n",
        "https://openreplay.example:8443/base/12/session/{session}",
        "https://openreplay.example/go?session={session}",
        "https://xn--bcher-kva.example/1/session/{session}#t",
    ],
)
def test_a_template_is_taken_without_blanks_around_it(template: str) -> None:
    assert checked_replay_url(template) == template.strip()


@pytest.mark.parametrize(
    "template",
    [
        "",
        "https://openreplay.example/5/session/",
        "https://openreplay.example/{session}/session/{session}",
        "http://openreplay.example/5/session/{session}",
        "openreplay.example/5/session/{session}",
        "https:///5/session/{session}",
        "https://{session}.example/",
        "https://user:password@openreplay.example/5/session/{session}",
        "https://openreplay.example:99999/5/session/{session}",
        "https://openreplay.example/{project}/session/{session}",
        "https://openreplay.example/5 /session/{session}",
        "https://openreplay.example/5/session/{session}\x00",
        "javascript:alert({session})",
    ],
)
def test_another_is_refused_without_being_quoted(template: str) -> None:
    with pytest.raises(ValueError, match="write an https:// address with") as refused:
        checked_replay_url(template)
    assert "password" not in str(refused.value)


def test_a_link_has_the_session_in_decimal() -> None:
    assert replay_url(EXAMPLE, 2**64 - 1).endswith("/5/session/18446744073709551615")


@pytest.mark.parametrize("address", ["https://openreplay.example", "https://openreplay.example/"])
def test_the_template_of_a_project(address: str) -> None:
    assert replay_url_of_project(address, 5) == EXAMPLE
