"""The AWS calls, against moto, and with errors whose text must not leave."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError
from moto import mock_aws

from openreplay_cw_stack.runtime.aws_calls import CallFailed, asked, string_fields
from openreplay_cw_stack.runtime.registration.aws import SecretsManager
from openreplay_cw_stack.runtime.rotation.aws import (
    BridgeUsage,
    IamUser,
    SecretsManagerSecret,
    invoke_later,
    stack_is_changing,
    stack_is_going,
)
from openreplay_cw_stack.runtime.rotation.secret import AlreadyStored

REGION = "eu-west-1"
USER = "openreplay_cw"
FIRST = "a" * 32
SECOND = "b" * 32


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    with mock_aws():
        yield


@pytest.fixture
def arn() -> str:
    created = boto3.client("secretsmanager").create_secret(
        Name="keys", ClientRequestToken=FIRST, SecretString='{"access_key_id": "one", "n": 1}'
    )
    return str(created["ARN"])


class TestSecret:
    def test_state_and_values(self, arn: str) -> None:
        secret = SecretsManagerSecret(arn)
        assert secret.state().version("AWSCURRENT") == FIRST
        value = secret.value(FIRST)
        assert value is not None
        assert value.document == {"access_key_id": "one"}
        assert abs(value.created - time.time()) < 60
        assert secret.value(SECOND) is None

    def test_a_version_is_put_once(self, arn: str) -> None:
        secret = SecretsManagerSecret(arn)
        secret.put(SECOND, {"access_key_id": "two"})
        secret.put(SECOND, {"access_key_id": "two"})
        assert secret.state().version("AWSPENDING") == SECOND

    def test_labels_move_and_go(self, arn: str) -> None:
        secret = SecretsManagerSecret(arn)
        secret.put(SECOND, {"access_key_id": "two"})
        secret.move("AWSCURRENT", to=SECOND, out_of=FIRST)
        assert secret.state().version("AWSCURRENT") == SECOND
        assert secret.state().version("AWSPREVIOUS") == FIRST
        secret.remove("AWSPREVIOUS", out_of=FIRST)
        assert secret.state().version("AWSPREVIOUS") is None

    def test_notes(self, arn: str) -> None:
        SecretsManagerSecret(arn).tag("openreplay-cw-stack:tested-at", "1.5")
        assert SecretsManagerSecret(arn).state().tags == {"openreplay-cw-stack:tested-at": "1.5"}


class Client:
    """Raises an error at every call."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __getattr__(self, operation: str) -> Any:
        def call(**parameters: Any) -> Any:
            raise self.error

        return call


def refused(code: str) -> Client:
    return Client(ClientError({"Error": {"Code": code, "Message": "a secret text"}}, "Call"))


class TestErrors:
    def test_they_leave_as_their_code_alone(self) -> None:
        with pytest.raises(CallFailed) as failed:
            SecretsManagerSecret("arn", refused("AccessDenied")).value(FIRST)
        assert str(failed.value) == "AccessDenied"
        assert failed.value.__suppress_context__
        with pytest.raises(CallFailed, match="ConnectTimeoutError"):
            asked(Client(ConnectTimeoutError(endpoint_url="https://x")).describe_secret)

    def test_a_version_with_another_value(self) -> None:
        with pytest.raises(AlreadyStored):
            SecretsManagerSecret("arn", refused("ResourceExistsException")).put(FIRST, {})

    def test_a_rotation_that_goes_on(self) -> None:
        SecretsManagerSecret("arn", refused("InvalidRequestException")).rotate()
        with pytest.raises(CallFailed, match="AccessDenied"):
            SecretsManagerSecret("arn", refused("AccessDenied")).rotate()

    @pytest.mark.parametrize("text", [None, "", "{", "[]", '"a"', "null"])
    def test_values_that_are_no_object(self, text: str | None) -> None:
        assert string_fields(text) == {}


class TestUser:
    @pytest.fixture
    def user(self) -> IamUser:
        boto3.client("iam").create_user(UserName=USER)
        return IamUser(USER, region=REGION, reader_log_group="/app")

    def test_keys(self, user: IamUser) -> None:
        assert user.list_keys() == []
        key_id, secret = user.create_key()
        assert len(secret) == 40
        (key,) = user.list_keys()
        assert (key.key_id, key.active) == (key_id, True)
        assert abs(key.created - time.time()) < 60
        user.disable_key(key_id)
        assert not user.list_keys()[0].active
        assert user.last_used(key_id) is None
        assert user.last_used("") is None
        user.delete_key(key_id)
        user.delete_key(key_id)
        assert user.list_keys() == []

    def test_nobody(self) -> None:
        assert IamUser("nobody", region=REGION, reader_log_group="/app").list_keys() == []

    def test_a_key_is_tried_on_the_log_group_that_it_reads(self, user: IamUser) -> None:
        document = {"access_key_id": "AKIA", "secret_access_key": "x"}
        assert user.reads(document) == "ResourceNotFoundException"
        boto3.client("logs").create_log_group(logGroupName="/app")
        assert user.reads(document) is None

    @pytest.mark.parametrize(
        ("code", "limited", "found"),
        [
            ("AccessDeniedException", True, None),
            ("AccessDeniedException", False, "AccessDeniedException"),
            ("UnrecognizedClientException", True, "UnrecognizedClientException"),
            (None, True, None),
        ],
    )
    def test_a_key_of_other_addresses_is_denied_here_and_works(
        self,
        code: str | None,
        limited: bool,
        found: str | None,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        trial = "openreplay_cw_stack.runtime.rotation.aws._trial_of"
        monkeypatch.setattr(trial, lambda *_: code)
        user = IamUser(USER, region=REGION, reader_log_group="/app", addresses_limited=limited)
        assert user.reads({}) == found


def test_uses_of_a_key() -> None:
    cloudwatch = boto3.client("cloudwatch")
    for version, count in (("one", 3), ("two", 4)):
        cloudwatch.put_metric_data(
            Namespace="OpenReplayCloudWatch",
            MetricData=[
                {
                    "MetricName": "KeyUses",
                    "Value": count,
                    "Dimensions": [
                        {"Name": "Deployment", "Value": "Shop"},
                        {"Name": "KeyVersion", "Value": version},
                    ],
                }
            ],
        )
    usage = BridgeUsage("Shop")
    assert usage.of("one", time.time() - 600) == 3
    assert usage.of("one", time.time() - 90 * 86_400) == 3
    assert usage.of("three", time.time() - 600) == 0


def test_nobody_to_tell() -> None:
    invoke_later((), Client(AssertionError("called")))


@pytest.mark.parametrize(
    ("status", "going"),
    [
        ("DELETE_IN_PROGRESS", True),
        ("ROLLBACK_IN_PROGRESS", True),
        ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", False),
        ("UPDATE_ROLLBACK_IN_PROGRESS", False),
        ("UPDATE_COMPLETE", False),
    ],
)
def test_whether_the_stack_goes(status: str, going: bool) -> None:
    class Stacks:
        def describe_stacks(self, **parameters: str) -> dict[str, Any]:
            assert parameters == {"StackName": "arn:stack"}
            return {"Stacks": [{"StackStatus": status}]}

    assert stack_is_going("arn:stack", Stacks()) is going
    assert stack_is_changing("arn:stack", Stacks()) is status.endswith("PROGRESS")


def test_a_login_secret_of_another_region_is_asked_for_there() -> None:
    made = boto3.client("secretsmanager", region_name="us-east-2").create_secret(
        Name="login", SecretString='{"email": "a"}'
    )
    assert SecretsManager().document(made["ARN"]) == {"email": "a"}
    with pytest.raises(CallFailed, match="ResourceNotFoundException"):
        SecretsManager().document("login")


def test_what_the_registration_reads(arn: str) -> None:
    secrets = SecretsManager()
    found = secrets.current(arn)
    assert (found.version_id, found.tags) == (FIRST, {})
    tag = "openreplay-cw-stack:notified:x/1"
    secrets.tag(arn, tag, FIRST)
    assert secrets.current(arn).tags == {tag: FIRST}
    for _ in range(2):
        secrets.untag(arn, tag)
        assert secrets.current(arn).tags == {}
    assert secrets.document(arn) == {"access_key_id": "one"}
    boto3.client("secretsmanager").put_secret_value(
        SecretId=arn, SecretString=json.dumps({"email": "a"})
    )
    assert secrets.document(arn) == {"email": "a"}
