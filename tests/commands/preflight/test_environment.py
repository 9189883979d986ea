from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from openreplay_cw_stack.commands.preflight.environment import (
    check_bootstrap,
    check_environment,
    check_stack,
)
from openreplay_cw_stack.commands.report.findings import guarded, skip
from tests.commands.preflight.support import ACCOUNT, BOOTSTRAP, context, planned
from tests.commands.support import account, outcome, refusal, statuses

GONE = refusal("DescribeStacks", "ValidationError", "Stack with id Shop does not exist")


@pytest.mark.parametrize(
    ("environment", "status"),
    [
        ("aws://unknown-account/unknown-region", "ok"),
        (f"aws://{ACCOUNT}/eu-west-1", "ok"),
        ("aws://999999999999/eu-west-1", "fail"),
    ],
)
def test_the_account(tmp_path: Path, environment: str, status: str) -> None:
    of = context(account(), planned(tmp_path, environment=environment))
    assert statuses(check_environment(of)) == [("environment", status)]


@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [
        ({"Parameter": {"Value": "21"}}, "ok", "version 21; 6 or later"),
        ({"Parameter": {"Value": "6"}}, "ok", "version 6"),
        ({"Parameter": {"Value": "5"}}, "fail", "the bootstrap stack has version 5, and 6"),
        ({"Parameter": {"Value": "none"}}, "fail", "version none"),
        (refusal("GetParameter", "ParameterNotFound"), "fail", f"there is no {BOOTSTRAP}"),
        (refusal("GetParameter"), "skip", "AWS refuses GetParameter"),
    ],
)
def test_bootstrap(tmp_path: Path, answer: Any, status: str, said: str) -> None:
    of = context(account(ssm={"get_parameter": answer}), planned(tmp_path))
    (finding,) = guarded("bootstrap", check_bootstrap(of), denied=skip)
    assert finding.status.value == status
    assert said in finding.detail
    if status == "fail":
        assert f"\nnpx cdk bootstrap aws://{ACCOUNT}/eu-west-1" in finding.remedy


def test_an_app_without_bootstrap(tmp_path: Path) -> None:
    of = context(account(), planned(tmp_path, bootstrapStackVersionSsmParameter=None))
    assert statuses(check_bootstrap(of)) == [("bootstrap", "skip")]


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("CREATE_COMPLETE", "ok"),
        ("UPDATE_ROLLBACK_COMPLETE", "ok"),
        ("ROLLBACK_COMPLETE", "ok"),
        ("REVIEW_IN_PROGRESS", "ok"),
        ("UPDATE_IN_PROGRESS", "warn"),
        ("UPDATE_ROLLBACK_FAILED", "fail"),
        ("DELETE_FAILED", "fail"),
    ],
)
def test_the_stack_that_is_there(tmp_path: Path, state: str, status: str) -> None:
    nested = "arn:aws:cloudformation:eu-west-1:123456789012:stack/Shop-Nested/1"

    def summaries(*, StackName: str) -> dict[str, Any]:  # noqa: N803
        found = {
            "Shop": ("AWS::CloudFormation::Stack", nested),
            nested: ("AWS::IAM::User", "openreplay_cw"),
        }
        kind, name = found[StackName]
        one = {"LogicalResourceId": "X", "PhysicalResourceId": name, "ResourceType": kind}
        return {"StackResourceSummaries": [one]}

    answers = {
        "describe_stacks": {"Stacks": [{"StackStatus": state}]},
        "list_stack_resources": summaries,
    }
    of = context(account(cloudformation=answers), planned(tmp_path))
    findings, found = outcome(check_stack(of))
    assert statuses(findings) == [("stack", status)]
    assert found is not None
    assert [one.physical_id for one in found.of_kind("AWS::IAM::User")] == ["openreplay_cw"]


def test_no_stack_yet(tmp_path: Path) -> None:
    of = context(account(cloudformation={"describe_stacks": GONE}), planned(tmp_path))
    findings, found = outcome(check_stack(of))
    assert (statuses(findings), found) == ([("stack", "ok")], None)


def test_another_validation_error_is_one(tmp_path: Path) -> None:
    refused = refusal("DescribeStacks", "ValidationError", "1 validation error detected")
    of = context(account(cloudformation={"describe_stacks": refused}), planned(tmp_path))
    findings, _ = outcome(guarded("stack", check_stack(of), None))
    assert statuses(findings) == [("stack", "fail")]
