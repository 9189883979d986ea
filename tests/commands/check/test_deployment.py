from __future__ import annotations

import pytest

from openreplay_cw_stack.commands.check.deployment import check_deployment
from openreplay_cw_stack.commands.deployed.deployment import FUNCTION, Deployment
from openreplay_cw_stack.commands.report.findings import guarded
from tests.commands.check.support import context
from tests.commands.support import account, function, refusal, resource, stack, statuses

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
