from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from openreplay_cw_stack.commands.preflight.users import check_users
from openreplay_cw_stack.commands.report.findings import guarded, skip
from tests.commands.preflight.support import context, planned, resource
from tests.commands.support import account, refusal

USER = "AWS::IAM::User"


@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [
        (refusal("GetUser", "NoSuchEntity"), "ok", "openreplay_cw is free"),
        ({"User": {}}, "fail", "openreplay_cw exists, but does not belong to this stack"),
        (refusal("GetUser"), "skip", "AWS refuses GetUser"),
    ],
)
def test_a_name(tmp_path: Path, answer: Any, status: str, said: str) -> None:
    plan = planned(tmp_path, {"User": resource(USER, UserName="openreplay_cw")})
    of = context(account(iam={"get_user": answer}), plan, (USER, "another"))
    (finding,) = guarded("IAM user", check_users(of), denied=skip)
    assert (finding.status.value, said in finding.detail) == (status, True)


def test_the_name_is_the_stack_s_own(tmp_path: Path) -> None:
    plan = planned(tmp_path, {"User": resource(USER, UserName="openreplay_cw")})
    of = account(iam={"get_user": {"User": {}}})
    (finding,) = check_users(context(of, plan, (USER, "openreplay_cw")))
    assert finding.status.value == "ok"


def test_names_that_are_not_known(tmp_path: Path) -> None:
    later = resource(USER, UserName={"Fn::ImportValue": "x"})
    plan = planned(tmp_path, {"A": resource(USER), "B": later})
    generated, unknown = check_users(context(account(), plan))
    assert (generated.status.value, unknown.status.value) == ("ok", "skip")
