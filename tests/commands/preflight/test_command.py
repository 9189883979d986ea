from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError, NoCredentialsError

from openreplay_cw_stack.commands import main
from openreplay_cw_stack.commands.preflight.pattern_lines import PATTERN_LINES
from tests.commands.preflight.support import ACCOUNT, resource, subscription, synthesised
from tests.commands.support import Client, refusal

RESOURCES = {
    "User": resource("AWS::IAM::User", UserName="openreplay_cw"),
    "F": subscription("/app/pay"),
    "Stage": resource("AWS::ApiGatewayV2::Stage", AccessLogSettings={}),
    "Group": resource(
        "AWS::Logs::LogGroup",
        KmsKeyId=f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/11111111-2222-3333-4444-555555555555",
    ),
}
IDENTITY = {"Account": ACCOUNT, "Arn": f"arn:aws:iam::{ACCOUNT}:user/operator"}
STEPS = [
    "environment",
    "stack",
    "bootstrap",
    "concurrency",
    "IAM user",
    "log group",
    "account policy",
    "encryption key",
    "IAM quotas",
    "resource policies",
    "filter pattern",
]


class Account:
    """Every operation of every service gives the same answer, but for these."""

    def __init__(self, otherwise: Exception) -> None:
        self.answers: dict[str, Any] = {"get_caller_identity": IDENTITY}
        self.otherwise = otherwise
        self.asked: list[str] = []

    def client(self, service: str, **settings: Any) -> Client:
        account = self

        class Answers(dict[str, Any]):
            def __missing__(self, operation: str) -> Any:
                account.asked.append(operation)
                return account.otherwise

        assert settings["config"].connect_timeout <= 5
        return Client(Answers(self.answers))


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Account:
    """The operator's account, which allows nothing but to ask who one is."""
    account = Account(refusal("SomeOperation", "AccessDenied"))
    monkeypatch.setattr("boto3.client", account.client)
    return account


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The cloud assembly of a stack that every step has something to say about."""
    synthesised(tmp_path, RESOURCES)
    return tmp_path


def steps(capsys: pytest.CaptureFixture[str], folder: Path, status: int) -> list[dict[str, str]]:
    assert main(["preflight", "--assembly", str(folder), "--json"]) == status
    document = json.loads(capsys.readouterr().out)
    assert document["account"] == ACCOUNT
    (stack,) = document["stacks"]
    assert stack["stack"] == "Shop"
    found: list[dict[str, str]] = stack["steps"]
    return found


def test_an_operator_without_permissions_is_not_stopped(
    folder: Path, account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    """The CDK deploys with roles of its own."""
    found = steps(capsys, folder, 0)
    assert [one["name"] for one in found] == STEPS
    assert {one["status"] for one in found[1:]} == {"skip"}
    assert all("AWS refuses" in one["detail"] for one in found[1:])
    assert all("Allow SomeOperation" in one["remedy"] for one in found[1:])


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (refusal("SomeOperation", "ThrottlingException"), "AWS throttles SomeOperation"),
        (EndpointConnectionError(endpoint_url="https://x"), "this machine cannot reach AWS"),
    ],
)
def test_every_step_says_what_it_could_not_look_at(
    folder: Path,
    account: Account,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    said: str,
) -> None:
    account.otherwise = error
    found = steps(capsys, folder, 1)
    assert [one["name"] for one in found] == STEPS
    assert all(said in one["detail"] for one in found[1:])


def test_it_asks_and_changes_nothing(
    folder: Path, account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    steps(capsys, folder, 0)
    assert account.asked
    reading = ("get_", "describe_", "list_", "test_")
    assert [one for one in account.asked if not one.startswith(reading)] == []


def test_the_report(tmp_path: Path, account: Account, capsys: pytest.CaptureFixture[str]) -> None:
    synthesised(tmp_path)
    tagged = [number for number, one in enumerate(PATTERN_LINES, 1) if one.tagged]
    matches = {"matches": [{"eventNumber": number} for number in tagged]}
    account.answers["test_metric_filter"] = matches
    assert main(["preflight", "--assembly", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == [f"account {ACCOUNT}, as user/operator", "", "Shop"]
    assert lines[-1].startswith("can be deployed, with warnings: 2 steps OK, 1 WARN")


def test_another_account_is_not_looked_at(
    tmp_path: Path, account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    synthesised(tmp_path, RESOURCES, environment="aws://999999999999/eu-west-1")
    assert [one["status"] for one in steps(capsys, tmp_path, 1)] == ["fail"]
    assert account.asked == []


def test_the_region_is_the_stack_s(
    tmp_path: Path,
    account: Account,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    synthesised(tmp_path, environment=f"aws://{ACCOUNT}/ap-south-2")
    regions = []

    def client(service: str, **settings: Any) -> Client:
        if service != "sts":
            regions.append(settings["region_name"])
        return account.client(service, **settings)

    monkeypatch.setattr("boto3.client", client)
    assert "ap-south-2" in steps(capsys, tmp_path, 0)[0]["detail"]
    assert set(regions) == {"ap-south-2"}


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (NoCredentialsError(), "Unable to locate credentials"),
        (refusal("GetCallerIdentity", "ExpiredToken", "the token is expired"), "is expired"),
        (EndpointConnectionError(endpoint_url="https://sts"), "Could not connect"),
    ],
)
def test_without_an_account(
    tmp_path: Path,
    account: Account,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    said: str,
) -> None:
    synthesised(tmp_path)
    account.answers["get_caller_identity"] = error
    assert main(["preflight", "--assembly", str(tmp_path)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert said in printed.err


def test_without_a_cloud_assembly(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preflight", "--assembly", str(tmp_path / "none")]) == 2
    assert "`cdk synth`" in capsys.readouterr().err
