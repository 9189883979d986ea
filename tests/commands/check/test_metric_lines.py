from __future__ import annotations

from typing import Any

import pytest

from openreplay_cw_stack.commands.check.metric_lines import check_metric_lines
from tests.commands.check.support import context
from tests.commands.support import account, metric_data, refusal

POLICIES = {"accountPolicies": [{"policyName": "no-metrics"}]}


def checked(values: dict[str, float], policies: Any = POLICIES) -> list[tuple[str, str]]:
    of = account(
        cloudwatch={"get_metric_data": metric_data(values)},
        logs={"describe_account_policies": policies},
    )
    findings = check_metric_lines(context(of))
    return [(one.status.value, one.detail + one.remedy) for one in findings]


def test_none_is_left_out() -> None:
    ((status, _),) = checked({"EMFDisabledErrors//another": 7.0})
    assert status == "ok"


def test_a_policy_switches_them_off() -> None:
    ((status, text),) = checked(
        {"EMFDisabledErrors//validator": 7.0, "EMFDisabledErrors//bridge": 2}
    )
    assert status == "fail"
    assert "disabled the metrics of 9 lines" in text
    assert "the policy no-metrics: /bridge, /validator." in text


def test_a_policy_that_may_not_be_read() -> None:
    refused, (status, text) = checked(
        {"EMFDisabledErrors//bridge": 1.0}, refusal("DescribeAccountPolicies")
    )
    assert (refused[0], status) == ("fail", "fail")
    assert "from the policy of the type METRIC_EXTRACTION_POLICY:" in text


@pytest.mark.parametrize("metric", ["EMFParsingErrors", "EMFValidationErrors"])
def test_lines_that_cloudwatch_takes_for_invalid(metric: str) -> None:
    ((status, text),) = checked({f"{metric}//validator": 1.0})
    assert (status, "ignored metrics in 1 line of" in text) == ("fail", True)
