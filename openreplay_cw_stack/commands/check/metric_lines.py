"""Checks whether CloudWatch extracts metrics from the functions' log lines.

The functions print their metrics as log lines. An account policy can disable the extraction, and
CloudWatch ignores lines that it considers invalid. Then every count is 0 and no alarm goes off,
which looks healthy. CloudWatch Logs User Guide, "Monitoring with CloudWatch metrics".
"""

from __future__ import annotations

from typing import Any

from openreplay_cw_stack.commands.check.context import Context
from openreplay_cw_stack.commands.check.metric_sums import Metric, sums
from openreplay_cw_stack.commands.deployed.account import Account
from openreplay_cw_stack.commands.deployed.tracked_log_groups import account_policies
from openreplay_cw_stack.commands.report.findings import Step, fail, guarded_call, ok
from openreplay_cw_stack.commands.terminal import count
from openreplay_cw_stack.version import VERSION

_NAME = "metrics"
_DISABLED = "EMFDisabledErrors"
_INVALID = ("EMFParsingErrors", "EMFValidationErrors")


def check_metric_lines(context: Context) -> Step[None]:
    """Check that CloudWatch extracts all metrics of the functions."""
    account = context.account
    groups = sorted({one.log_group for one in context.deployment.functions.values()})
    disabled = _sum(account, groups, _DISABLED)
    invalid = _sum(account, groups, *_INVALID)
    if disabled:
        kind = "METRIC_EXTRACTION_POLICY"
        nothing: list[dict[str, Any]] = []
        policies = yield from guarded_call(_NAME, lambda: account_policies(account, kind), nothing)
        names = ", ".join(one["policyName"] for one in policies) or f"of the type {kind}"
        yield fail(
            _NAME,
            f"an account policy disabled the metrics of {count(disabled, 'line')} of the "
            f"functions in {account.span}",
            "Every count below is too low, and no alarm goes off. Exclude these log groups from "
            f"the policy {names}: {', '.join(groups)}.",
        )
    if invalid:
        yield fail(
            _NAME,
            f"CloudWatch has ignored metrics in {count(invalid, 'line')} of the functions in "
            f"{account.span}",
            f"Counts below are too low. This is a bug in openreplay-cw-stack {VERSION}: report it.",
        )
    if not disabled and not invalid:
        yield ok(_NAME, f"CloudWatch extracted all metrics of the functions in {account.span}")


def _sum(account: Account, groups: list[str], *names: str) -> int:
    metrics = [
        Metric("AWS/Logs", name, (("LogGroupName", group),)) for group in groups for name in names
    ]
    return sum(sums(account, metrics))
