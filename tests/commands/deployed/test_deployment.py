from __future__ import annotations

from typing import Any

import pytest

from openreplay_cw_stack.commands.check.deployment import check_deployment
from openreplay_cw_stack.commands.check.findings import guarded
from openreplay_cw_stack.commands.deployed.deployment import (
    Deployment,
    find_deployment,
    find_deployments,
    validator_of,
    variable,
)
from openreplay_cw_stack.commands.deployed.stack import Resource
from openreplay_cw_stack.commands.errors import CommandFailed
from tests.commands.check.support import (
    DEAD_LETTERS,
    RETRY_QUEUE,
    TABLE_ARN,
    account,
    context,
    function,
    refusal,
    resource,
    stack,
    statuses,
)

FUNCTION = "AWS::Lambda::Function"


def configuration(room: str, deployment: str = "Shop") -> dict[str, Any]:
    return {
        "Handler": f"openreplay_cw_stack.runtime.{room}.handler.handler",
        "FunctionName": room,
        "FunctionArn": f"arn:aws:lambda:eu-west-1:123456789012:function:{room}",
        "Role": f"arn:aws:iam::123456789012:role/path/{room}-role",
        "Environment": {
            "Variables": {
                "DEPLOYMENT": deployment,
                "SESSION_TABLE_ARN": TABLE_ARN,
                "RETRY_QUEUE_URL": RETRY_QUEUE,
                "DEAD_LETTER_QUEUE_URL": DEAD_LETTERS,
                "LINE_RETENTION_SECONDS": "2592000",
            }
        },
    }


def lambda_of(**functions: Any) -> dict[str, Any]:
    def get(*, FunctionName: str) -> Any:  # noqa: N803
        found = functions.get(FunctionName)
        if found is None:
            raise refusal("GetFunctionConfiguration", "ResourceNotFoundException")
        if isinstance(found, Exception):
            raise found
        return found

    return {"get_function_configuration": get}


def test_functions_of_ours_are_known_by_their_handler() -> None:
    functions = lambda_of(
        validator=configuration("validator"),
        bridge=configuration("bridge"),
        rotation=configuration("rotation"),
        staff=configuration("validator", "Staff"),
        checkout={"Handler": "index.handler"},
        image={},
    )
    shop = stack(
        *(
            Resource(f"{name.title()}Function0A1B2C3D", name, FUNCTION)
            for name in ("checkout", "validator", "bridge", "rotation", "staff", "image", "gone")
        ),
        Resource("FailedFunction0A1B2C3D", "", FUNCTION),
    )
    one, two = find_deployments(account(lambda_=functions), shop)
    assert (one.name, sorted(one.functions)) == ("Shop", ["bridge", "rotation", "validator"])
    assert one.functions["bridge"].role == "bridge-role"
    assert (two.name, sorted(two.functions), two.alone) == ("Staff", ["validator"], False)
    (only,) = find_deployments(account(lambda_=functions), shop, "Staff")
    assert only == two
    with pytest.raises(CommandFailed, match="has no deployment X: it has Shop, Staff"):
        find_deployments(account(lambda_=functions), shop, "X")


def test_a_command_for_one_deployment_wants_one() -> None:
    functions = lambda_of(one=configuration("validator"), two=configuration("bridge", "Staff"))
    of = account(lambda_=functions)
    shop = stack(*(Resource(f"{name}Function0A1B2C3D", name, FUNCTION) for name in ("one", "two")))
    with pytest.raises(CommandFailed, match=r"several deployments: .* \(Shop, Staff\)"):
        find_deployment(of, shop, None)
    assert variable(validator_of(find_deployment(of, shop, "Shop")), "DEPLOYMENT") == "Shop"
    with pytest.raises(CommandFailed, match="Staff has no validator"):
        validator_of(find_deployment(of, shop, "Staff"))
    with pytest.raises(CommandFailed, match="validator has no NOTHING"):
        variable(validator_of(find_deployment(of, shop, "Shop")), "NOTHING")


def test_a_stack_without_any_names_its_nested_stacks() -> None:
    nested = Resource(
        "Inner",
        "arn:aws:cloudformation:eu-west-1:1:stack/Shop-Inner-X/uuid",
        "AWS::CloudFormation::Stack",
    )
    with pytest.raises(CommandFailed, match="name that: Shop-Inner-X"):
        find_deployments(account(lambda_={}), stack(nested))
    with pytest.raises(CommandFailed, match="is it another stack"):
        find_deployments(account(lambda_={}), stack())


def test_functions_that_may_not_be_read() -> None:
    functions = lambda_of(validator=refusal("GetFunctionConfiguration"))
    shop = stack(resource("ValidatorFunction", "validator", FUNCTION))
    with pytest.raises(CommandFailed, match="cannot read the function validator"):
        find_deployments(account(lambda_=functions), shop)


POLICY = "AWS::IAM::ManagedPolicy"
POLICIES = (
    resource("ValidatorPolicy", "arn:v", POLICY),
    resource("BridgePolicy", "arn:b", POLICY),
)


OTHER_ROOMS = ("rotation",)


@pytest.mark.parametrize(
    ("attached", "status"), [(["arn:x", "arn:v", "arn:b"], "ok"), (["arn:x"], "fail"), ([], "fail")]
)
def test_roles_and_their_policies(attached: list[str], status: str) -> None:
    answer = {"AttachedPolicies": [{"PolicyArn": arn} for arn in attached]}
    of = account(iam={"list_attached_role_policies": answer})
    more = [resource(f"{room.title()}Policy", f"arn:{room}", POLICY) for room in OTHER_ROOMS]
    deployment = context(of, *POLICIES, *more, rooms=OTHER_ROOMS).deployment
    findings = list(check_deployment(of, deployment))
    assert statuses(findings) == [
        ("deployment", "ok"),
        ("validator role", status),
        ("bridge role", status),
        ("rotation role", "fail"),
    ]
    command = "aws iam attach-role-policy --role-name validator-role --policy-arn arn:v"
    assert (command in findings[1].remedy) == (status == "fail")


def test_a_role_that_is_gone_or_may_not_be_looked_at() -> None:
    gone = account(iam={"list_attached_role_policies": refusal("X", "NoSuchEntity")})
    findings = list(check_deployment(gone, context(gone, *POLICIES).deployment))
    assert statuses(findings)[1] == ("validator role", "fail")
    denied = account(iam={"list_attached_role_policies": refusal("ListAttachedRolePolicies")})
    guarded_findings = guarded(
        "deployment", check_deployment(denied, context(denied, *POLICIES).deployment)
    )
    assert statuses(guarded_findings) == [
        ("deployment", "ok"),
        ("validator role", "fail"),
        ("bridge role", "fail"),
    ]


def test_a_function_that_was_removed_and_a_stack_that_is_not_at_rest() -> None:
    gone = resource("BridgeFunction", "bridge", FUNCTION)
    shop = stack(gone, status="UPDATE_ROLLBACK_FAILED")
    deployment = Deployment("Shop", shop, {"validator": function("validator")}, alone=True)
    findings = list(check_deployment(account(), deployment))
    assert statuses(findings) == [("deployment", "ok"), ("bridge", "fail"), ("stack", "warn")]
