from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from openreplay_cw_stack.commands.errors import CommandFailed
from openreplay_cw_stack.commands.preflight.assembly import read_plans
from openreplay_cw_stack.commands.preflight.plan import Bootstrap
from tests.commands.preflight.support import (
    BOOTSTRAP,
    VALIDATOR,
    artifact,
    planned,
    resource,
    synthesised,
    write,
)

USER = "AWS::IAM::User"
OTHER = {"Resources": {"F": resource("AWS::Lambda::Function", Handler="app.handler")}}


def test_what_the_manifest_says(tmp_path: Path) -> None:
    plan = planned(tmp_path, stackName="shop-prod", environment="aws://123456789012/eu-west-1")
    assert (plan.name, plan.account, plan.region) == ("shop-prod", "123456789012", "eu-west-1")
    assert plan.bootstrap == Bootstrap(6, BOOTSTRAP)
    plan = planned(tmp_path, requiresBootstrapStackVersion=None)
    assert (plan.name, plan.account, plan.region, plan.bootstrap) == ("Shop", None, None, None)


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("plain", "plain"),
        ({"Ref": "Name"}, "/app/named"),
        ({"Fn::Join": ["-", ["a", {"Ref": "Name"}]]}, "a-/app/named"),
        ({"Ref": "Group"}, "/app/created"),
        ({"Ref": "Generated"}, None),
        ({"Ref": "AWS::Region"}, None),
        # The parameter's value is in Systems Manager, not in the template.
        ({"Ref": "BootstrapVersion"}, None),
        ({"Fn::ImportValue": "other"}, None),
        (7, None),
    ],
)
def test_a_value_of_the_template(tmp_path: Path, name: Any, known: str | None) -> None:
    resources = {
        "User": resource(USER, UserName=name),
        "Group": resource("AWS::Logs::LogGroup", LogGroupName="/app/created"),
        "Generated": resource("AWS::Logs::LogGroup"),
    }
    (user,) = planned(tmp_path, resources).of_kind(USER)
    assert user.text("UserName") == known


def test_resources_of_nested_stacks(tmp_path: Path) -> None:
    nested = {**resource("AWS::CloudFormation::Stack"), "Metadata": {"aws:asset:path": "N.json"}}
    write(tmp_path, "N.json", {"Resources": {"User": resource(USER, UserName="x")}})
    plan = planned(tmp_path, {"Nested": nested})
    assert [one.text("UserName") for one in plan.of_kind(USER)] == ["x"]


def test_stacks_of_a_stage(tmp_path: Path) -> None:
    stage = {"type": "cdk:cloud-assembly", "properties": {"directoryName": "assembly-Prod"}}
    write(tmp_path, "manifest.json", {"artifacts": {"Prod": stage}})
    (tmp_path / "assembly-Prod").mkdir()
    synthesised(tmp_path / "assembly-Prod", stackName="Prod-Shop")
    assert [plan.name for plan in read_plans(tmp_path)] == ["Prod-Shop"]


def test_stacks_of_others_are_left_out(tmp_path: Path) -> None:
    artifacts = {name: artifact(name) for name in ("Web", "Shop", "Staff")}
    tree = {"type": "cdk:tree", "properties": {"file": "tree.json"}}
    write(tmp_path, "manifest.json", {"artifacts": {**artifacts, "Tree": tree}})
    write(tmp_path, "Web.template.json", OTHER)
    for name in ("Shop", "Staff"):
        write(tmp_path, f"{name}.template.json", {"Resources": {"Validator": VALIDATOR}})
    assert [plan.name for plan in read_plans(tmp_path)] == ["Shop", "Staff"]
    assert [plan.name for plan in read_plans(tmp_path, "Staff")] == ["Staff"]
    with pytest.raises(CommandFailed, match="has no stack of the name Web with a function"):
        read_plans(tmp_path, "Web")


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        (None, "there is no .*manifest.json: run `cdk synth`"),
        ("{", "is not JSON"),
        ("[]", "is not from the CDK"),
        ("{}", "has no stack with a function"),
    ],
)
def test_what_is_no_cloud_assembly(tmp_path: Path, manifest: str | None, said: str) -> None:
    if manifest is not None:
        (tmp_path / "manifest.json").write_text(manifest)
    with pytest.raises(CommandFailed, match=said):
        read_plans(tmp_path)
