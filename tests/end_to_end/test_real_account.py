"""What AWS's documentation leaves open, asked of the account; the answers go into a report.

With the embedded AWS the answers are its own: they show that the questions can be asked.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from emulator.openreplay import SEARCH_PATH, OpenReplay
from openreplay_cw_stack.commands import main
from openreplay_cw_stack.commands.preflight.pattern_lines import PATTERN_LINES
from openreplay_cw_stack.contract.filter_pattern import FILTER_PATTERN
from openreplay_cw_stack.tagging import token_tag
from tests.end_to_end.conftest import TOKEN_SECRET, Deployment, eventually
from tests.end_to_end.real_account import PREFIX, RealAccount, Report
from tests.tagging.tokens import a_token

pytestmark = [pytest.mark.end_to_end, pytest.mark.real_account]

LINE = (
    token_tag(a_token(token_secret=TOKEN_SECRET.encode(), expires_ms=2**50)) + " ERROR in a report"
)

MAX_FILTERS = 7


def answered(call: Callable[[], object]) -> str:
    """What AWS says to a call."""
    try:
        return str(call())
    except ClientError as error:
        return str(error)


def test_the_pattern_selects_what_it_should(deployment: Deployment, report: Report) -> None:
    answer = deployment.aws.client("logs").test_metric_filter(
        filterPattern=FILTER_PATTERN, logEventMessages=[one.text for one in PATTERN_LINES]
    )
    selected = {match["eventNumber"] - 1 for match in answer["matches"]}
    wrong = [
        one.what for index, one in enumerate(PATTERN_LINES) if one.tagged != (index in selected)
    ]
    report.answer("TestMetricFilter with the pattern: lines taken in another way", wrong or "none")
    assert wrong == []


def test_preflight_of_what_is_deployed(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in deployment.aws.child_environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("boto3.DEFAULT_SESSION", None)
    assert main(["preflight", "--assembly", str(deployment.folder / "cdk.out")]) == 0, (
        capsys.readouterr().out
    )


def test_one_event_has_one_id(deployment: Deployment, report: Report) -> None:
    """``backfill`` relies on it."""
    deployment.put("/app/checkout", LINE)
    line = eventually(deployment.linked_lines, lambda lines: len(lines) > 0)[0]
    found = deployment.aws.client("logs").filter_log_events(
        logGroupName=deployment.actual("/app/checkout")
    )["events"]
    assert [event["message"] for event in found] == [LINE]
    same = found[0]["eventId"] == line.id
    report.answer("The ids of one event in a payload and in FilterLogEvents are the same", same)
    assert same


def test_a_regular_expression_in_filter_log_events(deployment: Deployment, report: Report) -> None:
    logs, group = deployment.aws.client("logs"), deployment.actual("/app/checkout")

    def ask() -> str:
        answer = logs.filter_log_events(logGroupName=group, filterPattern=FILTER_PATTERN)
        return f"{len(answer['events'])} events"

    report.answer("FilterLogEvents with the pattern", answered(ask))


def test_the_dimensions_of_what_was_forwarded(deployment: Deployment, report: Report) -> None:
    cloudwatch = deployment.aws.client("cloudwatch")
    group = {"Name": "LogGroupName", "Value": deployment.actual("/app/checkout")}

    def listed() -> list[dict[str, Any]]:
        answer = cloudwatch.list_metrics(
            Namespace="AWS/Logs", MetricName="ForwardedLogEvents", Dimensions=[group]
        )
        metrics: list[dict[str, Any]] = answer["Metrics"]
        return metrics

    found = eventually(listed, bool)
    dimensions = [{one["Name"]: one["Value"] for one in metric["Dimensions"]} for metric in found]
    report.answer("ListMetrics of AWS/Logs ForwardedLogEvents", json.dumps(dimensions))
    assert dimensions


def test_questions_through_the_http_api(deployment: Deployment, report: Report) -> None:
    url = deployment.outputs["BridgeUrl"]
    aws: Any = deployment.aws
    gateway = aws.gateway(url) if isinstance(aws, RealAccount) else aws.endpoint_url
    bridge = OpenReplay(url, *deployment.api_key(), gateway)
    statuses = {
        path: bridge.send("POST", path, '{"size": 1}').status
        for path in (SEARCH_PATH, "//_search", "/lo%20gs/_search", "/lo%2Fgs/_search")
    }
    wrong = bridge.send("POST", SEARCH_PATH, '{"size": 1}', authorization="APIKey eDp5")
    with_body = bridge.send("GET", SEARCH_PATH, '{"size": 1}').status
    report.answer(f"Questions at {urlsplit(url).netloc.partition('.')[2]} by path", statuses)
    report.answer("The status with a wrong Authorization", wrong.status)
    report.answer("Headers of that answer", ", ".join(sorted(wrong.headers)))
    report.answer("The status of a GET with a body", with_body)
    assert statuses[SEARCH_PATH] == 200
    assert wrong.status == 401


def test_how_many_filters_a_log_group_takes(deployment: Deployment, report: Report) -> None:
    logs, group = deployment.aws.client("logs"), f"/{PREFIX}/filters"
    validator = deployment.aws.client("lambda").get_function_configuration(
        FunctionName=deployment.validator
    )["FunctionArn"]
    accepted, said = 0, "no refusal"
    logs.create_log_group(logGroupName=group)
    try:
        for accepted in range(MAX_FILTERS):
            logs.put_subscription_filter(
                logGroupName=group,
                filterName=f"{accepted}",
                filterPattern=FILTER_PATTERN,
                destinationArn=validator,
            )
        accepted = MAX_FILTERS
    except ClientError as error:
        said = str(error)
    finally:
        logs.delete_log_group(logGroupName=group)
    report.answer("Subscription filters with a regular expression", f"{accepted}; {said}")


@pytest.mark.parametrize("is_ours", [True, False])
def test_a_rule_that_compares_the_region(
    deployment: Deployment, report: Report, is_ours: bool
) -> None:
    """The stack has such a rule where a tracked log group is in a known region."""
    region = deployment.aws.region if is_ours else "nowhere-1"
    equals = {"Fn::Equals": [{"Ref": "AWS::Region"}, region]}
    template = {
        "Resources": {"Nothing": {"Type": "AWS::CloudFormation::WaitConditionHandle"}},
        "Rules": {"Place": {"Assertions": [{"Assert": equals, "AssertDescription": "elsewhere"}]}},
    }
    stacks, name = deployment.aws.client("cloudformation"), f"{PREFIX}-rule"

    def ask() -> str:
        stacks.create_change_set(
            StackName=name,
            ChangeSetName="rule",
            ChangeSetType="CREATE",
            TemplateBody=json.dumps(template),
        )
        return "accepted"

    answer = answered(ask)
    with contextlib.suppress(ClientError):
        stacks.delete_change_set(StackName=name, ChangeSetName="rule")
    with contextlib.suppress(ClientError):
        stacks.delete_stack(StackName=name)
        waiter = stacks.get_waiter("stack_delete_complete")
        waiter.wait(StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    report.answer(f"A rule with Fn::Equals that {'holds' if is_ours else 'does not hold'}", answer)
