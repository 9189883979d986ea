from __future__ import annotations

import io
import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from openreplay_cw_stack.commands import main
from openreplay_cw_stack.commands.openreplay_login import JWT_VARIABLE
from tests.commands.support import days_ago
from tests.openreplay.openreplay_server import (
    EMAIL,
    PASSWORD,
    OpenReplayServer,
    serving,
)

API_KEY = "the-api-key-of-the-bridge"
PATH = "/integrations/7/integration/elasticsearch"


class Bridge:
    """A bridge, as far as the credential question goes."""

    def __init__(self) -> None:
        self.status = 200
        self.authorizations: list[str] = []
        self.url = ""


@pytest.fixture
def bridge() -> Iterator[Bridge]:
    bridge = Bridge()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/logs/_search?track_total_hits=true"
            assert json.loads(self.rfile.read(int(self.headers["Content-Length"]))) == {"size": 1}
            bridge.authorizations.append(self.headers["Authorization"])
            self.send_response(bridge.status)
            self.send_header("X-Elastic-Product", "Elasticsearch")
            body = json.dumps({"hits": {"hits": [{"_id": "connected"}]}}).encode()
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


@pytest.fixture
def openreplay() -> Iterator[OpenReplayServer]:
    with serving(OpenReplayServer()) as server:
        yield server


class Aws:
    """CloudFormation and Secrets Manager of an account with two stacks."""

    def __init__(self, bridge: Bridge) -> None:
        self.meta = SimpleNamespace(region_name="eu-west-1")
        without = {"SecretArn": "account", "SessionTableName": "Sessions"}
        complete = {**without, "BridgeUrl": bridge.url, "BridgeSecretArn": "bridge"}
        self.stacks = {"OpenReplayCloudWatch": complete, "WithoutBridge": without}
        self.secrets = {"bridge": {"api_key_id": "openreplay", "api_key": API_KEY}}

    def describe_stacks(self, *, StackName: str) -> dict[str, Any]:  # noqa: N803
        if StackName not in self.stacks:
            message = f"Stack with id {StackName} does not exist"
            error = {"Error": {"Code": "ValidationError", "Message": message}}
            raise ClientError(error, "DescribeStacks")
        outputs = self.stacks[StackName].items()
        listed = [{"OutputKey": name, "OutputValue": value} for name, value in outputs]
        return {"Stacks": [{"StackStatus": "CREATE_COMPLETE", "Outputs": listed}]}

    def get_secret_value(self, *, SecretId: str, VersionStage: str) -> Any:  # noqa: N803
        assert VersionStage == "AWSCURRENT"
        return {"SecretString": json.dumps(self.secrets[SecretId]), "CreatedDate": days_ago(3)}


@pytest.fixture(autouse=True)
def aws(bridge: Bridge, monkeypatch: pytest.MonkeyPatch) -> Aws:
    monkeypatch.delenv(JWT_VARIABLE, raising=False)
    account = Aws(bridge)
    monkeypatch.setattr("boto3.client", lambda service: account)
    return account


def register(
    server: OpenReplayServer, capsys: pytest.CaptureFixture[str], *options: str, **changes: Any
) -> tuple[int, str, str]:
    """The exit status, stdout and stderr; neither has a credential in it."""
    arguments = [
        *("register", "--stack", changes.get("stack", "OpenReplayCloudWatch")),
        *("--openreplay", server.url, "--project", "7", "--insecure"),
    ]
    status = main([*arguments, *options])
    printed = capsys.readouterr()
    for secret in (API_KEY, PASSWORD, "jwt-"):
        assert secret not in printed.out + printed.err
    return status, printed.out, printed.err


@pytest.fixture
def with_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{PASSWORD}\n"))


def test_openreplay_knows_the_bridge_then(
    openreplay: OpenReplayServer,
    bridge: Bridge,
    with_password: None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    status, out, err = register(openreplay, capsys, "--email", EMAIL)
    assert (status, err) == (0, "")
    assert f"The bridge answers, and accepts its key: {bridge.url}\n" in out
    assert "Project 7 of 127.0.0.1 asks the bridge from now on." in out
    assert openreplay.rows[PATH] == {
        "url": bridge.url,
        "api_key_id": "openreplay",
        "api_key": API_KEY,
    }
    assert bridge.authorizations[0].startswith("APIKey ")


def test_with_the_credential_of_a_login(
    openreplay: OpenReplayServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(JWT_VARIABLE, openreplay.jwt)
    assert register(openreplay, capsys)[0] == 0
    assert "POST /api/login" not in openreplay.asked
    status, out, _ = register(openreplay, capsys, "--remove")
    assert (status, openreplay.rows) == (0, {})
    assert "no longer asks the bridge" in out


def test_a_bridge_that_does_not_answer_is_not_registered(
    openreplay: OpenReplayServer, bridge: Bridge, capsys: pytest.CaptureFixture[str]
) -> None:
    bridge.status = 401
    status, _, err = register(openreplay, capsys, "--email", EMAIL)
    assert status == 2
    assert "refuses its own key" in err
    assert openreplay.asked == []


def test_a_bridge_that_answers_openreplay_alone_is_registered_all_the_same(
    openreplay: OpenReplayServer,
    bridge: Bridge,
    with_password: None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bridge.status = 403
    status, out, _ = register(openreplay, capsys, "--email", EMAIL)
    assert status == 0
    assert "does not answer this address" in out
    assert len(openreplay.rows) == 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"stack": "Nowhere"}, "cannot read the stack Nowhere"),
        ({"stack": "WithoutBridge"}, "it was deployed without a bridge"),
    ],
)
def test_a_stack_that_is_another(
    openreplay: OpenReplayServer,
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, str],
    said: str,
) -> None:
    status, _, err = register(openreplay, capsys, **changes)
    assert status == 2
    assert said in err


@pytest.mark.parametrize("secret", [{}, {"api_key": API_KEY}, [API_KEY]])
def test_a_secret_without_the_key(
    aws: Aws, openreplay: OpenReplayServer, capsys: pytest.CaptureFixture[str], secret: Any
) -> None:
    aws.secrets["bridge"] = secret
    status, _, err = register(openreplay, capsys, "--email", EMAIL)
    assert (status, openreplay.asked) == (2, [])
    assert "lacks api_key_id or api_key" in err


def test_there_is_no_terminal_to_ask(
    openreplay: OpenReplayServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    status, _, err = register(openreplay, capsys)
    assert status == 2
    assert JWT_VARIABLE in err


def test_http_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--stack", "x", "--openreplay", "http://openreplay.example", "--project", "7"]
    assert main(["register", *arguments]) == 2
    assert "is not encrypted" in capsys.readouterr().err
