from __future__ import annotations

from pathlib import Path

import pytest

from openreplay_cw_stack.commands.preflight.quotas import (
    DELIVERY_POLICY,
    check_iam_quotas,
    check_resource_policies,
)
from tests.commands.preflight.support import context, planned, resource
from tests.commands.support import account, statuses

ROLE = "AWS::IAM::Role"
STAGE = {"Stage": resource("AWS::ApiGatewayV2::Stage", AccessLogSettings={})}


@pytest.mark.parametrize(
    ("used", "deployed", "status"),
    [(998, [], "ok"), (999, [], "fail"), (1000, [(ROLE, "a"), (ROLE, "b")], "ok")],
)
def test_iam(tmp_path: Path, used: int, deployed: list[tuple[str, str]], status: str) -> None:
    plan = planned(tmp_path, {"A": resource(ROLE), "B": resource(ROLE)})
    summary = {"SummaryMap": {"Roles": used, "RolesQuota": 1000}}
    of = context(account(iam={"get_account_summary": summary}), plan, *deployed)
    assert statuses(check_iam_quotas(of)) == [("IAM quotas", status)]


def test_the_quotas_that_are_too_low(tmp_path: Path) -> None:
    plan = planned(tmp_path, {"A": resource(ROLE), "B": resource("AWS::IAM::User")})
    full = {"Roles": 1000, "RolesQuota": 1000, "Users": 500, "UsersQuota": 500}
    of = context(account(iam={"get_account_summary": {"SummaryMap": full}}), plan)
    (finding,) = check_iam_quotas(of)
    assert finding.detail == (
        "the account uses 500 of 500 users; the stack adds 1. It uses 1000 of 1000 roles; the "
        "stack adds 1"
    )


@pytest.mark.parametrize(
    ("names", "status"),
    [
        ([], "ok"),
        ([f"p{number}" for number in range(9)], "ok"),
        ([f"p{number}" for number in range(10)], "fail"),
        ([*(f"p{number}" for number in range(9)), DELIVERY_POLICY], "ok"),
    ],
)
def test_resource_policies(tmp_path: Path, names: list[str], status: str) -> None:
    answer = {"resourcePolicies": [{"policyName": name} for name in names]}
    of = account(logs={"describe_resource_policies": answer})
    findings = check_resource_policies(context(of, planned(tmp_path, STAGE)))
    assert statuses(findings) == [("resource policies", status)]


def test_without_an_access_log(tmp_path: Path) -> None:
    assert list(check_resource_policies(context(account(), planned(tmp_path)))) == []
