from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from openreplay_cw_stack.commands import main
from openreplay_cw_stack.runtime.rotation.api_key import KEY_LENGTH
from tests.commands.support import configuration, deploy, refusal

API_SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:bridge"
ACCESS_SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:access"
OLD_API_KEY = {"api_key_id": "openreplay", "api_key": "Hunter2"}
DETAILS = {"region": "eu-west-1", "log_group_name": "/shop"}


def access_document(key_id: str) -> dict[str, str]:
    return {**DETAILS, "access_key_id": key_id, "secret_access_key": f"secret of {key_id}"}


@dataclass
class SecretsManager:
    """One secret with its versions."""

    versions: dict[str, dict[str, str]]
    stages: dict[str, list[str]]
    failure: Exception | None = None

    def get_secret_value(self, *, SecretId: str, VersionStage: str) -> dict[str, Any]:  # noqa: N803
        for version, stages in self.stages.items():
            if VersionStage in stages:
                return {"SecretString": json.dumps(self.versions[version])}
        raise refusal("GetSecretValue", "ResourceNotFoundException")

    def put_secret_value(self, *, SecretId: str, SecretString: str) -> None:  # noqa: N803
        if self.failure:
            raise self.failure
        for stages in self.stages.values():
            if "AWSPREVIOUS" in stages:
                stages.remove("AWSPREVIOUS")
        for stages in self.stages.values():
            if "AWSCURRENT" in stages:
                stages[stages.index("AWSCURRENT")] = "AWSPREVIOUS"
        self.versions["new"] = json.loads(SecretString)
        self.stages["new"] = ["AWSCURRENT"]

    def describe_secret(self, *, SecretId: str) -> dict[str, Any]:  # noqa: N803
        return {"VersionIdsToStages": {one: list(two) for one, two in self.stages.items()}}

    def update_secret_version_stage(
        self,
        *,
        SecretId: str,  # noqa: N803
        VersionStage: str,  # noqa: N803
        RemoveFromVersionId: str,  # noqa: N803
    ) -> None:
        self.stages[RemoveFromVersionId].remove(VersionStage)

    def labelled(self) -> dict[str, dict[str, str]]:
        """The values that have a label, by it."""
        return {
            stage: self.versions[version]
            for version, stages in self.stages.items()
            for stage in stages
        }


@dataclass
class Iam:
    """One user with its access keys."""

    keys: list[str]
    calls: list[str] = field(default_factory=list)
    failure: Exception | None = None

    def delete_access_key(self, *, UserName: str, AccessKeyId: str) -> None:  # noqa: N803
        assert UserName == "openreplay_cw"
        self.calls.append(f"delete {AccessKeyId}")
        if AccessKeyId not in self.keys:
            raise refusal("DeleteAccessKey", "NoSuchEntity")
        self.keys.remove(AccessKeyId)

    def create_access_key(self, *, UserName: str) -> dict[str, Any]:  # noqa: N803
        self.calls.append("create")
        if self.failure or len(self.keys) == 2:
            raise self.failure or refusal("CreateAccessKey", "LimitExceeded")
        self.keys.append("AKIANEW")
        return {"AccessKey": {"AccessKeyId": "AKIANEW", "SecretAccessKey": "secret of AKIANEW"}}


@dataclass
class Functions:
    """AWS Lambda with the functions of a stack."""

    rooms: Sequence[str]
    invoked: list[str] = field(default_factory=list)

    def get_function_configuration(self, *, FunctionName: str) -> dict[str, Any]:  # noqa: N803
        room = FunctionName.rstrip("0123456789")
        found = {**configuration(room), "FunctionName": FunctionName}
        more = {"API_KEY_SECRET_ARN": API_SECRET, "KEY_REFRESH_SECONDS": "45"}
        found["Environment"]["Variables"].update(more)
        return found

    def invoke(self, *, FunctionName: str, InvocationType: str) -> None:  # noqa: N803
        assert InvocationType == "Event"
        self.invoked.append(FunctionName)


class World:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monkeypatch = monkeypatch
        self.iam = Iam(["AKIAOLD"])
        self.secrets = SecretsManager({"old": OLD_API_KEY}, {"old": ["AWSCURRENT"]})
        self.functions = Functions(["validator"])

    def deploy(self, *functions: str, service_account: str | None = "Secret") -> None:
        resources = [
            (f"OpenReplay{one.title()}", one, "AWS::Lambda::Function") for one in functions
        ]
        if service_account:
            resources += [
                ("OpenReplayServiceAccountUser0A1B2C3D", "openreplay_cw", "AWS::IAM::User"),
                (
                    f"OpenReplayServiceAccount{service_account}0A1B2C3D",
                    ACCESS_SECRET,
                    "AWS::SecretsManager::Secret",
                ),
            ]
        clients = deploy(self.monkeypatch, *resources, secretsmanager=self.secrets, iam=self.iam)
        clients["lambda"] = self.functions


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def revoke(*arguments: str) -> int:
    return main(["revoke", "--stack", "Shop", *arguments])


class TestApiKey:
    def test_a_new_key_is_current_and_the_old_one_has_no_label(
        self, world: World, capsys: pytest.CaptureFixture[str]
    ) -> None:
        world.secrets.versions["older"] = {**OLD_API_KEY, "api_key": "an older key"}
        world.secrets.stages["older"] = ["AWSPREVIOUS"]
        world.deploy("bridge")
        assert revoke("--key", "api", "--yes") == 0
        labelled = world.secrets.labelled()
        assert list(labelled) == ["AWSCURRENT"]
        new = labelled["AWSCURRENT"]
        assert (new["api_key_id"], len(new["api_key"])) == ("openreplay", KEY_LENGTH)
        printed = capsys.readouterr()
        assert "refuses the old key within 45 seconds" in printed.out
        (register,) = re.findall(r"openreplay-cw (register .*)", printed.out)
        assert register == "register --stack Shop --openreplay URL --project NUMBER"
        assert "each OpenReplay project that is not in openreplay_projects" in printed.out
        for key in (new["api_key"], "Hunter2", "an older key"):
            assert key not in printed.out + printed.err

    def test_the_registered_projects_are_told(
        self, world: World, capsys: pytest.CaptureFixture[str]
    ) -> None:
        world.deploy("bridge", "registration1", "registration2")
        assert revoke("--key", "api", "--yes", "--json") == 0
        assert world.functions.invoked == ["registration1", "registration2"]
        document = json.loads(capsys.readouterr().out)
        assert (document["deployment"], document["key"]) == ("Shop", "api")
        assert (
            "registration2 registers the new key with its OpenReplay projects"
            in document["done"][2]
        )

    def test_a_key_that_a_rotation_is_about_to_use_stays(self, world: World) -> None:
        world.secrets.versions["next"] = {**OLD_API_KEY, "api_key": "the next key"}
        world.secrets.stages["next"] = ["AWSPENDING"]
        world.deploy("bridge")
        assert revoke("--key", "api", "--yes") == 0
        assert set(world.secrets.labelled()) == {"AWSCURRENT", "AWSPENDING"}

    def test_without_a_bridge(self, world: World, capsys: pytest.CaptureFixture[str]) -> None:
        world.deploy()
        assert revoke("--key", "api", "--yes") == 2
        assert capsys.readouterr().err == "Shop has no bridge, so it has no API key\n"

    def test_a_refusal_is_said_and_nothing_is_shown(
        self, world: World, capsys: pytest.CaptureFixture[str]
    ) -> None:
        world.secrets.failure = refusal("PutSecretValue")
        world.deploy("bridge")
        assert revoke("--key", "api", "--yes") == 2
        assert "cannot store the new key" in capsys.readouterr().err
        assert world.secrets.labelled() == {"AWSCURRENT": OLD_API_KEY}


class TestAccessKey:
    @pytest.fixture(autouse=True)
    def _holds_an_access_key(self, world: World) -> None:
        world.secrets.versions = {"old": access_document("AKIAOLD")}

    def test_the_key_is_deleted_before_another_is_made(
        self, world: World, capsys: pytest.CaptureFixture[str]
    ) -> None:
        world.deploy()
        assert revoke("--key", "access", "--yes") == 0
        assert world.iam.calls == ["delete AKIAOLD", "create"]
        assert world.secrets.labelled() == {"AWSCURRENT": access_document("AKIANEW")}
        printed = capsys.readouterr().out
        assert "Shop: deleted the access key AKIAOLD of openreplay_cw" in printed
        assert "before you delete the stack" in printed
        assert "secret of" not in printed

    def test_every_key_of_the_secret_goes_and_a_persons_own_stays(self, world: World) -> None:
        world.secrets.versions["older"] = access_document("AKIAOLDER")
        world.secrets.stages["older"] = ["AWSPREVIOUS"]
        world.iam.keys = ["AKIAOLDER", "AKIAOWN"]
        world.deploy(service_account="RotatedSecret")
        assert revoke("--key", "access", "--yes") == 0
        assert world.iam.keys == ["AKIAOWN", "AKIANEW"]

    def test_rotation_knows_the_new_key(
        self, world: World, capsys: pytest.CaptureFixture[str]
    ) -> None:
        world.deploy(service_account="RotatedSecret")
        assert revoke("--key", "access", "--yes") == 0
        assert "CloudFormation" not in capsys.readouterr().out

    def test_no_new_key(self, world: World, capsys: pytest.CaptureFixture[str]) -> None:
        world.deploy()
        assert revoke("--key", "access", "--yes", "--no-new-key") == 0
        assert world.iam.keys == []
        assert revoke("--key", "access", "--yes", "--no-new-key") == 0
        assert "has none of the keys of its secret" in capsys.readouterr().out

    def test_it_can_be_repeated_after_a_key_could_not_be_made(
        self, world: World, capsys: pytest.CaptureFixture[str]
    ) -> None:
        world.iam.failure = refusal("CreateAccessKey")
        world.deploy()
        assert revoke("--key", "access", "--yes") == 2
        assert "the old one is deleted; run this again" in capsys.readouterr().err
        assert world.iam.keys == []
        world.iam.failure = None
        assert revoke("--key", "access", "--yes") == 0
        assert world.iam.keys == ["AKIANEW"]

    def test_a_key_that_cannot_be_stored_is_deleted_again(self, world: World) -> None:
        world.secrets.failure = refusal("PutSecretValue")
        world.deploy()
        assert revoke("--key", "access", "--yes") == 2
        assert world.iam.keys == []

    def test_without_a_service_account(
        self, world: World, capsys: pytest.CaptureFixture[str]
    ) -> None:
        world.deploy(service_account=None)
        assert revoke("--key", "access", "--yes") == 2
        assert "has no service account" in capsys.readouterr().err


def test_it_asks_first(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.deploy("bridge")
    assert revoke("--key", "api") == 2
    assert "add --yes" in capsys.readouterr().err
    assert world.secrets.labelled() == {"AWSCURRENT": OLD_API_KEY}


def test_the_bridge_always_has_a_key(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.deploy("bridge")
    assert revoke("--key", "api", "--no-new-key", "--yes") == 2
    assert "requires --key access" in capsys.readouterr().err
