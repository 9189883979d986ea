"""The uninstall sequence of the docs, step by step, and what is left after each."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.end_to_end.conftest import ROOT, Deployment
from tests.openreplay import openreplay_server

pytestmark = pytest.mark.end_to_end

PAGE = ROOT / "docs" / "operations.md"


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    return {"removal_policy": "retain"}


@pytest.fixture(scope="module")
def openreplay() -> Iterator[openreplay_server.OpenReplayServer]:
    with openreplay_server.serving(openreplay_server.OpenReplayServer()) as server:
        yield server


def documented() -> list[list[str]]:
    """The commands of the section."""
    section = re.split(r"^## ", PAGE.read_text(), flags=re.MULTILINE)
    (uninstall,) = [one for one in section if one.startswith("Uninstall\n")]
    blocks = re.findall(r"^ *```\n(.*?)^ *```$", uninstall, re.MULTILINE | re.DOTALL)
    return [shlex.split(line) for block in blocks for line in block.splitlines() if line.strip()]


def ours(
    deployment: Deployment,
    openreplay: openreplay_server.OpenReplayServer,
    arguments: list[str],
) -> None:
    """Run a command of the page, with this test's OpenReplay."""
    replaced = {"https://openreplay.example": openreplay.url}
    more = ["--insecure"] if "--openreplay" in arguments else ["--yes"]
    ran = subprocess.run(
        [
            sys.executable,
            "-m",
            "openreplay_cw_stack",
            *[replaced.get(one, one) for one in arguments],
        ]
        + more,
        cwd=ROOT,
        env={**deployment.aws.host_environment(), "OPENREPLAY_JWT": openreplay.jwt},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def left(deployment: Deployment) -> dict[str, list[str]]:
    """What the account has by kind, without what was there before."""
    client: Any = deployment.aws.client
    groups = client("logs").describe_log_groups()["logGroups"]
    return {
        "tables": client("dynamodb").list_tables()["TableNames"],
        "log groups": sorted(
            one["logGroupName"] for one in groups if one["logGroupName"] != "/aws/lambda/pay"
        ),
        "functions": [
            one["FunctionName"] for one in client("lambda").list_functions()["Functions"]
        ],
        "users": [one["UserName"] for one in client("iam").list_users()["Users"]],
        "secrets": [
            one["Name"]
            for one in client("secretsmanager").list_secrets()["SecretList"]
            if one["Name"] != "openreplay"
        ],
        "queues": client("sqs").list_queues().get("QueueUrls", []),
        "topics": [one["TopicArn"] for one in client("sns").list_topics()["Topics"]],
        "filters": client("logs").describe_subscription_filters(logGroupName="/aws/lambda/pay")[
            "subscriptionFilters"
        ],
        "alarms": [
            one["AlarmName"] for one in client("cloudwatch").describe_alarms()["MetricAlarms"]
        ],
    }


NOTHING: dict[str, list[str]] = {
    "functions": [],
    "users": [],
    "secrets": [],
    "queues": [],
    "topics": [],
    "filters": [],
    "alarms": [],
}


def test_each_step_of_the_page(
    deployment: Deployment, openreplay: openreplay_server.OpenReplayServer
) -> None:
    unregister, revoke, destroy, delete_table, delete_group = documented()
    where = unregister[unregister.index("--openreplay") :]
    where.remove("--remove")
    ours(deployment, openreplay, ["register", "--stack", deployment.stack, *where])
    # Then the user has a key that CloudFormation does not know.
    ours(deployment, openreplay, ["revoke", "--stack", deployment.stack, "--key", "access"])
    assert len(openreplay.rows) == 1

    ours(deployment, openreplay, unregister[1:])
    assert openreplay.rows == {}
    ours(deployment, openreplay, revoke[1:])

    assert destroy[:2] == ["make", "destroy"]
    assert re.search(r"^destroy:.*\n\tnpx .*cdk destroy", (ROOT / "Makefile").read_text(), re.M)
    deployment.destroy()
    tracked = ["/app/checkout", "/app/search"]
    assert left(deployment) == {
        **NOTHING,
        "tables": [deployment.session_table],
        "log groups": tracked,
    }

    assert delete_table[:3] == ["aws", "dynamodb", "delete-table"]
    deployment.aws.client("dynamodb").delete_table(TableName=deployment.session_table)
    assert delete_group[:3] == ["aws", "logs", "delete-log-group"]
    for name in tracked:
        deployment.aws.client("logs").delete_log_group(logGroupName=name)
    assert left(deployment) == {**NOTHING, "tables": [], "log groups": []}
