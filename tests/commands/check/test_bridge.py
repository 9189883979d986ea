from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from openreplay_cw_stack.commands.check.bridge import check_bridge
from openreplay_cw_stack.commands.check.context import Context
from openreplay_cw_stack.commands.deployed.deployment import Deployment
from openreplay_cw_stack.commands.report.findings import Finding
from tests.commands.check.support import context
from tests.commands.support import (
    account,
    days_ago,
    metric_data,
    outcome,
    stack,
    statuses,
)

API_KEY = "the-api-key-of-the-bridge"
RIGHT = f"APIKey {base64.b64encode(f'openreplay:{API_KEY}'.encode()).decode()}"


class Bridge:
    """A bridge, as far as the credential question goes."""

    url = ""
    right, wrong = 200, 401
    product = "Elasticsearch"
    timed_out = False


@pytest.fixture
def bridge() -> Iterator[Bridge]:
    bridge = Bridge()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            right = self.headers["Authorization"] == RIGHT
            self.send_response(bridge.right if right else bridge.wrong)
            if bridge.product:
                self.send_header("X-Elastic-Product", bridge.product)
            hits = [] if bridge.timed_out else [{"_id": "connected"}]
            answer = {"timed_out": bridge.timed_out, "hits": {"hits": hits}}
            body = json.dumps(answer).encode()
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    bridge.url = f"http://127.0.0.1:{listening.server_port}/"
    threading.Thread(target=listening.serve_forever, args=(0.02,), daemon=True).start()
    yield bridge
    listening.shutdown()
    listening.server_close()


def checked(
    url: str,
    *,
    metrics: dict[str, float] | None = None,
    secret: Any = None,
    age: float = 3,
) -> dict[str, Finding]:
    values = {"api_key_id": "openreplay", "api_key": API_KEY} if secret is None else secret
    of = account(
        secretsmanager={
            "get_secret_value": {"SecretString": json.dumps(values), "CreatedDate": days_ago(age)}
        },
        cloudwatch={"get_metric_data": metric_data(metrics or {})},
    )
    findings, endpoint = outcome(check_bridge(context(of, outputs={"BridgeUrl": url})))
    assert API_KEY not in str([(one.detail, one.remedy) for one in findings])
    assert API_KEY not in repr(endpoint)
    return {one.name: one for one in findings}


def test_all_is_well(bridge: Bridge) -> None:
    found = checked(bridge.url, metrics={"Searches": 2.0, "RefusedSearches/key": 1.0})
    assert {one.status.value for one in found.values()} == {"ok"}
    assert found["bridge key"].detail == "in its secret, 3 days old"
    assert "2 in the last hour" in found["bridge requests"].detail
    assert "1 refused (1 key)" in found["bridge requests"].detail
    assert bridge.url in found["bridge"].detail


def test_a_bridge_that_cannot_read_its_key(bridge: Bridge) -> None:
    """It answers whatever the key is, without hits."""
    bridge.timed_out, bridge.wrong = True, 200
    found = checked(bridge.url)
    assert found["bridge"].status.value == "fail"
    assert "cannot read its key" in found["bridge"].detail


@pytest.mark.parametrize(
    ("right", "given", "status", "said"),
    [
        (401, {}, "fail", "refuses the key"),
        (401, {"age": 0.0005}, "warn", "does not know its new key yet"),
        (403, {}, "skip", "cannot be checked from here"),
        (429, {}, "fail", "answered with 429"),
    ],
)
def test_answers_to_its_own_key(
    bridge: Bridge, right: int, given: dict[str, Any], status: str, said: str
) -> None:
    bridge.right = right
    found = checked(bridge.url, **given)
    assert found["bridge"].status.value == status
    assert said in found["bridge"].detail
    assert "bridge, wrong key" not in found


@pytest.mark.parametrize(("product", "status"), [("nginx", 200), ("", 200), ("", 403)])
def test_something_else_at_its_address(bridge: Bridge, product: str, status: int) -> None:
    """Such as AWS itself, which refuses every request where a permission is missing."""
    bridge.product, bridge.right = product, status
    finding = checked(bridge.url)["bridge"]
    assert finding.status.value == "fail"
    assert f"answered with {status}" in finding.detail


def test_a_bridge_that_accepts_any_key(bridge: Bridge) -> None:
    bridge.wrong = 200
    found = checked(bridge.url)
    assert found["bridge"].status.value == "ok"
    assert found["bridge, wrong key"].status.value == "fail"


def test_nobody_answers() -> None:
    found = checked("http://127.0.0.1:1/")
    assert found["bridge"].status.value == "fail"
    assert "127.0.0.1 did not answer" in found["bridge"].detail


@pytest.mark.parametrize("secret", [{}, {"api_key_id": "openreplay"}, ["x"]])
def test_a_secret_that_is_of_no_use(secret: Any) -> None:
    found = checked("http://127.0.0.1:1/", secret=secret)
    assert found["bridge key"].status.value == "fail"
    assert "bridge" not in found


@pytest.mark.parametrize(
    ("metrics", "status", "said"),
    [
        ({"FailedSearches": 1.0}, "warn", "1 failed"),
        ({"Errors/bridge": 1.0}, "warn", "1 failed"),
        ({"Throttles/bridge": 1.0}, "warn", "1 throttled"),
        ({"TimedOutSearches": 2.0}, "warn", "2 timed out"),
        ({"SkippedItems/version": 3.0}, "warn", "3 items skipped (3 version, 0 corrupt)"),
        ({"SkippedItems/corrupt": 1.0}, "warn", "1 item skipped (0 version, 1 corrupt)"),
        ({"SkippedItems/expired": 9.0}, "ok", "0 refused"),
        ({"RefusedSearches/address": 20.0}, "ok", "20 refused (20 address)"),
        ({"RefusedSearches/address": 21.0}, "warn", "21 refused (21 address)"),
    ],
)
def test_questions(bridge: Bridge, metrics: dict[str, float], status: str, said: str) -> None:
    finding = checked(bridge.url, metrics=metrics)["bridge requests"]
    assert finding.status.value == status
    assert said in finding.detail


def test_there_is_none() -> None:
    deployment = Deployment("Shop", stack(), {}, alone=True)
    assert statuses(check_bridge(Context(account(), deployment))) == [("bridge", "skip")]
