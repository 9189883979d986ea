from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from openreplay_cw_stack.tagging import propagation
from openreplay_cw_stack.tagging.replay_url import EXAMPLE
from tests.tagging.propagation.visitors import ANNA, BERT

LINK = f"https://openreplay.example/5/session/{ANNA.session_id}"


@pytest.fixture(autouse=True)
def _uninstalled() -> Iterator[None]:
    yield
    propagation.uninstall()


def test_the_link_of_the_current_request() -> None:
    propagation.install(replay_url=EXAMPLE)
    with propagation.use_session(ANNA):
        assert propagation.replay_url() == LINK
    assert propagation.replay_url() is None


def test_the_template_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENREPLAY_REPLAY_URL", EXAMPLE)
    with propagation.use_session(ANNA):
        assert propagation.replay_url() == LINK


@pytest.mark.parametrize("text", ["", "https://openreplay.example/", "\ud800"])
def test_without_a_template_there_is_none_and_nothing_raises(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr("os.environ", {"OPENREPLAY_REPLAY_URL": text})
    with propagation.use_session(ANNA):
        assert propagation.replay_url() is None


def test_a_wrong_template_is_refused_and_changes_nothing() -> None:
    propagation.install(replay_url=EXAMPLE)
    with pytest.raises(ValueError, match="write an https:// address"):
        propagation.install(replay_url="http://openreplay.example/{session}")
    with propagation.use_session(ANNA):
        assert propagation.replay_url() == LINK


def test_each_request_has_its_own() -> None:
    propagation.install(replay_url=EXAMPLE)

    def link(number: int) -> str | None:
        with propagation.use_session(ANNA if number % 2 else BERT):
            return propagation.replay_url()

    with ThreadPoolExecutor(4) as pool:
        links = list(pool.map(link, range(100)))
    assert set(links[1::2]) == {LINK}
    assert set(links[::2]) == {LINK.replace(str(ANNA.session_id), str(BERT.session_id))}
