from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from openreplay_cw_stack.commands.preflight.account_policies import (
    METRICS,
    SUBSCRIPTIONS,
    check_account_policies,
)
from tests.commands.preflight.support import ACCOUNT, context, planned, resource
from tests.commands.support import account

KIND = "AWS::Logs::AccountPolicy"
OWN = {"Policy": resource(KIND, PolicyType=SUBSCRIPTIONS, PolicyName="ours")}


def checked(
    folder: Path,
    resources: dict[str, Any],
    existing: dict[str, list[str]],
    *deployed: tuple[str, str],
) -> list[str]:
    def answer(*, policyType: str, nextToken: str = "") -> dict[str, Any]:  # noqa: N803
        """A policy to a page."""
        names = existing.get(policyType, [])
        index = int(nextToken or 0)
        more = {"nextToken": str(index + 1)} if index + 1 < len(names) else {}
        return {
            "accountPolicies": [{"policyName": one} for one in names[index : index + 1]],
            **more,
        }

    of = account(logs={"describe_account_policies": answer})
    findings = check_account_policies(context(of, planned(folder, resources), *deployed))
    return [f"{one.status.value}: {one.detail}" for one in findings]


@pytest.mark.parametrize(
    ("existing", "deployed", "status"),
    [
        ([], [], "ok"),
        (["theirs"], [], "fail"),
        (["ours"], [(KIND, f"{ACCOUNT}|{SUBSCRIPTIONS}|ours")], "ok"),
        (["ours", "theirs"], [(KIND, f"{ACCOUNT}|{SUBSCRIPTIONS}|ours")], "fail"),
    ],
)
def test_one_subscription_for_an_account(
    tmp_path: Path, existing: list[str], deployed: list[tuple[str, str]], status: str
) -> None:
    first, _ = checked(tmp_path, OWN, {SUBSCRIPTIONS: existing}, *deployed)
    assert first.startswith(status)


def test_another_subscription_is_in_nobody_s_way(tmp_path: Path) -> None:
    (only,) = checked(tmp_path, {}, {SUBSCRIPTIONS: ["theirs"]})
    assert only.startswith("ok")


def test_a_policy_against_metrics(tmp_path: Path) -> None:
    (only,) = checked(tmp_path, {}, {METRICS: ["no-metrics", "fewer"]})
    assert only.startswith("warn")
    assert "no-metrics (every log group), fewer" in only
