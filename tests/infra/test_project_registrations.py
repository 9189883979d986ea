from __future__ import annotations

import json
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_logs as logs
from aws_cdk import aws_secretsmanager as secretsmanager

from openreplay_cw_stack import OpenReplayCloudWatch, OpenReplayProject
from tests.infra.conftest import (
    EVERY_FUNCTION,
    LOGIN_SECRET_ARN,
    PROJECT,
    a_stack,
    environment_of,
    resources,
    template_of,
)
from tests.infra.test_key_rotation import statements
from tests.infra.test_nag import findings

ONE = {"openreplay_projects": [PROJECT]}
OTHER = {**PROJECT, "project_id": 2}
FUNCTION = "Registrationsopenreplayexample"


def test_without_projects_nothing_is_registered() -> None:
    assert resources(template_of(a_stack()), "Custom::OpenReplayProjects") == {}


def test_a_deployment_registers_each_project() -> None:
    """One function and one custom resource for all projects of an OpenReplay."""
    elsewhere = {**PROJECT, "url": "https://replay.example"}
    template = template_of(a_stack(openreplay_projects=[PROJECT, elsewhere, OTHER]))
    registrations = resources(template, "Custom::OpenReplayProjects")
    projects = {
        one["Properties"]["OpenReplay"]: json.loads(one["Properties"]["Projects"])
        for one in registrations.values()
    }
    assert projects == {
        "openreplay.example": {LOGIN_SECRET_ARN: [1, 2]},
        "replay.example": {LOGIN_SECRET_ARN: [1]},
    }
    for one in registrations.values():
        assert "MayRun" in " ".join(one["DependsOn"])
        assert one["Properties"]["ServiceTimeout"] == "300"


def test_a_project_more_or_less_changes_no_logical_id() -> None:
    """A new id would register the same projects, and then remove them with the former resource."""

    def ids(*projects: dict[str, Any]) -> set[str]:
        template = template_of(a_stack(openreplay_projects=projects))
        return set(resources(template, "Custom::OpenReplayProjects"))

    another_login = {**PROJECT, "login_secret": f"{LOGIN_SECRET_ARN[:-1]}X"}
    http = {**PROJECT, "url": "http://openreplay.example/", "insecure": True}
    assert (
        ids(PROJECT) == ids(OTHER) == ids(OTHER, PROJECT) == ids(another_login, OTHER) == ids(http)
    )


def test_25_projects_of_one_member() -> None:
    projects = [{**PROJECT, "project_id": number} for number in range(1, 26)]
    template = template_of(a_stack(openreplay_projects=projects, rotation=cdk.Duration.days(30)))
    assert len(resources(template, "Custom::OpenReplayProjects")) == 1
    names = [name for name in resources(template, "AWS::Lambda::Function") if "Registr" in name]
    assert len(names) == 2
    rotation = environment_of(template, "RotationFunction")
    assert len(rotation["API_KEY_PROJECTS"].split(",")) == 25
    assert "," not in rotation["REGISTRATION_FUNCTIONS"]


def test_it_reads_its_logins_and_its_key_and_nothing_else() -> None:
    template = template_of(a_stack(**ONE))
    found = statements(template, FUNCTION)
    assert set(found) == {"ReadTheLogins", "ReadTheKey", "NoteOnTheSecret", "WriteOwnLines"}
    assert found["ReadTheLogins"]["Resource"] == LOGIN_SECRET_ARN
    assert "ApiKey" in json.dumps(found["ReadTheKey"]["Resource"])
    assert found["NoteOnTheSecret"]["Action"] == [
        "secretsmanager:TagResource",
        "secretsmanager:UntagResource",
    ]
    other_login = f"{LOGIN_SECRET_ARN[:-1]}X"
    two = [PROJECT, OTHER, {**PROJECT, "project_id": 3, "login_secret": other_login}]
    template = template_of(a_stack(openreplay_projects=two))
    found = statements(template, FUNCTION)
    assert sorted(found["ReadTheLogins"]["Resource"]) == sorted([LOGIN_SECRET_ARN, other_login])
    settings = environment_of(template, FUNCTION)
    assert json.loads(settings["PROJECTS"]) == {LOGIN_SECRET_ARN: [1, 2], other_login: [3]}


def test_an_integration_is_replaced_for_the_project_that_asks_for_it() -> None:
    projects = [PROJECT, {**OTHER, "replace_integration": True}]
    template = template_of(a_stack(openreplay_projects=projects))
    assert environment_of(template, FUNCTION)["REPLACED_INTEGRATIONS"] == "[2]"
    # The change of it alone registers them anew.
    (registration,) = resources(template, "Custom::OpenReplayProjects").values()
    assert registration["Properties"]["Replaced"] == [2]


@pytest.mark.parametrize(
    "url", ["https://openreplay.example/behind/a/proxy", "http://openreplay.example"]
)
def test_two_addresses_of_one_openreplay(url: str) -> None:
    other = {**OTHER, "url": url, "insecure": True}
    with pytest.raises(
        ValueError, match=r"openreplay\.example has the addresses https://.*: use one"
    ):
        a_stack(openreplay_projects=[PROJECT, other])
    a_stack(openreplay_projects=[PROJECT, {**OTHER, "url": f"{PROJECT['url']}/"}])


def test_two_ways_to_one_openreplay(stack: cdk.Stack) -> None:
    vpc = ec2.Vpc(stack, "Vpc", max_azs=1)
    login = secretsmanager.Secret(stack, "Login")
    projects = [
        OpenReplayProject(
            url="https://openreplay.internal", project_id=number, login_secret=login, vpc=way
        )
        for number, way in ((1, vpc), (2, None))
    ]
    with pytest.raises(ValueError, match="have different VPCs: give all of them the same vpc"):
        OpenReplayCloudWatch(
            stack, "Tracking", new_log_groups=["/one"], openreplay_projects=projects
        )


def test_who_follows_deployments_may_run_the_registrations_and_nothing_else() -> None:
    template = template_of(a_stack(**ONE))
    assert set(statements(template, "RegistrationsDeployments")) == {"WriteOwnLines"}
    (may_run,) = [
        one["Properties"]
        for name, one in resources(template, "AWS::IAM::ManagedPolicy").items()
        if "MayRun" in name
    ]
    (statement,) = may_run["PolicyDocument"]["Statement"]
    assert statement["Action"] == "lambda:InvokeFunction"
    assert "RegistrationsopenreplayexampleFunction" in json.dumps(statement["Resource"])
    (role,) = may_run["Roles"]
    assert "RegistrationsDeploymentsRole" in role["Ref"]


def test_the_projects_get_the_bridges_address_and_key() -> None:
    template = template_of(a_stack(openreplay_projects=[PROJECT, OTHER]))
    environment = environment_of(template, FUNCTION)
    assert "BridgeApiKey" in environment["KEY_SECRET_ARN"]
    assert "HttpApi" in environment["BRIDGE_URL"]


def test_a_project_is_told_once_the_bridge_answers() -> None:
    """Before its stage and routes are there, an HTTP API answers with 404."""
    template = template_of(a_stack(openreplay_projects=[PROJECT]))
    (registration,) = resources(template, "Custom::OpenReplayProjects").values()
    for kind in ("AWS::ApiGatewayV2::Stage", "AWS::ApiGatewayV2::Route", "AWS::Lambda::Permission"):
        there = [name for name in resources(template, kind) if "Bridge" in name]
        assert there
        assert set(there) <= set(registration["DependsOn"])


def test_new_keys_are_told_after_they_are_made() -> None:
    template = template_of(
        a_stack(rotation=cdk.Duration.days(30), openreplay_projects=[PROJECT, OTHER])
    )
    for one in resources(template, "Custom::OpenReplayProjects").values():
        assert "RotationFirstKey" in " ".join(one["DependsOn"])
    rotation = environment_of(template, "RotationFunction")
    assert rotation["API_KEY_PROJECTS"] == "openreplay.example/1,openreplay.example/2"
    assert statements(template, "RotationPolicy")["HaveTheProjectsTold"]["Resource"]


def test_in_a_vpc(stack: cdk.Stack) -> None:
    vpc = ec2.Vpc(stack, "Vpc", max_azs=2)
    OpenReplayCloudWatch(
        stack,
        "OpenReplay",
        log_groups=[logs.LogGroup(stack, "Logs")],
        openreplay_projects=[
            OpenReplayProject(
                url="https://openreplay.internal",
                project_id=1,
                login_secret=secretsmanager.Secret(stack, "Login"),
                vpc=vpc,
            )
        ],
    )
    template = template_of(stack)
    functions = resources(template, "AWS::Lambda::Function")
    inside = [name for name, one in functions.items() if "VpcConfig" in one["Properties"]]
    # Who answers CloudFormation is outside, so that no deployment waits for it.
    assert [("Registrationsopenreplayinternal" in name) for name in inside] == [True]
    found = statements(template, "Registrationsopenreplayinternal")
    assert "ec2:CreateNetworkInterface" in found["JoinTheVpc"]["Action"]


def test_its_vpc_has_its_way_out_before_it_is_registered_and_until_it_is_removed(
    stack: cdk.Stack,
) -> None:
    """Of a VPC in the same stack, which CloudFormation would take apart at the same time."""
    vpc = ec2.Vpc(stack, "Vpc", max_azs=1)
    OpenReplayCloudWatch(
        stack,
        "Tracking",
        new_log_groups=["/one"],
        openreplay_projects=[a_project(stack, vpc=vpc)],
    )
    template = template_of(stack)
    (registration,) = resources(template, "Custom::OpenReplayProjects").values()
    (route,) = [
        name
        for name, one in resources(template, "AWS::EC2::Route").items()
        if "NatGatewayId" in one["Properties"]
    ]
    assert route in registration["DependsOn"]


def test_in_a_vpc_there_is_no_finding_either(stack: cdk.Stack) -> None:
    vpc = ec2.Vpc.from_vpc_attributes(
        stack,
        "Vpc",
        vpc_id="vpc-1",
        availability_zones=["a", "b"],
        private_subnet_ids=["subnet-1", "subnet-2"],
    )
    OpenReplayCloudWatch(
        stack,
        "OpenReplay",
        new_log_groups=["/app/checkout"],
        openreplay_projects=[a_project(stack, vpc=vpc)],
    )
    assert findings(stack) == set()


def a_project(stack: cdk.Stack, **changes: Any) -> OpenReplayProject:
    login = secretsmanager.Secret.from_secret_complete_arn(stack, "Login", LOGIN_SECRET_ARN)
    values: dict[str, Any] = {"url": "https://openreplay.example", "project_id": 1}
    return OpenReplayProject(**{**values, "login_secret": login, **changes})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"url": "openreplay.example"}, "'openreplay.example' is not an address"),
        ({"url": "http://openreplay.example"}, "is not encrypted"),
        ({"url": "https://a:b@openreplay.example"}, "contains a user, a password"),
        ({"url": cdk.Aws.URL_SUFFIX}, "must be known during synthesis"),
        ({"project_id": 0}, "project_id must be 1 or more, not 0"),
    ],
)
def test_what_can_never_be_registered(
    stack: cdk.Stack, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        a_project(stack, **changes).check()


def test_insecure_on_request(stack: cdk.Stack) -> None:
    a_project(stack, url="http://openreplay.example", insecure=True).check()


def test_no_login_is_in_the_template() -> None:
    text = json.dumps(template_of(a_stack(**EVERY_FUNCTION)).to_json())
    assert "resolve:secretsmanager" not in text
