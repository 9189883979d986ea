"""Uninstalling as docs/operations.md says: its commands, run one after the other."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from emulator import Emulator
from tests.docs.pages import DOCS, blocks
from tests.end_to_end.conftest import ROOT, Deployment
from tests.openreplay.openreplay_server import OpenReplayServer, serving

pytestmark = pytest.mark.end_to_end

LOG_GROUP = "/openreplay/backend"
PROJECT = "/integrations/1/integration/elasticsearch"


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    return {"new_log_groups": LOG_GROUP, "removal_policy": "retain"}


@pytest.fixture
def openreplay() -> Iterator[OpenReplayServer]:
    with serving(OpenReplayServer(version=27)) as server:
        yield server


def uninstalling() -> list[str]:
    """The commands of the section, in order."""
    shown = blocks(DOCS / "operations.md", "Uninstall")
    found = [line for block in shown for line in block.text.splitlines()]
    assert [shlex.split(line)[1] for line in found] == [
        "register",
        "revoke",
        "destroy",
        "dynamodb",
        "logs",
    ]
    return found


def run_command(deployment: Deployment, openreplay: OpenReplayServer, line: str) -> None:
    """Run ``openreplay-cw ...``, with the stand-in's address and login."""
    words = [openreplay.url if "://" in word else word for word in shlex.split(line)[1:]]
    further = {"register": ["--insecure"], "revoke": ["--yes"]}[words[0]]
    ran = subprocess.run(
        [sys.executable, "-m", "openreplay_cw_stack", *words, *further],
        cwd=ROOT,
        env={**deployment.aws.host_environment(), "OPENREPLAY_JWT": openreplay.jwt},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def call_aws(aws: Emulator, line: str, names: dict[str, str]) -> None:
    """Make the call that a command of the AWS CLI makes."""
    _, service, operation, *words = [names.get(word, word) for word in shlex.split(line)]
    options = dict(zip(words[::2], words[1::2], strict=True))
    method = getattr(aws.client(service), operation.replace("-", "_"))
    shape = method.__self__.meta.service_model.operation_model(
        "".join(part.title() for part in operation.split("-"))
    ).input_shape
    spelled = {re.sub(r"(?<!^)(?=[A-Z])", "-", one).lower(): one for one in shape.members}
    method(**{spelled[name.removeprefix("--")]: value for name, value in options.items()})


def left(aws: Emulator) -> dict[str, list[Any]]:
    return {
        "tables": aws.client("dynamodb").list_tables()["TableNames"],
        "log groups": [
            one["logGroupName"] for one in aws.client("logs").describe_log_groups()["logGroups"]
        ],
        "users": aws.client("iam").list_users()["Users"],
        "functions": aws.client("lambda").list_functions()["Functions"],
        "queues": aws.client("sqs").list_queues().get("QueueUrls", []),
        "secrets": [
            one["Name"] for one in aws.client("secretsmanager").list_secrets()["SecretList"]
        ],
        "APIs": aws.client("apigatewayv2").get_apis()["Items"],
        "alarms": aws.client("cloudwatch").describe_alarms()["MetricAlarms"],
    }


def test_its_commands_remove_everything(
    deployment: Deployment, openreplay: OpenReplayServer
) -> None:
    aws, table = deployment.aws, deployment.session_table
    remove, revoke, destroy, *deletions = uninstalling()
    run_command(deployment, openreplay, remove.replace(" --remove", ""))
    assert list(openreplay.rows) == [PROJECT]
    # A key that CloudFormation does not know, which would stop the removal of its user.
    run_command(deployment, openreplay, revoke.replace(" --no-new-key", ""))
    run_command(deployment, openreplay, remove)
    assert openreplay.rows == {}
    run_command(deployment, openreplay, revoke)
    assert destroy.startswith("make destroy ARGS=")
    aws.evaluate_iam(False)
    deployment.destroy()
    theirs = {"log groups": ["/aws/lambda/pay"], "secrets": ["openreplay"]}
    nothing: dict[str, list[Any]] = {kind: theirs.get(kind, []) for kind in left(aws)}
    kept = {"tables": [table], "log groups": ["/aws/lambda/pay", LOG_GROUP]}
    assert left(aws) == {**nothing, **kept}
    for line in deletions:
        call_aws(aws, line, {"SESSION_TABLE": table})
    assert left(aws) == nothing
