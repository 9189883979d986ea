from __future__ import annotations

import io
import json
import sys
from typing import Any

import pytest

from openreplay_cw_stack.commands import main
from openreplay_cw_stack.commands.openreplay_login import JWT_VARIABLE
from tests.commands.check.test_session_table import A_TABLE, EXPIRY
from tests.commands.support import Client, configuration, metric_data, refusal
from tests.openreplay.openreplay_server import OpenReplayServer, serving

SUMMARIES = [
    {
        "LogicalResourceId": "OpenReplayValidatorFunction0A1B2C3D",
        "PhysicalResourceId": "validator",
        "ResourceType": "AWS::Lambda::Function",
    }
]


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch) -> dict[str, Client]:
    """A stack with a validator whose everything may not be looked at."""
    monkeypatch.delenv(JWT_VARIABLE, raising=False)
    clients = {
        "cloudformation": Client(
            {
                "describe_stacks": {"Stacks": [{"StackStatus": "CREATE_COMPLETE"}]},
                "list_stack_resources": {"StackResourceSummaries": SUMMARIES},
                "get_template": refusal("GetTemplate"),
            }
        ),
        "lambda": Client({"get_function_configuration": configuration("validator")}),
        "cloudwatch": Client({"get_metric_data": metric_data({}), "list_metrics": {"Metrics": []}}),
        "sqs": Client({"get_queue_attributes": {"Attributes": {}}}),
        "dynamodb": Client({"describe_table": A_TABLE, "describe_time_to_live": EXPIRY}),
    }
    monkeypatch.setattr("boto3.client", lambda service, **settings: clients[service])
    return clients


def checked(capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, str, str]:
    status = main(["check", "--stack", "Shop", *options])
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def test_what_may_not_be_looked_at_fails_and_stops_nothing(
    services: dict[str, Client], capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = checked(capsys, "--json")
    assert (status, err) == (1, "")
    (deployment,) = json.loads(out)["deployments"]
    assert [(step["name"], step["status"]) for step in deployment["steps"]] == [
        ("deployment", "ok"),
        ("tracked log group", "fail"),
        ("metrics", "ok"),
        ("lines", "skip"),
        ("validator", "ok"),
        ("session table", "ok"),
        ("session table expiry", "ok"),
        ("linked lines", "skip"),
        ("bridge", "skip"),
        ("service account", "skip"),
    ]
    assert (
        deployment["steps"][1]["remedy"] == "Allow GetTemplate for the credentials of this command."
    )


def test_metrics_that_may_not_be_read_are_said_once_a_step(
    services: dict[str, Client], capsys: pytest.CaptureFixture[str]
) -> None:
    services["cloudwatch"].answers["get_metric_data"] = refusal("GetMetricData")
    status, out, _ = checked(capsys)
    assert status == 1
    assert out.count("AWS refuses GetMetricData") == 2
    assert out.splitlines()[-1] == "problems found: 3 steps OK, 3 FAIL, 4 SKIP"


def test_the_time_that_is_looked_at(
    services: dict[str, Client], capsys: pytest.CaptureFixture[str]
) -> None:
    assert "in the last 90 minutes" in checked(capsys, "--minutes", "90")[1]
    asked = services["cloudwatch"].asked[0][1]
    assert 90 * 60 <= asked["EndTime"] - asked["StartTime"] <= 92 * 60


@pytest.mark.parametrize("options", [["--minutes", "0"], ["--minutes", "1441"], ["--project", "x"]])
def test_wrong_options(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["check", "--stack", "Shop", *options])
    assert ended.value.code == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--openreplay", "https://openreplay.example"], "or neither"),
        (["--project", "7"], "or neither"),
        (["--openreplay", "http://openreplay.example", "--project", "7"], "is not encrypted"),
        (["--openreplay", "https://openreplay.example", "--project", "7"], JWT_VARIABLE),
        (["--deployment", "Staff"], "has no deployment Staff"),
    ],
)
def test_what_cannot_be_run(
    services: dict[str, Client],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    said: str,
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    status, out, err = checked(capsys, *options)
    assert (status, out) == (2, "")
    assert said in err


def test_nobody_is_logged_in_where_the_stack_is_another(
    services: dict[str, Client],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    services["cloudformation"].answers["describe_stacks"] = refusal("X", "ValidationError")
    monkeypatch.setattr(sys, "stdin", io.StringIO("password"))
    with serving(OpenReplayServer()) as server:
        where = ["--openreplay", server.url, "--project", "7", "--insecure", "--email", "a@b"]
        assert checked(capsys, *where)[0] == 2
        assert server.asked == []
        services["cloudformation"].answers["describe_stacks"] = {
            "Stacks": [{"StackStatus": "CREATE_COMPLETE"}]
        }
        status, _, err = checked(capsys, *where)
        assert (status, server.asked) == (2, ["POST /api/login"])
        assert "rejects this email" in err


def test_without_boto3(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    said = (
        "this command needs boto3, which is not installed: pip install 'openreplay-cw-stack[cli]'"
    )
    assert checked(capsys) == (2, "", f"{said}\n")


def test_without_rich(
    services: dict[str, Client], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "rich.console", None)
    said = "this command needs rich, which is not installed: pip install 'openreplay-cw-stack[cli]'"
    assert checked(capsys) == (2, "", f"{said}\n")
    assert checked(capsys, "--json")[0] == 1


def test_without_credentials(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Any
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setattr("boto3.DEFAULT_SESSION", None)
    status, _, err = checked(capsys)
    assert status == 2
    assert "Unable to locate credentials" in err
    assert "The region is eu-west-1" in err
