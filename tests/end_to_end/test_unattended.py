"""Deployments without a person: registered, switched to rotation and back, removed.

The tests of this module are one story and run in their order. An OpenReplay of v1.27, which limits
its members as the real one does, gets the bridge's key for 25 projects of one member. A watcher
asks the bridge with the keys that OpenReplay has, all the time.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from emulator import Emulator
from emulator.openreplay import OpenReplay
from openreplay_cw_stack.contract.openreplay_project import notified_tag, project_name
from tests.end_to_end.conftest import Deployment, eventually
from tests.openreplay.openreplay_server import EMAIL, PASSWORD, OpenReplayServer, serving

pytestmark = pytest.mark.end_to_end

USER = "openreplay_cw"
PROJECTS = 25
PATH = "/integrations/{}/integration/elasticsearch"
THEIRS = {"url": "https://elastic.shop.example/", "api_key_id": "kibana", "api_key": "theirs"}


@pytest.fixture(scope="module")
def newer() -> Iterator[OpenReplayServer]:
    with serving(OpenReplayServer(version=27)) as server:
        yield server


@pytest.fixture(scope="module")
def projects(aws: Emulator, newer: OpenReplayServer) -> list[dict[str, Any]]:
    login = aws.client("secretsmanager").create_secret(
        Name="login", SecretString=json.dumps({"email": EMAIL, "password": PASSWORD})
    )
    common = {"login_secret": login["ARN"], "insecure": True}
    numbers = range(1, PROJECTS + 1)
    return [{**common, "url": newer.url, "project_id": number} for number in numbers]


@pytest.fixture(scope="module")
def settings(projects: list[dict[str, Any]]) -> dict[str, str]:
    return {"openreplay_projects": json.dumps(projects)}


@dataclass
class Watcher:
    """Looks whether OpenReplay has a good key, all the time."""

    deployment: Deployment
    newer: OpenReplayServer
    looks: int = 0
    bad: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        while not self._stop.wait(0.15):
            self._look_at_bridge()
            self.looks += 1

    def _look_at_bridge(self) -> None:
        rows = [row for row in list(self.newer.rows.values()) if row != THEIRS]
        for row in {row["api_key"]: row for row in rows}.values():
            openreplay = OpenReplay(
                row["url"], row["api_key_id"], row["api_key"], self.deployment.aws.endpoint_url
            )
            status = openreplay.send("GET", "/").status
            if status == 401 and row in self.newer.rows.values():
                self.bad.append(f"the bridge answered {status}")

    def stop(self) -> None:
        self._stop.set()


@pytest.fixture(scope="module")
def watcher(deployment: Deployment, newer: OpenReplayServer) -> Iterator[Watcher]:
    watcher = Watcher(deployment, newer)
    thread = threading.Thread(target=watcher.run)
    thread.start()
    yield watcher
    watcher.stop()
    thread.join()


def deploy(deployment: Deployment, **changes: str | None) -> None:
    """Deploy with other settings; None leaves one out."""
    deployment.aws.evaluate_iam(False)
    for name, value in changes.items():
        deployment.context.pop(name, None)
        if value is not None:
            deployment.context[name] = value
    deployment.deploy()
    shorten_times(deployment)
    deployment.aws.evaluate_iam(True)


def shorten_times(deployment: Deployment) -> None:
    """What only serves caution, in the functions' environment."""
    functions = deployment.aws.client("lambda")
    for one in functions.list_functions()["Functions"]:
        variables = one.get("Environment", {}).get("Variables", {})
        short = {"KEY_REFRESH_SECONDS": "1", "KNOWN_AFTER_SECONDS": "2"}
        changes = {name: value for name, value in short.items() if name in variables}
        if changes:
            functions.update_function_configuration(
                FunctionName=one["FunctionName"],
                Environment={"Variables": {**variables, **changes}},
            )


def test_the_deployment_registered_all_projects_of_one_member(
    deployment: Deployment, newer: OpenReplayServer, watcher: Watcher
) -> None:
    api_key_id, api_key = deployment.api_key()
    form = {
        "url": deployment.outputs["BridgeUrl"],
        "api_key_id": api_key_id,
        "api_key": api_key,
    }
    assert newer.rows == {PATH.format(number): form for number in range(1, PROJECTS + 1)}
    assert deployment.metric("FailedRegistrations") == 0
    # One login for all of them. OpenReplay's limiter refused requests, which were sent again.
    assert newer.asked.count("POST /api/login") == 1
    assert 429 in newer.answered
    assert newer.answered.count(422) == PROJECTS


def test_rotation_is_switched_on_without_a_bad_minute(
    deployment: Deployment, watcher: Watcher
) -> None:
    before = deployment.key()["access_key_id"]
    deploy(deployment, rotation="30d")
    key = deployment.key()
    assert key["access_key_id"] != before
    # CloudFormation has deleted its own.
    check_that_it_is_the_only_one(deployment, key)
    assert watcher.bad == []


def check_that_it_is_the_only_one(deployment: Deployment, key: dict[str, str]) -> None:
    """The key in the secret is all that the user has."""
    keys = deployment.aws.client("iam").list_access_keys(UserName=USER)["AccessKeyMetadata"]
    assert [one["AccessKeyId"] for one in keys] == [key["access_key_id"]]


def test_the_bridges_key_is_rotated_without_a_bad_minute(
    deployment: Deployment, newer: OpenReplayServer, watcher: Watcher
) -> None:
    secrets, arn = deployment.aws.client("secretsmanager"), deployment.outputs["BridgeSecretArn"]
    for _ in range(3):
        before = deployment.api_key()
        secrets.rotate_secret(SecretId=arn)
        assert eventually(deployment.api_key, lambda key, old=before: key != old) != before  # type: ignore[misc]
        notified = lambda: [row["api_key"] for row in newer.rows.values()]  # noqa: E731
        wanted = PROJECTS * [deployment.api_key()[1]]
        assert eventually(notified, lambda seen, want=wanted: seen == want) == wanted  # type: ignore[misc]
        noted = lambda: told_versions(secrets, arn)  # noqa: E731
        assert len(eventually(noted, lambda versions: len(set(versions)) == 1)) == PROJECTS
        assert watcher.bad == []
        deployment.aws.fire_rule("RotationEachHour")

        def stages() -> list[str]:
            versions = secrets.describe_secret(SecretId=arn)["VersionIdsToStages"].values()
            return sorted(stage for one in versions for stage in one)

        assert eventually(stages, lambda seen: "AWSPREVIOUS" not in seen) == ["AWSCURRENT"]
    assert watcher.bad == []


def told_versions(secrets: Any, arn: str) -> list[str]:
    """The version of the key that each project is noted to have."""
    tags = secrets.describe_secret(SecretId=arn)["Tags"]
    return [one["Value"] for one in tags if one["Key"].startswith(notified_tag(""))]


def test_the_age_of_each_key_is_published(deployment: Deployment) -> None:
    metrics = deployment.aws.client("cloudwatch").list_metrics(MetricName="KeyAge")["Metrics"]
    keys = {one["Value"] for each in metrics for one in each["Dimensions"] if one["Name"] == "Key"}
    assert keys == {"api_key", "access_key"}


def test_projects_that_leave_the_stack_are_removed(
    deployment: Deployment,
    projects: list[dict[str, Any]],
    newer: OpenReplayServer,
    watcher: Watcher,
) -> None:
    deploy(deployment, openreplay_projects=json.dumps(projects[:1]))
    assert list(newer.rows) == [PATH.format(1)]
    arn = deployment.outputs["BridgeSecretArn"]
    assert len(told_versions(deployment.aws.client("secretsmanager"), arn)) == 1
    assert watcher.bad == []


def test_what_cannot_be_reached_stops_no_deployment_and_is_told_later(
    deployment: Deployment,
    projects: list[dict[str, Any]],
    newer: OpenReplayServer,
    watcher: Watcher,
) -> None:
    dead = {**projects[0], "url": "http://127.0.0.1:9", "project_id": 4}
    assert deployment.metric("FailedRegistrations") == 0
    newer.login = "nonsense"
    deploy(deployment, openreplay_projects=json.dumps([projects[0], projects[2], dead]))
    # A deployment registers all projects of an OpenReplay anew: 1, 3 and 4.
    assert deployment.metric("FailedRegistrations") == 3
    assert list(newer.rows) == [PATH.format(1)]
    newer.login = ""
    look_again(deployment)
    assert eventually(lambda: len(newer.rows), lambda count: count == 2) == 2
    assert watcher.bad == []


def look_again(deployment: Deployment) -> None:
    """What each hour does."""
    for rule in deployment.aws.client("events").list_rules()["Rules"]:
        if "Registrations" in rule["Name"]:
            deployment.aws.fire_rule(rule["Name"])


def test_someone_elses_integration_is_replaced_on_request_alone_and_never_removed(
    deployment: Deployment,
    projects: list[dict[str, Any]],
    newer: OpenReplayServer,
    watcher: Watcher,
) -> None:
    path, name = PATH.format(2), project_name(newer.url, 2)
    newer.rows[path] = dict(THEIRS)
    deploy(deployment, openreplay_projects=json.dumps(projects[:2]))
    assert newer.rows[path] == THEIRS
    assert deployment.metric("FailedRegistrations", Project=name) == 1
    printed = deployment.printed_by("Registrations")
    assert "points to elastic.shop.example, which is not this deployment's bridge" in printed
    assert "theirs" not in printed
    # The other one of the same OpenReplay left it at the same time.
    assert sorted(newer.rows) == [PATH.format(1), path]

    on_request = {**projects[1], "replace_integration": True}
    deploy(deployment, openreplay_projects=json.dumps([projects[0], on_request]))
    assert newer.rows[path] == newer.rows[PATH.format(1)]

    newer.rows[path] = dict(THEIRS)
    deploy(deployment, openreplay_projects=json.dumps(projects[:1]))
    assert newer.rows.pop(path) == THEIRS
    assert list(newer.rows) == [PATH.format(1)]
    assert watcher.bad == []


def test_rotation_is_switched_off_without_a_bad_minute(
    deployment: Deployment, watcher: Watcher
) -> None:
    before = deployment.key()["access_key_id"]
    deploy(deployment, rotation=None)
    key = deployment.key()
    assert key["access_key_id"] != before
    check_that_it_is_the_only_one(deployment, key)
    assert watcher.bad == []
    assert watcher.looks > 100


def test_nothing_is_left_behind(
    deployment: Deployment,
    aws: Emulator,
    newer: OpenReplayServer,
    watcher: Watcher,
) -> None:
    watcher.stop()
    aws.evaluate_iam(False)
    deployment.destroy()
    assert newer.rows == {}
    assert aws.client("iam").list_users()["Users"] == []
    secrets = aws.client("secretsmanager").list_secrets()["SecretList"]
    assert {one["Name"] for one in secrets} == {"login", "openreplay"}
