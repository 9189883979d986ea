from __future__ import annotations

import http.client
import random
import socket
import ssl
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from openreplay_cw_stack.contract.openreplay_project import checked_url
from openreplay_cw_stack.openreplay.bridge_probe import BridgeForm
from openreplay_cw_stack.openreplay.http_calls import (
    Answer,
    RateLimited,
    RegistrationFailed,
    Unreachable,
    call_patiently,
)
from openreplay_cw_stack.openreplay.integrations import (
    Change,
    Integrations,
    NotOurs,
    integration_host,
    is_of_bridge,
)
from openreplay_cw_stack.openreplay.login import (
    LoginRefused,
    OpenReplayClient,
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
THEIRS = {"url": "https://elastic.shop.example:9200/", "api_key_id": "kibana", "api_key": "theirs"}
SECRETS = (FORM.api_key, NEWER.api_key, PASSWORD, "jwt-", "theirs")
NEW_PATH = "/integrations/7/integration/elasticsearch"
OLD_PATH = "/integrations/v1/integrations/elasticsearch/7"


@pytest.fixture
def server() -> Iterator[OpenReplayServer]:
    with serving(OpenReplayServer()) as server:
        yield server


def logged_in(server: OpenReplayServer) -> OpenReplayClient:
    return log_in(checked_url(server.url, insecure=True), EMAIL, PASSWORD, sleep=server.skip)


def integrations(server: OpenReplayServer) -> Integrations:
    return Integrations(logged_in(server))


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
        openreplay = integrations(server)
        assert openreplay.register(7, FORM) is Change.REGISTERED
        assert server.rows == {path: FORM.as_options()}
        assert openreplay.register(7, FORM) is Change.UNCHANGED
        assert openreplay.register(7, NEWER) is Change.REGISTERED
        assert server.rows == {path: NEWER.as_options()}
        assert openreplay.remove(7, NEWER) is Change.REMOVED
        assert openreplay.remove(7, NEWER) is Change.ABSENT
        assert server.rows == {}

    def test_a_version_without_the_integration(self, server: OpenReplayServer) -> None:
        server.version = 20
        openreplay = integrations(server)
        assert "up to v1.20 cannot show" in refused(openreplay.register, 7, FORM)
        assert openreplay.remove(7, FORM) is Change.ABSENT

    def test_what_was_not_stored_is_noticed(self, server: OpenReplayServer) -> None:
        server.forgets = True
        said = refused(integrations(server).register, 7, FORM)
        assert "has not stored api_key, api_key_id, url for project 7" in said

    def test_an_update_that_was_not_stored_is_noticed(self, server: OpenReplayServer) -> None:
        openreplay = integrations(server)
        openreplay.register(7, FORM)
        server.forgets = True
        assert "has not stored api_key for" in refused(openreplay.register, 7, NEWER)

    def test_a_project_that_does_not_exist(self, server: OpenReplayServer) -> None:
        server.projects = frozenset({1})
        openreplay = integrations(server)
        assert "check the project's number" in refused(openreplay.register, 7, FORM)
        assert openreplay.remove(7, FORM) is Change.ABSENT

    def test_what_was_not_removed_is_noticed(self, server: OpenReplayServer) -> None:
        openreplay = integrations(server)
        openreplay.register(7, FORM)
        server.keeps = True
        assert "has not removed the integration of project 7" in refused(openreplay.remove, 7, FORM)

    def test_a_login_that_another_one_ended(self, server: OpenReplayServer) -> None:
        openreplay = integrations(server)
        server.log_in_elsewhere()
        with pytest.raises(LoginRefused, match="use a separate member"):
            openreplay.register(7, FORM)
        assert server.rows == {}


class TestSomeoneElsesIntegration:
    @pytest.mark.parametrize("version", [21, 27])
    def test_it_is_neither_replaced_nor_removed(
        self, server: OpenReplayServer, version: int
    ) -> None:
        server.version = version
        path = OLD_PATH if version == 21 else NEW_PATH
        server.rows[path] = dict(THEIRS)
        openreplay = integrations(server)
        for act in (openreplay.register, openreplay.remove):
            with pytest.raises(NotOurs):
                act(7, FORM)
            assert "points to elastic.shop.example, which is not" in refused(act, 7, FORM)
            assert server.rows == {path: THEIRS}
        assert {one.split()[0] for one in server.asked[1:]} == {"GET"}

    def test_it_is_with_force(self, server: OpenReplayServer) -> None:
        server.rows[NEW_PATH] = dict(THEIRS)
        openreplay = integrations(server)
        assert openreplay.register(7, FORM, force=True) is Change.REGISTERED
        assert server.rows == {NEW_PATH: FORM.as_options()}
        server.rows[NEW_PATH] = dict(THEIRS)
        assert openreplay.remove(7, FORM, force=True) is Change.REMOVED
        assert server.rows == {}

    @pytest.mark.parametrize(
        ("stored", "ours"),
        [
            (FORM.as_options(), True),
            (NEWER.as_options(), True),
            ({**THEIRS, "url": FORM.url}, True),
            ({**THEIRS, "url": f"  {FORM.url.upper()} "}, True),
            ({**THEIRS, "url": FORM.url.replace(".com/", ".com:443")}, True),
            # The bridge has got a domain of its own.
            ({**FORM.as_options(), "url": "https://search.shop.example/"}, True),
            # No row of anybody's.
            ({}, True),
            ({"url": "", "api_key": "", "indexes": "logs"}, True),
            (THEIRS, False),
            ({"url": "https://elastic.shop.example/"}, False),
            ({**THEIRS, "api_key_id": FORM.api_key_id}, False),
            ({**THEIRS, "api_key": FORM.api_key}, False),
            ({**THEIRS, "url": FORM.url.replace(".com/", ".com:8443/")}, False),
            ({**THEIRS, "url": FORM.url.replace("https://", "https://x.")}, False),
            ({**THEIRS, "url": "https://["}, False),
            ({**THEIRS, "url": f"https://elastic.shop.example/?{FORM.url}"}, False),
            ({"url": None, "api_key": "theirs"}, False),
            ({"url": 7, "api_key": 7}, False),
        ],
    )
    def test_whose_it_is(self, stored: dict[str, object], ours: bool) -> None:
        assert is_of_bridge(stored, FORM) is ours

    def test_without_a_key_no_integration_without_one_is_taken_for_the_bridges(self) -> None:
        without = BridgeForm(FORM.url, "", "")
        assert not is_of_bridge({"url": THEIRS["url"], "api_key_id": "", "api_key": ""}, without)

    @pytest.mark.parametrize(
        ("url", "host"),
        [
            ("https://me:hidden@elastic.example:9200/x", "elastic.example"),
            ("", "no host"),
            ("https://[", "no host"),
            (None, "no host"),
        ],
    )
    def test_its_host_is_named_without_its_password(self, url: object, host: str) -> None:
        assert integration_host({"url": url}) == host


class TestTooManyRequests:
    def test_many_projects_in_turn(self, server: OpenReplayServer) -> None:
        openreplay = integrations(server)
        for project in range(1, 26):
            openreplay.register(project, FORM)
        assert len(server.rows) == 25
        assert 429 in server.answered
        assert server.asked.count("POST /api/login") == 1

    def test_each_pause_is_longer_than_a_second_and_random(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        limited, pauses = Answer(429, {}, None, ""), list[float]()
        for _ in range(50):
            with pytest.raises(RateLimited, match=r"too many requests \(429\), 5 times in a row"):
                call_patiently(lambda: limited, "openreplay.example", pauses.append)
        assert len(pauses) == 200
        assert min(pauses) > 1.05
        assert max(pauses) < 20
        assert len(set(pauses)) > 100
        # The longest run of pauses leaves time for other projects.
        monkeypatch.setattr(random, "uniform", lambda shortest, longest: longest)
        pauses.clear()
        with pytest.raises(RateLimited):
            call_patiently(lambda: limited, "openreplay.example", pauses.append)
        assert sum(pauses) <= 30

    def test_others_who_never_stop(self, server: OpenReplayServer) -> None:
        openreplay = Integrations(
            OpenReplayClient(logged_in(server).server, server.jwt, lambda _: None)
        )
        server.limiter.left = 0
        said = refused(openreplay.register, 7, FORM)
        assert "too many requests (429)" in said
        assert "another program uses the same member" in said


class TestLogin:
    @pytest.mark.parametrize(
        ("login", "said"),
        [
            ("captcha", "captcha"),
            ("sso", "single sign-on"),
            ("nonsense", "check the address"),
            ("redirect", "redirect"),
        ],
    )
    def test_it_says_why_not(self, server: OpenReplayServer, login: str, said: str) -> None:
        server.login = login
        assert said in refused(logged_in, server)

    def test_a_wrong_password(self, server: OpenReplayServer) -> None:
        where = checked_url(server.url, insecure=True)
        assert "rejects this email" in refused(log_in, where, EMAIL, "the api key")

    def test_an_email_that_is_not_an_address(self, server: OpenReplayServer) -> None:
        where = checked_url(server.url, insecure=True)
        assert "as an address: check it" in refused(log_in, where, "rotation", PASSWORD)

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

    @pytest.mark.parametrize(
        ("error", "said"),
        [
            (socket.gaierror(-2, "Name or service not known"), "does not resolve: check its"),
            (UnicodeError("label too long"), "does not resolve: check its"),
            (TimeoutError(), "did not answer within 20 seconds"),
            (
                ssl.SSLCertVerificationError("self-signed"),
                "a certificate that this machine does not trust",
            ),
            (ConnectionResetError(), "did not answer (ConnectionResetError)"),
        ],
    )
    def test_why_there_is_no_answer(
        self, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
    ) -> None:
        def connection(*_: object) -> Any:
            raise error

        monkeypatch.setattr(http.client.HTTPSConnection, "connect", connection)
        where = urlsplit("https://openreplay.example")
        with pytest.raises(Unreachable) as raised:
            log_in(where, EMAIL, PASSWORD)
        assert "openreplay.example" in str(raised.value)
        assert said in str(raised.value)

    def test_a_name_that_does_not_resolve(self) -> None:
        # RFC 6761: no name ends with it.
        with pytest.raises(Unreachable, match=r"the name openreplay\.invalid does not resolve"):
            log_in(urlsplit("https://openreplay.invalid"), EMAIL, PASSWORD)

    def test_openreplays_own_service(self, monkeypatch: pytest.MonkeyPatch) -> None:
        frontend = urlsplit("https://app.openreplay.com")
        assert "use https://api.openreplay.com" in refused(log_in, frontend, EMAIL, PASSWORD)
        asked = []

        def call(server: object, method: str, path: str, **_: object) -> Answer:
            asked.append(f"{method} {path}")
            return Answer(401, {}, {"errors": ["Invalid captcha."]}, "Invalid captcha.")

        monkeypatch.setattr("openreplay_cw_stack.openreplay.login.call", call)
        api = urlsplit("https://api.openreplay.com")
        assert "captcha" in refused(log_in, api, EMAIL, PASSWORD)
        assert asked == ["POST /login"]

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
