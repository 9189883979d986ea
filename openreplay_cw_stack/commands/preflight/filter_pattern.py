"""Checks the subscription filter pattern: CloudWatch Logs matches it against lines.

CloudWatch Logs API reference, "TestMetricFilter": the call tests a pattern against at most 50
messages, and stores nothing. Metric filters and subscription filters have the same syntax (User
Guide, "Filter pattern syntax").
"""

from __future__ import annotations

from openreplay_cw_stack.commands.preflight.pattern_lines import PATTERN_LINES
from openreplay_cw_stack.commands.preflight.plan import Context
from openreplay_cw_stack.commands.report.findings import Step, fail, ok
from openreplay_cw_stack.contract.filter_pattern import FILTER_PATTERN
from openreplay_cw_stack.runtime.aws_calls import error_code


def check_filter_pattern(context: Context) -> Step[None]:
    """Check that AWS accepts the pattern, and that it selects exactly the tagged lines."""
    name = "filter pattern"
    messages = [one.text for one in PATTERN_LINES]
    try:
        answer = context.account.client("logs").test_metric_filter(
            filterPattern=FILTER_PATTERN, logEventMessages=messages
        )
    except Exception as error:
        if error_code(error) != "InvalidParameterException":
            raise
        yield fail(name, f"CloudWatch Logs refuses it: {error}", _REPORT)
        return
    # Numbers begin with 1.
    selected = {match["eventNumber"] - 1 for match in answer["matches"]}
    wrong = [
        one.what for index, one in enumerate(PATTERN_LINES) if one.tagged != (index in selected)
    ]
    if wrong:
        yield fail(
            name,
            f"CloudWatch Logs accepts it, but selects {len(wrong)} of {len(messages)} lines "
            f"wrongly: {', '.join(wrong)}",
            _REPORT,
        )
        return
    tagged = sum(one.tagged for one in PATTERN_LINES)
    yield ok(
        name,
        f"CloudWatch Logs accepts it, selects {tagged} tagged lines and ignores "
        f"{len(messages) - tagged} others",
    )


_REPORT = (
    "Lines would be missing, or every line would be delivered. Do not deploy this version in this "
    "region, and report this text."
)
