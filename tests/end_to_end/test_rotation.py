"""Rotations of the access key with a fault in each, while OpenReplay's poller goes on polling.

The tests of this module are one story and run in their order. The poller of OpenReplay v1.20 has
the key that a person last copied from the secret. IAM is evaluated, and a new key takes a while to
work. Times that only serve caution are shortened, in the functions' environment.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from emulator import Emulator
from openreplay_cw_stack.contract.openreplay_project import TESTED_AT_TAG
from tests.end_to_end.conftest import Deployment, eventually

pytestmark = pytest.mark.end_to_end

USER = "openreplay_cw"
# Five, half a second apart, and what they take themselves.
SECONDS_OF_ATTEMPTS = 8.0


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    return {"rotation": "30d"}


@dataclass
class Poller:
    """OpenReplay's poller: reads a tracked log group with the key that it was last given."""

    deployment: Deployment
    key: dict[str, str] = field(default_factory=dict)
    polls: int = 0
    refusals: list[str] = field(default_factory=list)
    most_keys: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        iam = self.deployment.aws.client("iam")
        while not self._stop.wait(0.15):
            keys = iam.list_access_keys(UserName=USER)["AccessKeyMetadata"]
            self.most_keys = max(self.most_keys, len(keys))
            if self.key:
                self._poll(self.key)

    def _poll(self, key: dict[str, str]) -> None:
        logs = self.deployment.aws.client(
            "logs",
            access_key_id=key["access_key_id"],
            secret_access_key=key["secret_access_key"],
        )
        try:
            logs.filter_log_events(
                logGroupName=key["log_group_name"], filterPattern="openReplaySessionToken"
            )
        except ClientError as refused:
            self.refusals.append(f"{key['access_key_id']}: {refused}")
        self.polls += 1

    def stop(self) -> None:
        self._stop.set()


@pytest.fixture(scope="module")
def poller(deployment: Deployment) -> Iterator[Poller]:
    poller = Poller(deployment)
    thread = threading.Thread(target=poller.run)
    thread.start()
    yield poller
    poller.stop()
    thread.join()


class Keys:
    """The service account's secret, and what goes on around it."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.aws = deployment.aws
        self.secrets = self.aws.client("secretsmanager")
        self.arn = deployment.outputs["SecretArn"]

    def value(self) -> dict[str, str]:
        found: dict[str, str] = json.loads(
            self.secrets.get_secret_value(SecretId=self.arn)["SecretString"]
        )
        return found

    def version(self) -> str:
        return str(self.secrets.get_secret_value(SecretId=self.arn)["VersionId"])

    def tested_an_hour_ago(self) -> None:
        tag = {"Key": TESTED_AT_TAG, "Value": f"{time.time() - 3600:.3f}"}
        self.secrets.tag_resource(SecretId=self.arn, Tags=[tag])

    def statuses(self) -> dict[str, str]:
        keys = self.aws.client("iam").list_access_keys(UserName=USER)["AccessKeyMetadata"]
        return {one["AccessKeyId"]: one["Status"] for one in keys}

    def pending(self) -> str | None:
        versions = self.secrets.describe_secret(SecretId=self.arn)["VersionIdsToStages"]
        return next((one for one, stages in versions.items() if "AWSPENDING" in stages), None)

    def function(self, part: str) -> str:
        functions = self.aws.client("lambda").list_functions()["Functions"]
        (name,) = [
            one["FunctionName"]
            for one in functions
            if part in one["FunctionName"] or part in one["Handler"]
        ]
        return str(name)

    def rotate(self, before: str) -> None:
        """Rotate until another version is current, as somebody would who reads the alarm.

        Asked again, Secrets Manager goes on with a rotation that is not complete; with one that is
        it would begin another.
        """
        if self.version() == before and self.pending() is None:
            self.ask_for_rotation()
        asked = time.monotonic()

        def done() -> bool:
            nonlocal asked
            if self.version() != before:
                return True
            if time.monotonic() - asked > SECONDS_OF_ATTEMPTS and self.pending() is not None:
                self.ask_for_rotation()
                asked = time.monotonic()
            return False

        assert eventually(done, bool), "the rotation was not done"

    def ask_for_rotation(self) -> None:
        try:
            self.secrets.rotate_secret(SecretId=self.arn)
        except ClientError as error:
            # "A previous rotation isn't complete. That rotation will be reattempted."
            assert error.response["Error"]["Code"] == "InvalidRequestException"  # noqa: PT017


@pytest.fixture(scope="module")
def keys(deployment: Deployment) -> Keys:
    keys = Keys(deployment)
    functions = deployment.aws.client("lambda")
    name = keys.function("rotation.handler")
    variables = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    shortened = {**variables, "ORPHAN_AFTER_SECONDS": "3", "KNOWN_AFTER_SECONDS": "1"}
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": shortened})
    return keys


def test_the_deployment_made_a_key(deployment: Deployment, keys: Keys, poller: Poller) -> None:
    value = keys.value()
    assert (value["region"], value["log_group_name"]) == (deployment.aws.region, "/app/checkout")
    assert keys.statuses() == {value["access_key_id"]: "Active"}
    poller.key = value


def nothing(keys: Keys) -> None:
    pass


def a_fault(service: str, action: str, **options: Any) -> Callable[[Keys], None]:
    def inject(keys: Keys) -> None:
        keys.aws.inject_fault(service, action, **options)

    inject.__name__ = f"{action} {options}"
    return inject


def a_slow_key(keys: Keys) -> None:
    # The emulator refuses every key that is too young, the current one too.
    time.sleep(15)
    keys.aws.delay_new_access_keys(15)


def two_runs_at_once(keys: Keys) -> None:
    """Every step of a rotation runs twice at the same time, as it may after a time-out."""
    functions, name = keys.aws.client("lambda"), keys.function("rotation.handler")
    keys.ask_for_rotation()
    token = eventually(keys.pending, bool)
    step = {"Step": "createSecret", "SecretId": keys.arn, "ClientRequestToken": token}
    with ThreadPoolExecutor(4) as pool:
        list(
            pool.map(
                lambda _: functions.invoke(FunctionName=name, Payload=json.dumps(step)), range(4)
            )
        )


FAULTS: list[Callable[[Keys], None]] = [
    nothing,
    a_fault("secretsmanager", "PutSecretValue", times=5),
    a_fault("secretsmanager", "PutSecretValue", after=True, times=1),
    a_fault("secretsmanager", "PutSecretValue", kill=True),
    a_fault("secretsmanager", "PutSecretValue", kill=True, after=True),
    a_slow_key,
    two_runs_at_once,
    a_fault("iam", "CreateAccessKey"),
    a_fault("iam", "CreateAccessKey", after=True),
    a_fault("iam", "CreateAccessKey", kill=True, after=True),
    a_fault("iam", "ListAccessKeys", times=5),
    a_fault("iam", "DeleteAccessKey", kill=True),
    a_fault("iam", "DeleteAccessKey", kill=True, after=True),
    a_fault("secretsmanager", "UpdateSecretVersionStage", times=5),
    a_fault("secretsmanager", "UpdateSecretVersionStage", kill=True),
    a_fault("secretsmanager", "UpdateSecretVersionStage", kill=True, after=True),
    two_runs_at_once,
    a_fault("logs", "FilterLogEvents", kill=True, match='"limit": 1'),
]
ROTATIONS = len(FAULTS)


@pytest.mark.parametrize("number", range(ROTATIONS))
def test_a_rotation(keys: Keys, poller: Poller, number: int) -> None:
    old, before = keys.value()["access_key_id"], keys.version()
    keys.aws.delay_new_access_keys(1.5)
    FAULTS[number](keys)
    # A fault may have begun the rotation, and that may be done by now.
    keys.rotate(before)
    new = keys.value()["access_key_id"]
    assert new != old
    met = keys.aws.faults_met()
    assert all(met), "the fault was met"
    keys.aws.clear_faults()
    # The old key is good until the poller uses the new one.
    keys.aws.fire_rule("RotationEachHour")
    assert keys.statuses() == {new: "Active", old: "Active"}
    poller.key = keys.value()
    polls = poller.polls
    assert eventually(lambda: poller.polls, lambda now: now > polls + 3) > polls + 3
    # The rotation's own trial of the key counts as no use, within minutes of it.
    keys.tested_an_hour_ago()
    wanted = {new: "Active", old: "Inactive"}

    def looked_at_again() -> dict[str, str]:
        keys.aws.fire_rule("RotationEachHour")
        return keys.statuses()

    assert eventually(looked_at_again, lambda seen: seen == wanted) == wanted
    assert not poller.refusals


def test_the_poller_was_never_refused(poller: Poller) -> None:
    assert poller.polls > 10 * ROTATIONS
    assert poller.refusals == []
    assert poller.most_keys == 2


def test_no_orphan_remains(keys: Keys) -> None:
    versions = keys.secrets.list_secret_version_ids(SecretId=keys.arn)["Versions"]
    labelled = {
        json.loads(
            keys.secrets.get_secret_value(SecretId=keys.arn, VersionId=one["VersionId"])[
                "SecretString"
            ]
        )["access_key_id"]
        for one in versions
        if one.get("VersionStages")
    }
    assert set(keys.statuses()) == labelled


def test_no_secret_was_shown_anywhere(deployment: Deployment, keys: Keys, aws: Emulator) -> None:
    """In no log, output, template or error of the whole story."""
    everything = "\n".join([*deployment.printed, json.dumps(deployment.outputs)])
    for path in [aws.log_path, *Path(deployment.folder).rglob("*")]:
        if path.is_file():
            everything += path.read_text(errors="replace")
    logs = aws.client("logs")
    for group in logs.describe_log_groups()["logGroups"]:
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"])
        everything += "\n".join(event["message"] for page in pages for event in page["events"])
    assert "createSecret of access_key is done" in everything
    for secret in (keys.value()["secret_access_key"], deployment.api_key()[1]):
        assert secret not in everything


def test_nothing_is_left_behind(deployment: Deployment, aws: Emulator, poller: Poller) -> None:
    poller.stop()
    time.sleep(0.5)
    aws.evaluate_iam(False)
    deployment.destroy()
    assert aws.client("iam").list_users()["Users"] == []
    secrets = aws.client("secretsmanager").list_secrets()["SecretList"]
    assert {one["Name"] for one in secrets} == {"openreplay"}
