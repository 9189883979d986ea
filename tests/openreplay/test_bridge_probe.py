from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from openreplay_cw_stack.openreplay import bridge_probe
from openreplay_cw_stack.openreplay.bridge_probe import BridgeForm, probe_bridge
from openreplay_cw_stack.openreplay.http_calls import Answer, RateLimited

FORM = BridgeForm("https://bridge.example/", "openreplay", "the api key")
THROTTLED = Answer(429, {}, {"message": "Too Many Requests"}, "Too Many Requests")
CONNECTED = Answer(
    200, {"x-elastic-product": "Elasticsearch"}, {"hits": {"hits": [{"_id": "connected"}]}}, ""
)


def probed(monkeypatch: pytest.MonkeyPatch, *answers: Answer) -> list[float]:
    """The pauses of a probe of a bridge with these answers; the last one is repeated."""
    given, pauses = list(answers), list[float]()
    monkeypatch.setattr(
        bridge_probe, "send_search", lambda *_: given.pop(0) if len(given) > 1 else given[0]
    )
    probe_bridge(urlsplit(FORM.url), FORM, sleep=pauses.append)
    return pauses


def test_a_throttled_bridge_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    assert probed(monkeypatch, CONNECTED) == []
    assert len(probed(monkeypatch, THROTTLED, THROTTLED, CONNECTED)) == 2


def test_a_bridge_that_stays_throttled(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RateLimited, match=r"bridge\.example reports too many requests \(429\)"):
        probed(monkeypatch, THROTTLED)
