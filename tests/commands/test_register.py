from __future__ import annotations

import io
import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from openreplay_cw_stack.commands import main, openreplay_login
from openreplay_cw_stack.commands.deployed.deployment import FUNCTION
from openreplay_cw_stack.commands.openreplay_login import JWT_VARIABLE
from openreplay_cw_stack.openreplay import login
from tests.commands.support import Client, configuration, days_ago, refusal
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
    """An account with stacks: the package's own, one of a host with two deployments, and others.

    Attributes:
        secrets: by ARN.
        bridges: the addresses of the bridges, by deployment.
    """

    def __init__(self, bridge: Bridge, monkeypatch: pytest.MonkeyPatch) -> None:
        self.secrets: dict[str, Any] = {
            "bridge": {"api_key_id": "openreplay", "api_key": API_KEY},
            "of Staff": {"api_key_id": "openreplay", "api_key": "another"},
        }
        self.stacks: dict[str, Any] = {
            "OpenReplayCloudWatch": {"OpenReplayCloudWatch": ("validator", "bridge")},
            "Shop": {"Shop": ("validator", "bridge"), "Staff": ("validator", "bridge")},
            "WithoutBridge": {"WithoutBridge": ("validator",)},
            "Another": {},
        }
        self.url = bridge.url
        clients = {
            "cloudformation": Client(
                {
                    "describe_stacks": self._describe_stacks,
                    "list_stack_resources": self._list_stack_resources,
                }
            ),
            "lambda": Client({"get_function_configuration": self._configuration}),
            "secretsmanager": Client({"get_secret_value": self._get_secret_value}),
        }
        monkeypatch.setattr("boto3.client", lambda service: clients[service])

    def _describe_stacks(self, *, StackName: str) -> dict[str, Any]:  # noqa: N803
        if StackName not in self.stacks:
            message = f"Stack with id {StackName} does not exist"
            raise refusal("DescribeStacks", "ValidationError", message)
        outputs = {"BridgeUrl": self.url} if StackName == "OpenReplayCloudWatch" else {}
        listed = [{"OutputKey": name, "OutputValue": value} for name, value in outputs.items()]
        return {"Stacks": [{"StackStatus": "CREATE_COMPLETE", "Outputs": listed}]}

    def _list_stack_resources(self, *, StackName: str) -> dict[str, Any]:  # noqa: N803
        found = []
        for deployment, rooms in self.stacks[StackName].items():
            found += [
                _summary(f"{deployment}{room.title()}Function", f"{deployment}/{room}", FUNCTION)
                for room in rooms
            ]
            found.append(
                _summary(
                    f"{deployment}BridgeHttpApi", f"{deployment}-api", "AWS::ApiGatewayV2::Api"
                )
            )
        return {"StackResourceSummaries": found}

    def _configuration(self, *, FunctionName: str) -> dict[str, Any]:  # noqa: N803
        deployment, room = FunctionName.split("/")
        found = configuration(room, deployment)
        secret = "of Staff" if deployment == "Staff" else "bridge"
        found["Environment"]["Variables"]["API_KEY_SECRET_ARN"] = secret
        return found

    def _get_secret_value(self, *, SecretId: str, VersionStage: str) -> Any:  # noqa: N803
        assert VersionStage == "AWSCURRENT"
        return {"SecretString": json.dumps(self.secrets[SecretId]), "CreatedDate": days_ago(3)}


def _summary(path: str, physical_id: str, kind: str) -> dict[str, str]:
    return {
        "LogicalResourceId": f"{path}0A1B2C3D",
        "PhysicalResourceId": physical_id,
        "ResourceType": kind,
    }


@pytest.fixture(autouse=True)
def aws(bridge: Bridge, monkeypatch: pytest.MonkeyPatch) -> Aws:
    monkeypatch.delenv(JWT_VARIABLE, raising=False)
    return Aws(bridge, monkeypatch)


def register(
    server: OpenReplayServer, capsys: pytest.CaptureFixture[str], *options: str, **changes: Any
) -> tuple[int, str, str]:
    """The exit status, stdout and stderr; neither has a credential in it."""
    arguments = [
        *("register", "--stack", changes.get("stack", "OpenReplayCloudWatch")),
        *("--openreplay", server.url, "--insecure", "--project", *changes.get("projects", ["7"])),
    ]
    status = main([*arguments, *options])
    printed = capsys.readouterr()
    for secret in (API_KEY, PASSWORD, "jwt-", "theirs"):
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
    assert "Project 7 of 127.0.0.1 now uses the bridge; open a replay and press" in out
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
    assert "no longer uses the bridge" in out


@pytest.fixture
def with_jwt(openreplay: OpenReplayServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(JWT_VARIABLE, openreplay.jwt)


THEIRS = {"url": "https://elastic.shop.example/", "api_key_id": "kibana", "api_key": "theirs"}


@pytest.mark.usefixtures("with_jwt")
class TestSomeoneElsesIntegration:
    @pytest.mark.parametrize("remove", [(), ("--remove",)])
    def test_it_is_neither_replaced_nor_removed(
        self,
        openreplay: OpenReplayServer,
        capsys: pytest.CaptureFixture[str],
        remove: tuple[str, ...],
    ) -> None:
        openreplay.rows[PATH] = dict(THEIRS)
        status, out, _ = register(openreplay, capsys, *remove)
        assert (status, openreplay.rows) == (1, {PATH: THEIRS})
        assert "elastic.shop.example, which is not this deployment's bridge; --force" in out

    def test_it_is_with_force(
        self, openreplay: OpenReplayServer, capsys: pytest.CaptureFixture[str]
    ) -> None:
        openreplay.rows[PATH] = dict(THEIRS)
        assert register(openreplay, capsys, "--force")[0] == 0
        assert openreplay.rows[PATH]["api_key"] == API_KEY
        openreplay.rows[PATH] = dict(THEIRS)
        assert register(openreplay, capsys, "--force", "--remove")[0] == 0
        assert openreplay.rows == {}


@pytest.mark.usefixtures("with_jwt")
class TestManyProjects:
    def test_in_turn(
        self,
        openreplay: OpenReplayServer,
        bridge: Bridge,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """The limiter is waited for, which moves the server's clock here."""
        wait_with(openreplay.skip, monkeypatch)
        projects = [*map(str, range(1, 26)), "3"]
        status, out, _ = register(openreplay, capsys, projects=projects)
        assert (status, len(openreplay.rows)) == (0, 25)
        assert out.count("now uses the bridge") == 25
        assert 429 in openreplay.answered
        assert len(bridge.authorizations) == 1
        status, out, _ = register(openreplay, capsys, projects=projects)
        assert (status, out.count("already uses the bridge")) == (0, 25)

    def test_one_that_fails_does_not_stop_the_others(
        self, openreplay: OpenReplayServer, capsys: pytest.CaptureFixture[str]
    ) -> None:
        openreplay.projects = frozenset({1, 3})
        status, out, _ = register(openreplay, capsys, projects=["1", "2", "--project", "3"])
        assert (status, len(openreplay.rows)) == (1, 2)
        assert "Project 2 of 127.0.0.1 is not registered: 127.0.0.1 has not stored" in out

    def test_a_limiter_that_never_relents_ends_it(
        self,
        openreplay: OpenReplayServer,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        wait_with(openreplay.skip, monkeypatch)
        monkeypatch.setattr(openreplay.limiter, "allows", lambda: False)
        status, out, _ = register(openreplay, capsys, projects=["1", "2", "3"])
        assert status == 1
        assert out.count("too many requests (429)") == 3
        assert len(openreplay.asked) == 5

    def test_a_login_that_ends_meanwhile(
        self, openreplay: OpenReplayServer, capsys: pytest.CaptureFixture[str]
    ) -> None:
        openreplay.log_in_elsewhere()
        status, out, _ = register(openreplay, capsys, projects=["1", "2", "3"])
        assert status == 1
        assert out.count("no longer accepts the login") == 3
        assert len(openreplay.asked) == 1

    @pytest.mark.parametrize("number", ["0", "-1", "x", "1.5"])
    def test_what_is_not_a_projects_number(
        self, openreplay: OpenReplayServer, capsys: pytest.CaptureFixture[str], number: str
    ) -> None:
        with pytest.raises(SystemExit):
            register(openreplay, capsys, projects=["1", number])
        assert "argument --project" in capsys.readouterr().err
        assert openreplay.asked == []


def wait_with(sleep: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the command wait with a function of the test's."""
    monkeypatch.setattr(
        openreplay_login,
        "OpenReplayClient",
        lambda server, jwt: login.OpenReplayClient(server, jwt, sleep),
    )


@pytest.mark.usefixtures("with_jwt")
def test_as_json(
    bridge: Bridge, openreplay: OpenReplayServer, capsys: pytest.CaptureFixture[str]
) -> None:
    openreplay.rows["/integrations/8/integration/elasticsearch"] = dict(THEIRS)
    status, out, _ = register(openreplay, capsys, "--json", projects=["7", "8"])
    document = json.loads(out)
    details = [one.pop("detail") for one in document["projects"]]
    assert document == {
        "stack": "OpenReplayCloudWatch",
        "deployment": "OpenReplayCloudWatch",
        "openreplay": "127.0.0.1",
        "bridge": bridge.url,
        "probe": f"The bridge answers, and accepts its key: {bridge.url}",
        "projects": [
            {"project": 7, "status": "registered"},
            {"project": 8, "status": "failed"},
        ],
    }
    assert "uses the bridge" in details[0]
    assert "--force" in details[1]
    assert status == 1
    status, out, _ = register(openreplay, capsys, "--json", "--remove", projects=["7", "9"])
    statuses = [one["status"] for one in json.loads(out)["projects"]]
    assert (status, statuses) == (0, ["removed", "absent"])


@pytest.mark.usefixtures("with_jwt")
def test_a_deployment_in_another_stack(
    aws: Aws, openreplay: OpenReplayServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """A host's stack has no outputs, and may contain several."""
    host = "{}-api.execute-api.eu-west-1.amazonaws.com"
    form = {"url": f"https://{host.format('Staff')}/", "api_key_id": "openreplay"}
    openreplay.rows[PATH] = {**form, "api_key": "former"}
    options = ("--deployment", "Shop", "--remove")
    status, out, _ = register(openreplay, capsys, *options, stack="Shop")
    assert (status, len(openreplay.rows)) == (1, 1)
    assert f"points to {host.format('staff')}" in out
    options = ("--deployment", "Staff", "--remove")
    assert register(openreplay, capsys, *options, stack="Shop")[0] == 0
    assert openreplay.rows == {}


@pytest.mark.usefixtures("with_jwt")
def test_a_removal_needs_neither_the_bridge_nor_its_key(
    aws: Aws, bridge: Bridge, openreplay: OpenReplayServer, capsys: pytest.CaptureFixture[str]
) -> None:
    openreplay.rows[PATH] = {**THEIRS, "url": bridge.url}
    aws.secrets["bridge"] = {}
    assert register(openreplay, capsys, "--remove")[0] == 0
    assert (openreplay.rows, bridge.authorizations) == ({}, [])


@pytest.mark.usefixtures("with_jwt")
def test_the_frontend_of_openreplays_own_service(capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--openreplay", "https://app.openreplay.com", "--project", "7", "--insecure"]
    assert main(["register", "--stack", "OpenReplayCloudWatch", *where]) == 2
    assert "use https://api.openreplay.com" in capsys.readouterr().err


def test_a_host_that_does_not_resolve(
    capsys: pytest.CaptureFixture[str], with_password: None
) -> None:
    where = ["--openreplay", "https://openreplay.invalid", "--project", "7", "--insecure"]
    member = ["--email", EMAIL]
    assert main(["register", "--stack", "OpenReplayCloudWatch", *where, *member]) == 2
    assert "the name openreplay.invalid does not resolve" in capsys.readouterr().err


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
    assert "refuses this address" in out
    assert len(openreplay.rows) == 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"stack": "Nowhere"}, "cannot read the stack Nowhere"),
        ({"stack": "WithoutBridge"}, "WithoutBridge was deployed without a bridge"),
        ({"stack": "Another"}, "has no function of openreplay-cw-stack"),
        ({"stack": "Shop"}, "give one as --deployment (Shop, Staff)"),
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
