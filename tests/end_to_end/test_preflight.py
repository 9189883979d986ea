"""Preflight of an account before the first deployment, of its faults, and after the deployment.

The tests of this module are one story and run in their order.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from emulator import Emulator
from emulator.cdk_cli import CdkCli
from openreplay_cw_stack.commands import main
from openreplay_cw_stack.tagging import token_tag
from tests.end_to_end.conftest import ROOT, STACK, Deployment, eventually
from tests.tagging.tokens import a_token

pytestmark = pytest.mark.end_to_end

STEPS = ["environment", "stack", "bootstrap", "concurrency", "IAM user", "log group"]


@dataclass
class App:
    """The package's app, with settings, for an account."""

    aws: Emulator
    folder: Path
    context: dict[str, str]

    @property
    def cdk(self) -> CdkCli:
        environment = {**self.aws.child_environment(), "PYTHONPATH": str(ROOT)}
        return CdkCli(environment, self.folder / "cdk.out")

    def synthesise(self) -> None:
        parts = [part for key, value in self.context.items() for part in ("-c", f"{key}={value}")]
        self.cdk.run(["synth", "--quiet", *parts])


@pytest.fixture(scope="module")
def key(aws: Emulator) -> str:
    return str(aws.client("kms").create_key()["KeyMetadata"]["Arn"])


@pytest.fixture(scope="module")
def app(aws: Emulator, key: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name, value in aws.child_environment().items():
            monkeypatch.setenv(name, value)
        app = App(
            aws,
            tmp_path_factory.mktemp("app"),
            {
                "new_log_groups": "/app/checkout",
                "log_groups": "/aws/lambda/pay",
                "encryption_key": key,
                "removal_policy": "destroy",
            },
        )
        app.synthesise()
        yield app


def preflight(
    app: App, capsys: pytest.CaptureFixture[str]
) -> tuple[int, dict[str, list[tuple[str, str]]]]:
    """The exit status, and what each step says: its status and detail."""
    capsys.readouterr()
    status = main(["preflight", "--assembly", str(app.folder / "cdk.out"), "--json"])
    (stack,) = json.loads(capsys.readouterr().out)["stacks"]
    assert stack["stack"] == STACK
    steps: dict[str, list[tuple[str, str]]] = {}
    for step in stack["steps"]:
        steps.setdefault(step["name"], []).append((step["status"], step["detail"]))
    return status, steps


def failed(steps: dict[str, list[tuple[str, str]]]) -> list[str]:
    return [name for name, found in steps.items() for status, _ in found if status == "fail"]


def test_an_account_that_nothing_was_done_in(app: App, capsys: pytest.CaptureFixture[str]) -> None:
    status, steps = preflight(app, capsys)
    assert status == 1
    assert list(steps)[: len(STEPS)] == STEPS
    # The group does not exist; neither CloudWatch Logs nor alarms may use the key.
    assert failed(steps) == ["bootstrap", "log group", "encryption key", "encryption key"]
    assert steps["filter pattern"][0][0] == "ok"


def test_an_account_with_one_fault_after_another(
    app: App, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    aws = app.aws
    aws.client("logs").create_log_group(
        logGroupName="/aws/lambda/pay", logGroupClass="INFREQUENT_ACCESS"
    )
    aws.client("logs").create_log_group(logGroupName="/app/checkout")
    aws.client("iam").create_user(UserName="openreplay_cw")
    policy = {"policyName": "no-metrics", "policyType": "METRIC_EXTRACTION_POLICY"}
    aws.client("logs").put_account_policy(**policy, policyDocument="{}", scope="ALL")
    status, steps = preflight(app, capsys)
    assert status == 1
    assert [found for found, _ in steps["log group"]] == ["fail", "fail"]
    assert steps["IAM user"][0][0] == "fail"
    assert steps["account policy"][0][0] == "warn"

    aws.client("logs").delete_account_policy(**policy)
    aws.client("iam").delete_user(UserName="openreplay_cw")
    for group in ("/aws/lambda/pay", "/app/checkout"):
        aws.client("logs").delete_log_group(logGroupName=group)
    aws.client("logs").create_log_group(logGroupName="/aws/lambda/pay")
    app.cdk.bootstrap()
    app.synthesise()
    statements = [
        {"Effect": "Allow", "Principal": principal, "Action": "kms:*", "Resource": "*"}
        for principal in (
            {"AWS": "arn:aws:iam::000000000000:root"},
            {"Service": f"logs.{aws.region}.amazonaws.com"},
            {"Service": "cloudwatch.amazonaws.com"},
        )
    ]
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    aws.client("kms").put_key_policy(KeyId=key, PolicyName="default", Policy=document)
    status, steps = preflight(app, capsys)
    assert (status, failed(steps)) == (0, [])


def test_after_the_deployment(app: App, capsys: pytest.CaptureFixture[str]) -> None:
    """What the stack has itself is in nobody's way: not its user, group, filters, reservations."""
    app.cdk.deploy(app.context, app.folder / "outputs.json")
    status, steps = preflight(app, capsys)
    assert (status, failed(steps)) == (0, [])
    assert steps["stack"] == [("ok", f"{STACK} is CREATE_COMPLETE, and will be updated")]
    assert steps["IAM user"] == [("ok", "openreplay_cw belongs to this stack")]
    assert ("ok", "/app/checkout belongs to this stack") in steps["log group"]
    assert ("ok", "/aws/lambda/pay: 1 subscription filter, including this stack's") in steps[
        "log group"
    ]


def test_check_finds_metrics_that_a_policy_switches_off(
    app: App, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing else shows it: lines are linked, no function fails, every count is 0."""
    aws = app.aws
    policy = {"policyName": "no-metrics", "policyType": "METRIC_EXTRACTION_POLICY"}
    aws.client("logs").put_account_policy(**policy, policyDocument="{}", scope="ALL")
    deployment = Deployment(aws, app.folder, app.context)
    deployment.put("/app/checkout", f"{token_tag(a_token(expires_ms=2**50))} ERROR")

    def metrics() -> tuple[str, str]:
        capsys.readouterr()
        main(["check", "--stack", STACK, "--json"])
        (found,) = json.loads(capsys.readouterr().out)["deployments"]
        (step,) = [one for one in found["steps"] if one["name"] == "metrics"]
        return step["status"], step["detail"] + step["remedy"]

    status, said = eventually(metrics, lambda found: found[0] == "fail")
    aws.client("logs").delete_account_policy(**policy)
    assert status == "fail"
    assert "an account policy disabled the metrics of" in said
    assert "the policy no-metrics:" in said
    assert "ValidatorLogGroup" in said
