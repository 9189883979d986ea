from __future__ import annotations

from openreplay_cw_stack.tagging import token_tag
from openreplay_cw_stack.tagging.poller import PollerReading, read_as_poller
from tests.tagging.tokens import NOW_MS, TOKEN_SECRET, a_token


def test_a_result_does_not_show_the_token() -> None:
    token = a_token()
    polled = read_as_poller(f"{token_tag(token)} error", token_secret=TOKEN_SECRET, now_ms=NOW_MS)
    assert polled.token == token
    assert repr(polled) == f"PollerResult(reading={PollerReading.EVENT!r}, start=24)"


def test_the_kelvin_sign_is_a_k_as_in_go() -> None:
    token = a_token()
    # The filter term is found in the tag in front, whose value is none.
    message = f"openReplaySessionToken=- openReplaySessionTo\N{KELVIN SIGN}en={token} error"
    polled = read_as_poller(message, token_secret=TOKEN_SECRET, now_ms=NOW_MS)
    assert polled.reading is PollerReading.EVENT
    assert polled.token == token
