from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from openreplay_cw_stack.commands.check.bridge import Endpoint
from openreplay_cw_stack.commands.check.registration import check_registration
from openreplay_cw_stack.commands.report.findings import Finding
from openreplay_cw_stack.openreplay.bridge_probe import BridgeForm
from openreplay_cw_stack.openreplay.login import OpenReplayClient
from tests.commands.check.support import context
from tests.commands.support import account, days_ago, refusal, statuses
from tests.openreplay.openreplay_server import OpenReplayServer, serving

FORM = BridgeForm("https://bridge.example/", "openreplay", "the-present-key")
STORED = FORM.as_options()
PATHS = {
    27: "/integrations/7/integration/elasticsearch",
    21: "/integrations/v1/integrations/elasticsearch/7",
}
FORMER = {"api_key_id": "openreplay", "api_key": "the-former-key"}


@pytest.fixture(params=[27, 21])
def openreplay(request: pytest.FixtureRequest) -> Iterator[OpenReplayServer]:
    with serving(OpenReplayServer(version=request.param)) as server:
        yield server


def checked(server: OpenReplayServer, gone: Exception | None = None) -> Finding:
    secrets = {
        "get_secret_value": gone or {"SecretString": json.dumps(FORMER), "CreatedDate": days_ago(9)}
    }
    logged_in = OpenReplayClient(urlsplit(server.url), server.jwt)
    given = context(account(secretsmanager=secrets))
    (finding,) = check_registration(given, Endpoint(FORM, 0), logged_in, 7)
    for key in ("the-present-key", "the-former-key", "of-nobody", "jwt-"):
        assert key not in finding.detail + finding.remedy
    return finding


@pytest.mark.parametrize(
    ("changes", "status", "said"),
    [
        ({}, "ok", "has the bridge's URL and its key"),
        ({"url": " https://bridge.example"}, "ok", "has the bridge's URL and its key"),
        ({"url": "https://u:of-nobody@elastic.example:9200/x"}, "fail", "at elastic.example"),
        ({"url": ""}, "fail", "at no host"),
        ({"url": "https://["}, "fail", "at no host"),
        ({"api_key": "the-former-key"}, "warn", "its previous key"),
        ({"api_key": "of-nobody"}, "fail", "a key that the bridge refuses"),
    ],
)
def test_what_is_stored(
    openreplay: OpenReplayServer, changes: dict[str, str], status: str, said: str
) -> None:
    openreplay.rows[PATHS[openreplay.version]] = {**STORED, **changes}
    finding = checked(openreplay)
    assert finding.status.value == status
    assert said in finding.detail
    assert ("\nopenreplay-cw register --stack Shop" in finding.remedy) == (status != "ok")


def test_nothing_is_stored(openreplay: OpenReplayServer) -> None:
    finding = checked(openreplay)
    assert finding.status.value == "fail"
    assert "has no Elasticsearch integration" in finding.detail


def test_no_former_key(openreplay: OpenReplayServer) -> None:
    openreplay.rows[PATHS[openreplay.version]] = {**STORED, "api_key": "of-nobody"}
    gone = refusal("GetSecretValue", "ResourceNotFoundException")
    assert checked(openreplay, gone).status.value == "fail"


def test_without_a_bridge() -> None:
    logged_in = OpenReplayClient(urlsplit("https://openreplay.example"), "jwt-0")
    findings = check_registration(context(account()), None, logged_in, 7)
    assert statuses(findings) == [("registration", "skip")]
