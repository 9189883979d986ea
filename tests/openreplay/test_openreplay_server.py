"""The stand-in answers as OpenReplay's services do, which were run to compare it with them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.openreplay.limiter import Limiter
from tests.openreplay.openreplay_server import EMAIL, PASSWORD, OpenReplayServer

DATA = {"url": "https://x/", "api_key_id": "a", "api_key": "b"}
PATH = "/integrations/{}/integration/elasticsearch"


def a_server(**changes: Any) -> OpenReplayServer:
    server = OpenReplayServer(**{"projects": frozenset({7}), **changes})
    # A test is not a member in a hurry.
    server.limiter.left = 1_000_000
    return server


def ask(
    server: OpenReplayServer, method: str, path: str, body: Any = None, *, jwt: str | None = None
) -> tuple[int, Any]:
    text = body if isinstance(body, str) else json.dumps(body)
    bearer = {"Authorization": f"Bearer {server.jwt if jwt is None else jwt}"}
    return server.answer(method, path, bearer, text)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", PATH.format(8), {"data": DATA}, 500),
        ("GET", PATH.format(8), None, 404),
        ("DELETE", PATH.format(8), None, 200),
        ("PATCH", PATH.format(8), {"data": DATA}, 200),
        ("GET", PATH.format(0), None, 400),
        ("POST", PATH.format(0), {"data": DATA}, 400),
        ("POST", PATH.format(7), {"data": {"url": "x" * 200_000}}, 413),
        ("POST", PATH.format(7), "not JSON", 400),
        ("POST", PATH.format(7), "[]", 400),
        ("POST", PATH.format(7), {"data": {"url": 1}}, 400),
        ("POST", PATH.format(7), {"data": DATA}, 422),
        ("GET", PATH.format(7) + "/data/5", None, 400),
        ("PUT", PATH.format(7), {"data": DATA}, 405),
        ("GET", "/integrations/7/integration/other", None, 404),
        ("GET", "/integrations/v1/integrations/elasticsearch/7", None, 404),
        ("GET", "/api/7/integrations/cloudwatch", None, 200),
        ("GET", "/api/8/integrations/cloudwatch", None, 404),
    ],
)
def test_statuses(method: str, path: str, body: Any, status: int) -> None:
    server = a_server()
    assert ask(server, method, path, body)[0] == status
    assert bool(server.rows) == (status == 422)


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_who_is_not_logged_in(method: str) -> None:
    server = a_server()
    assert ask(server, method, PATH.format(7), {"data": DATA}, jwt="bad") == (401, "")
    assert ask(server, "GET", "/api/7/integrations/cloudwatch", jwt="bad")[0] == 403


def test_a_row() -> None:
    server, path = a_server(), PATH.format(7)
    assert ask(server, "POST", path, {"data": DATA})[0] == 422
    assert ask(server, "POST", path, {"data": DATA})[0] == 500
    assert ask(server, "PATCH", path, {"data": {**DATA, "url": None}}) == (200, "")
    assert ask(server, "GET", path) == (200, {**DATA, "url": ""})
    assert ask(server, "PATCH", path, {}) == (200, "")
    assert ask(server, "GET", path) == (200, None)
    assert ask(server, "DELETE", path) == (200, "")
    assert ask(server, "GET", path)[0] == 404


@pytest.mark.parametrize(("method", "status"), [("GET", 200), ("POST", 405), ("DELETE", 405)])
def test_up_to_v1_20_the_frontend_answers(method: str, status: int) -> None:
    for path in (PATH.format(7), "/integrations/v1/integrations/elasticsearch/7"):
        assert ask(a_server(version=20), method, path, {"data": DATA}) == (status, "<html>")


@pytest.mark.parametrize(
    ("email", "password", "status"),
    [(EMAIL, PASSWORD, 200), (EMAIL, "wrong", 401), ("rotation", PASSWORD, 422)],
)
def test_logins(email: str, password: str, status: int) -> None:
    body = {"email": email, "password": password}
    assert ask(a_server(), "POST", "/api/login", body)[0] == status


def test_an_earlier_login_lasts_for_a_second() -> None:
    server = a_server()
    earlier = server.jwt
    for seconds, status in ((1, 404), (1, 401)):
        server.skip(seconds)
        ask(server, "POST", "/api/login", {"email": EMAIL, "password": PASSWORD})
        assert ask(server, "GET", PATH.format(7), jwt=earlier)[0] == status
        assert ask(server, "GET", PATH.format(7))[0] == 404


def test_more_than_thirty_requests_without_a_seconds_pause() -> None:
    server = OpenReplayServer()
    statuses = []
    for _ in range(40):
        server.skip(0.9)
        statuses.append(ask(server, "GET", PATH.format(7))[0])
    assert statuses == 30 * [404] + 10 * [429]
    server.skip(1.1)
    assert [ask(server, "GET", PATH.format(7))[0] for _ in range(11)] == 10 * [404] + [429]
    # Nobody else's requests count, and no login does.
    assert ask(server, "GET", PATH.format(7), jwt="bad")[0] == 401
    assert ask(server, "POST", "/api/login", {"email": EMAIL, "password": PASSWORD})[0] == 200


def test_the_limiter_never_saves_more_than_its_burst() -> None:
    now = 0.0
    limiter = Limiter(lambda: now)
    assert limiter.allows()
    now = 3600.0
    assert sum(limiter.allows() for _ in range(100)) == 30
