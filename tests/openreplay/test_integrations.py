from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from openreplay_cw_stack.contract.openreplay_project import checked_url
from openreplay_cw_stack.openreplay.bridge_probe import BridgeForm
from openreplay_cw_stack.openreplay.http_calls import (
    RegistrationFailed,
    Unreachable,
)
from openreplay_cw_stack.openreplay.integrations import (
    register_bridge,
    unregister_bridge,
)
from openreplay_cw_stack.openreplay.login import (
    LoggedIn,
    LoginRefused,
    log_in,
)
from tests.openreplay.openreplay_server import (
    EMAIL,
    PASSWORD,
    OpenReplayServer,
    serving,
)

FORM = BridgeForm(
    "https://abc123.execute-api.eu-west-1.amazonaws.com/", "openreplay", "the api key"
)
NEWER = BridgeForm(FORM.url, FORM.api_key_id, "another api key")
SECRETS = (FORM.api_key, NEWER.api_key, PASSWORD, "jwt-")
NEW_PATH = "/integrations/7/integration/elasticsearch"
OLD_PATH = "/integrations/v1/integrations/elasticsearch/7"


@pytest.fixture
def server() -> Iterator[OpenReplayServer]:
    with serving(OpenReplayServer()) as server:
        yield server


def logged_in(server: OpenReplayServer) -> LoggedIn:
    return log_in(checked_url(server.url, insecure=True), EMAIL, PASSWORD)


def refused(act: Any, *arguments: Any, **options: Any) -> str:
    """What is said of a failure: without a credential in it, nor in what it comes from."""
    with pytest.raises(RegistrationFailed) as raised:
        act(*arguments, **options)
    text = f"{raised.value!r} {raised.value.__cause__!r}"
    assert not any(secret in text for secret in SECRETS)
    return str(raised.value)


class TestBridge:
    @pytest.mark.parametrize(
        ("version", "path"), [(21, OLD_PATH), (22, OLD_PATH), (23, NEW_PATH), (27, NEW_PATH)]
    )
    def test_it_is_registered_updated_and_removed(
        self, server: OpenReplayServer, version: int, path: str
    ) -> None:
        server.version = version
        openreplay = logged_in(server)
        register_bridge(openreplay, 7, FORM)
        assert server.rows == {path: FORM.as_options()}
        register_bridge(openreplay, 7, NEWER)
        assert server.rows == {path: NEWER.as_options()}
        unregister_bridge(openreplay, 7)
        unregister_bridge(openreplay, 7)
        assert server.rows == {}

    def test_a_version_without_the_integration(self, server: OpenReplayServer) -> None:
        server.version = 20
        openreplay = logged_in(server)
        assert "up to v1.20 cannot show" in refused(register_bridge, openreplay, 7, FORM)
        unregister_bridge(openreplay, 7)

    def test_what_was_not_stored_is_noticed(self, server: OpenReplayServer) -> None:
        server.forgets = True
        said = refused(register_bridge, logged_in(server), 7, FORM)
        assert "has not stored api_key, api_key_id, url" in said

    def test_a_login_that_another_one_ended(self, server: OpenReplayServer) -> None:
        openreplay = logged_in(server)
        logged_in(server)
        with pytest.raises(LoginRefused, match="a member of its own"):
            register_bridge(openreplay, 7, FORM)
        assert server.rows == {}


class TestLogin:
    @pytest.mark.parametrize(
        ("login", "said"),
        [
            ("captcha", "captcha"),
            ("sso", "single sign-on"),
            ("nonsense", "is it OpenReplay"),
            ("redirect", "redirect"),
        ],
    )
    def test_it_says_why_not(self, server: OpenReplayServer, login: str, said: str) -> None:
        server.login = login
        assert said in refused(logged_in, server)

    def test_a_wrong_password(self, server: OpenReplayServer) -> None:
        where = checked_url(server.url, insecure=True)
        assert "does not know this email" in refused(log_in, where, EMAIL, "the api key")

    def test_credentials_do_not_follow_a_redirect(self, server: OpenReplayServer) -> None:
        with serving(OpenReplayServer()) as elsewhere:
            server.login, server.redirect_to = "redirect", f"{elsewhere.url}/api/login"
            refused(logged_in, server)
            assert elsewhere.asked == []

    def test_a_dead_server(self, server: OpenReplayServer) -> None:
        with serving(OpenReplayServer()) as dead:
            where = checked_url(dead.url, insecure=True)
        with pytest.raises(Unreachable, match=r"did not answer \(ConnectionRefusedError\)"):
            log_in(where, EMAIL, PASSWORD)

    def test_nothing_of_it_is_shown(self, server: OpenReplayServer) -> None:
        shown = f"{logged_in(server)!r} {FORM!r}"
        assert not any(secret in shown for secret in SECRETS)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("openreplay.example", "is not an address"),
        ("ftp://openreplay.example", "is not an address"),
        ("https://", "is not an address"),
        ("https://me:secret@openreplay.example", "leave them out"),
        ("https://openreplay.example/?a=b", "leave them out"),
        ("https://openreplay.example:x/", "is not a number"),
        ("http://openreplay.example", "is not encrypted"),
    ],
)
def test_what_is_not_an_address(url: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as raised:
        checked_url(url)
    assert "secret" not in str(raised.value)


def test_a_path_in_front_is_kept() -> None:
    with serving(OpenReplayServer()) as server:
        where = checked_url(f" {server.url}/behind/a/proxy/ ", insecure=True)
        refused(log_in, where, EMAIL, PASSWORD)
        assert server.asked == ["POST /behind/a/proxy/api/login"]
