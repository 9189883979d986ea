from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from openreplay_cw_stack.commands.preflight.concurrency import check_concurrency
from tests.commands.preflight.support import context, planned, resource
from tests.commands.support import account

FUNCTION = "AWS::Lambda::Function"


def limits(quota: int, unreserved: int) -> dict[str, Any]:
    return {
        "get_account_settings": {
            "AccountLimit": {
                "ConcurrentExecutions": quota,
                "UnreservedConcurrentExecutions": unreserved,
            }
        },
        "get_function_concurrency": lambda *, FunctionName: (  # noqa: N803
            {"ReservedConcurrentExecutions": 10} if FunctionName == "validator" else {}
        ),
    }


@pytest.mark.parametrize(
    ("quota", "unreserved", "status"),
    [(1000, 1000, "ok"), (1000, 115, "ok"), (1000, 114, "fail"), (10, 10, "fail")],
)
def test_what_is_left(tmp_path: Path, quota: int, unreserved: int, status: str) -> None:
    """The validator reserves 10 and the bridge 5; 100 are to be left."""
    bridge = resource(FUNCTION, Handler="x", ReservedConcurrentExecutions=5)
    plan = planned(tmp_path, {"Bridge": bridge, "Other": resource(FUNCTION, Handler="y")})
    of = account(lambda_=limits(quota, unreserved))
    (finding,) = check_concurrency(context(of, plan))
    assert finding.status.value == status
    assert f"15 reserved here, {unreserved - 15} of the account's {quota}" in finding.detail


def test_what_the_stack_holds_already_is_not_taken_twice(tmp_path: Path) -> None:
    of = context(account(lambda_=limits(110, 100)), planned(tmp_path), (FUNCTION, "validator"))
    (finding,) = check_concurrency(of)
    assert finding.status.value == "ok"
    (finding,) = check_concurrency(context(account(lambda_=limits(110, 100)), planned(tmp_path)))
    assert finding.status.value == "fail"


def test_nothing_reserved_in_a_new_account(tmp_path: Path) -> None:
    handler = "openreplay_cw_stack.runtime.validator.handler.handler"
    plan = planned(tmp_path, {"Validator": resource(FUNCTION, Handler=handler)})
    (finding,) = check_concurrency(context(account(lambda_=limits(10, 10)), plan))
    assert (finding.status.value, "10 concurrent executions" in finding.detail) == ("warn", True)
