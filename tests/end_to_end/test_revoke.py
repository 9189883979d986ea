"""Keys that leaked: a thief goes on using each one, and is refused once it is revoked.

The tests of this module are one story and run in their order.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from botocore.exceptions import ClientError

from emulator.openreplay import OpenReplay
from tests.end_to_end.conftest import Deployment, eventually
from tests.end_to_end.test_commands import command
from tests.tagging.tokens import SESSION_ID

pytestmark = pytest.mark.end_to_end

USER = "openreplay_cw"


def status(deployment: Deployment, key: tuple[str, str]) -> int:
    """The status of the bridge's answer to a key."""
    url, gateway = deployment.outputs["BridgeUrl"], deployment.aws.endpoint_url
    return OpenReplay(url, *key, gateway).ask(SESSION_ID).status


def reads(deployment: Deployment, key: dict[str, str]) -> bool:
    """Whether an access key may read a tracked log group."""
    logs = deployment.aws.client(
        "logs",
        access_key_id=key["access_key_id"],
        secret_access_key=key["secret_access_key"],
    )
    try:
        logs.filter_log_events(logGroupName=key["log_group_name"])
    except ClientError:
        return False
    return True


def revoke(deployment: Deployment, *arguments: str) -> str:
    ran = command(deployment.aws, "revoke", "--stack", deployment.stack, "--yes", *arguments)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@contextmanager
def asked_all_the_time(deployment: Deployment, key: tuple[str, str]) -> Iterator[None]:
    """A thief who never lets the bridge get cold."""
    ended = threading.Event()

    def ask() -> None:
        while not ended.wait(0.2):
            status(deployment, key)

    thief = threading.Thread(target=ask)
    thief.start()
    try:
        yield
    finally:
        ended.set()
        thief.join()


def test_a_stolen_api_key_is_refused_and_the_new_one_accepted(deployment: Deployment) -> None:
    bridge = deployment.function_named("BridgeFunction")
    deployment.set_environment(bridge, KEY_REFRESH_SECONDS="3")
    stolen = deployment.api_key()
    assert status(deployment, stolen) == 200
    with asked_all_the_time(deployment, stolen):
        printed = revoke(deployment, "--key", "api")
        assert "the bridge refuses the old key within 3 seconds" in printed
        new = deployment.api_key()
        assert new != stolen
        assert eventually(lambda: status(deployment, stolen), lambda one: one == 401) == 401
        assert status(deployment, new) == 200
    for key in (stolen[1], new[1]):
        assert key not in printed


def test_a_deleted_secret_leaves_no_key_to_a_warm_bridge(deployment: Deployment) -> None:
    key = deployment.api_key()
    secrets = deployment.aws.client("secretsmanager")
    (arn,) = [one["ARN"] for one in secrets.list_secrets()["SecretList"] if "Bridge" in one["Name"]]
    refused = deployment.metric("RefusedSearches")
    secrets.delete_secret(SecretId=arn)
    with asked_all_the_time(deployment, key):
        assert eventually(lambda: status(deployment, key), lambda one: one == 401) == 401
    secrets.restore_secret(SecretId=arn)
    assert eventually(lambda: status(deployment, key), lambda one: one == 200) == 200
    assert deployment.metric("RefusedSearches") > refused


def test_a_stolen_access_key_is_refused_and_the_new_one_accepted(deployment: Deployment) -> None:
    stolen = deployment.key()
    assert reads(deployment, stolen)
    printed = revoke(deployment, "--key", "access")
    new = deployment.key()
    assert new["access_key_id"] != stolen["access_key_id"]
    assert {**new, **stolen} == stolen
    assert not reads(deployment, stolen)
    assert reads(deployment, new)
    assert f"deleted the access key {stolen['access_key_id']} of {USER}" in printed
    for key in (stolen, new):
        assert key["secret_access_key"] not in printed


def test_the_stack_can_be_removed_once_its_user_has_no_key(deployment: Deployment) -> None:
    revoke(deployment, "--key", "access", "--no-new-key")
    keys = deployment.aws.client("iam").list_access_keys(UserName=USER)["AccessKeyMetadata"]
    assert keys == []
    deployment.destroy()
