from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from openreplay_cw_stack.commands.preflight.log_groups import check_log_groups
from openreplay_cw_stack.commands.report.findings import Finding
from tests.commands.preflight.support import context, planned, resource, subscription
from tests.commands.support import account, refusal

GROUP, FILTER = "AWS::Logs::LogGroup", "AWS::Logs::SubscriptionFilter"
CREATED = {"Group": resource(GROUP, LogGroupName="/app/new"), "F": subscription({"Ref": "Group"})}
TRACKED = {"F": subscription("/app/pay")}


def logs(existing: dict[str, str], filters: list[str]) -> dict[str, Any]:
    """CloudWatch Logs with groups of classes, which all have these filters."""

    def groups(*, logGroupNamePrefix: str) -> dict[str, Any]:  # noqa: N803
        return {
            "logGroups": [
                {"logGroupName": name, "logGroupClass": kind}
                for name, kind in existing.items()
                if name.startswith(logGroupNamePrefix)
            ]
        }

    found = {"subscriptionFilters": [{"filterName": name} for name in filters]}
    return {"describe_log_groups": groups, "describe_subscription_filters": found}


def checked(
    folder: Path,
    resources: dict[str, Any],
    existing: dict[str, str],
    *filters: str,
    deployed: tuple[tuple[str, str], ...] = (),
) -> list[Finding]:
    of = account(logs=logs(existing, list(filters)))
    return list(check_log_groups(context(of, planned(folder, resources), *deployed)))


def test_a_group_to_create(tmp_path: Path) -> None:
    (finding,) = checked(tmp_path, CREATED, {"/app/new-one": "STANDARD"})
    assert (finding.status.value, finding.detail) == ("ok", "/app/new will be created")
    (finding,) = checked(tmp_path, CREATED, {"/app/new": "STANDARD"})
    assert (finding.status.value, "log_groups" in finding.remedy) == ("fail", True)
    own = ((GROUP, "/app/new"),)
    (finding,) = checked(tmp_path, CREATED, {"/app/new": "STANDARD"}, deployed=own)
    assert finding.status.value == "ok"


@pytest.mark.parametrize(
    ("existing", "filters", "status", "said"),
    [
        ({"/app/pay": "STANDARD"}, [], "ok", "1 subscription filter, including this stack's"),
        ({"/app/pay": "STANDARD"}, ["a"], "ok", "2 subscription filters"),
        ({"/app/pay": "STANDARD"}, ["a", "b"], "warn", "limited to 2"),
        ({"/app/pay": "STANDARD"}, ["a", "b", "c", "d"], "warn", "others: a, b, c, d"),
        ({"/app/pay": "STANDARD"}, ["a", "b", "c", "d", "e"], "fail", "5 are allowed"),
        ({"/app/payments": "STANDARD"}, [], "fail", "/app/pay does not exist"),
        ({"/app/pay": "INFREQUENT_ACCESS"}, [], "fail", "of the class INFREQUENT_ACCESS"),
        ({"/app/pay": "DELIVERY"}, [], "fail", "of the class DELIVERY"),
    ],
)
def test_a_group_to_track(
    tmp_path: Path, existing: dict[str, str], filters: list[str], status: str, said: str
) -> None:
    (finding,) = checked(tmp_path, TRACKED, existing, *filters)
    assert (finding.status.value, said in finding.detail) == (status, True)


def test_the_stack_s_own_filter_takes_no_second_place(tmp_path: Path) -> None:
    """Handlers of CloudFormation give the filter's name, newer ones the group's as well."""
    for physical_id in ("ours", "ours|/app/pay"):
        (finding,) = checked(
            tmp_path,
            TRACKED,
            {"/app/pay": "STANDARD"},
            *("ours", "a", "b", "c", "d"),
            deployed=((FILTER, physical_id),),
        )
        assert finding.status.value == "warn"
        assert "5 subscription filters" in finding.detail


def test_further_filters_of_the_template_take_places(tmp_path: Path) -> None:
    resources = {**TRACKED, "G": subscription("/app/pay", "ERROR")}
    (finding,) = checked(tmp_path, resources, {"/app/pay": "STANDARD"}, "a", "b", "c", "d")
    assert finding.status.value == "fail"


def test_groups_whose_name_is_not_known(tmp_path: Path) -> None:
    resources = {
        "Generated": resource(GROUP),
        "F": subscription({"Ref": "Generated"}),
        "G": subscription({"Fn::ImportValue": "x"}),
    }
    (finding,) = checked(tmp_path, resources, {})
    assert (finding.status.value, finding.detail.partition(":")[0]) == ("skip", "G")


def test_nothing_is_tracked(tmp_path: Path) -> None:
    (finding,) = checked(tmp_path, {"G": subscription("/app/pay", "ERROR")}, {})
    assert finding.status.value == "warn"
    policy = resource("AWS::Logs::AccountPolicy", PolicyName="x")
    assert checked(tmp_path, {"Policy": policy}, {}) == []


def test_a_missing_permission_stops_no_other_group(tmp_path: Path) -> None:
    answers = {"describe_log_groups": refusal("DescribeLogGroups")}
    plan = planned(tmp_path, {**TRACKED, "G": subscription("/app/b")})
    findings = list(check_log_groups(context(account(logs=answers), plan)))
    assert [one.status.value for one in findings] == ["skip", "skip"]
