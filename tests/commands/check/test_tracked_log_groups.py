from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from openreplay_cw_stack.commands.check.tracked_log_groups import (
    check_tracked_log_groups,
    check_what_is_tracked,
)
from openreplay_cw_stack.commands.deployed.stack import Resource
from openreplay_cw_stack.commands.deployed.tracked_log_groups import TrackedLogGroup
from openreplay_cw_stack.commands.report.findings import Finding
from openreplay_cw_stack.contract.filter_pattern import FILTER_PATTERN
from tests.commands.check.support import context
from tests.commands.support import (
    VALIDATOR_ARN,
    account,
    metric_data,
    outcome,
    refusal,
    resource,
    statuses,
)

FILTER = "AWS::Logs::SubscriptionFilter"
VALIDATOR = {"Fn::GetAtt": ["OpenReplayValidatorFunction0A1B2C3D", "Arn"]}


def found(
    resources: list[Resource], properties: dict[str, Any], **logs: Any
) -> tuple[Sequence[TrackedLogGroup], list[Finding]]:
    body = {
        "Resources": {
            one.logical_id: {"Properties": properties[one.physical_id]} for one in resources
        }
    }
    of = account(cloudformation={"get_template": {"TemplateBody": body}}, logs=logs)
    deployment = context(of, *resources).deployment
    findings, tracked = outcome(check_what_is_tracked(of, deployment))
    return tracked, findings


def test_the_template_says_which_filter_is_on_which_log_group() -> None:
    group = resource("Group", "/app/of-the-stack", "AWS::Logs::LogGroup")
    other = {"Fn::GetAtt": ["StaffValidatorFunction0A1B2C3D", "Arn"]}
    tracked, findings = found(
        [
            group,
            *(
                resource(f"F{number}", name, FILTER)
                for number, name in enumerate(
                    ("one", "two", "of-another", "by-arn", "three|/app/of-its-id", "four")
                )
            ),
        ],
        {
            "/app/of-the-stack": {},
            "one": {"LogGroupName": {"Ref": group.logical_id}, "DestinationArn": VALIDATOR},
            "two": {"LogGroupName": "/app/search", "DestinationArn": VALIDATOR},
            "of-another": {"LogGroupName": "/app/staff", "DestinationArn": other},
            "by-arn": {"LogGroupName": "/app/pay", "DestinationArn": VALIDATOR_ARN},
            "three|/app/of-its-id": {"LogGroupName": {"Fn::X": 1}, "DestinationArn": VALIDATOR},
            "four": {"LogGroupName": {"Fn::X": 1}, "DestinationArn": VALIDATOR},
        },
    )
    assert tracked == (
        TrackedLogGroup("/app/of-the-stack", "one"),
        TrackedLogGroup("/app/search", "two"),
        TrackedLogGroup("/app/pay", "by-arn"),
        TrackedLogGroup("/app/of-its-id", "three"),
    )
    assert statuses(findings) == [("tracked log group", "fail")]
    assert "the log group of the filter four" in findings[0].detail


def test_no_tracked_log_group() -> None:
    tracked, findings = found([], {})
    assert (tracked, statuses(findings)) == ((), [("tracked log group", "fail")])


@pytest.mark.parametrize(
    ("policies", "status", "said"),
    [
        ([{"policyName": "all", "selectionCriteria": 'LogGroupName NOT IN ["/x"]'}], "ok", "/x"),
        ([{"policyName": "all"}], "ok", "every log group"),
        ([{"policyName": "other"}], "fail", "does not exist"),
    ],
)
def test_an_account_policy(policies: list[Any], status: str, said: str) -> None:
    policy = resource("Policy", "1|SUBSCRIPTION_FILTER_POLICY|all", "AWS::Logs::AccountPolicy")
    document = {"Fn::Join": ["", ['{"DestinationArn":"', VALIDATOR, '"}']]}
    properties = {
        "PolicyName": "all",
        "PolicyType": "SUBSCRIPTION_FILTER_POLICY",
        "PolicyDocument": document,
    }
    _, findings = found(
        [policy],
        {policy.physical_id: properties},
        describe_account_policies={"accountPolicies": policies},
    )
    delivery = [("delivery", "ok")] if status == "ok" else []
    assert statuses(findings) == [("account policy", status), *delivery]
    assert said in findings[0].detail


def checked(
    filters: list[dict[str, str]] | Exception,
    *,
    metrics: dict[str, float] | None = None,
    groups: Any = None,
) -> list[Finding]:
    described = {"logGroups": [{"logGroupName": "/app/checkout", "retentionInDays": 1}]}
    logs = {
        "describe_log_groups": described if groups is None else groups,
        "describe_subscription_filters": filters
        if isinstance(filters, Exception)
        else {"subscriptionFilters": filters},
    }
    of = account(logs=logs, cloudwatch={"get_metric_data": metric_data(metrics or {})})
    return list(check_tracked_log_groups(context(of)))


def stacks_filter(**changes: str) -> dict[str, str]:
    return {
        "filterName": "filter of /app/checkout",
        "destinationArn": VALIDATOR_ARN,
        "filterPattern": FILTER_PATTERN,
        **changes,
    }


OTHER = {"filterName": "datadog", "destinationArn": "arn:x", "filterPattern": ""}


@pytest.mark.parametrize(
    ("filters", "status", "said"),
    [
        (
            [stacks_filter()],
            "ok",
            "1 subscription filter (5 allowed, in some accounts 2); lines kept 1 day",
        ),
        ([OTHER, stacks_filter()], "ok", "others: datadog"),
        ([OTHER] * 4 + [stacks_filter()], "warn", "5 subscription filters"),
        ([OTHER], "fail", "does not have the stack's subscription filter; others: datadog"),
        ([], "fail", "does not have the stack's subscription filter"),
        ([stacks_filter(destinationArn="arn:x")], "fail", "another destination"),
        ([stacks_filter(filterPattern="ERROR")], "fail", "another pattern"),
        (refusal("DescribeSubscriptionFilters"), "fail", "refuses DescribeSubscriptionFilters"),
    ],
)
def test_filters_of_a_log_group(filters: Any, status: str, said: str) -> None:
    first, delivery = checked(filters)
    assert (first.name, first.status.value) == ("tracked log group", status)
    assert said in first.detail
    assert (delivery.name, delivery.status.value) == ("delivery", "ok")
    if status == "fail" and isinstance(filters, list):
        assert f"--filter-pattern '{FILTER_PATTERN}'" in first.remedy


def test_since_when_the_filter_is_there_is_returned() -> None:
    described = {"logGroups": [{"logGroupName": "/app/checkout"}]}
    filters = {
        "subscriptionFilters": [
            {**OTHER, "creationTime": 1},
            {**stacks_filter(), "creationTime": 7},
        ]
    }
    given = context(
        account(
            logs={
                "describe_log_groups": described,
                "describe_subscription_filters": filters,
            }
        )
    )
    _, subscribed_ms = outcome(check_tracked_log_groups(given))
    assert subscribed_ms == {"/app/checkout": 7}


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        ([], "/app/checkout does not exist"),
        ({"logGroups": []}, "/app/checkout does not exist"),
        ({"logGroups": [{"logGroupName": "/app/checkout-2"}]}, "/app/checkout does not exist"),
        (
            {
                "logGroups": [
                    {"logGroupName": "/app/checkout", "logGroupClass": "INFREQUENT_ACCESS"}
                ]
            },
            "of the class INFREQUENT_ACCESS",
        ),
    ],
)
def test_a_log_group_that_cannot_be_tracked(groups: Any, said: str) -> None:
    first, _ = checked([stacks_filter()], groups=groups)
    assert first.status.value == "fail"
    assert said in first.detail


@pytest.mark.parametrize(
    ("metrics", "status", "said"),
    [
        ({"ForwardedLogEvents": 7.0}, "ok", "7 lines forwarded in the last hour"),
        ({"ForwardedLogEvents": 7.0, "DeliveryErrors": 1.0}, "fail", "1 delivery error"),
        ({"DeliveryThrottling": 3.0}, "warn", "3 throttled"),
    ],
)
def test_delivery(metrics: dict[str, float], status: str, said: str) -> None:
    _, delivery = checked([stacks_filter()], metrics=metrics)
    assert delivery.status.value == status
    assert said in delivery.detail


class TestThroughKinesis:
    STREAM = resource("ValidatorIngestStream", "stream-1", "AWS::Kinesis::Stream")
    MAPPING = resource("Mapping", "uuid", "AWS::Lambda::EventSourceMapping")
    ARN: ClassVar = {"Fn::GetAtt": [STREAM.logical_id, "Arn"]}
    PROPERTIES: ClassVar[dict[str, Any]] = {
        "stream-1": {},
        "uuid": {
            "FunctionName": {"Ref": "OpenReplayValidatorFunction0A1B2C3D"},
            "EventSourceArn": ARN,
        },
    }

    def test_a_filter_that_feeds_the_stream_is_ours(self) -> None:
        filters = [resource("F1", "one", FILTER), resource("F2", "two", FILTER)]
        tracked, findings = found(
            [self.STREAM, self.MAPPING, *filters],
            {
                **self.PROPERTIES,
                "one": {"LogGroupName": "/app", "DestinationArn": self.ARN},
                "two": {"LogGroupName": "/b", "DestinationArn": {"Fn::GetAtt": ["Other", "Arn"]}},
            },
        )
        stream_arn = "arn:aws:kinesis:" + ":".join(VALIDATOR_ARN.split(":")[3:5])
        assert tracked == (TrackedLogGroup("/app", "one", f"{stream_arn}:stream/stream-1"),)
        assert findings == []

    def test_other_accounts_alone_are_enough(self) -> None:
        destination = resource("Destination", "here", "AWS::Logs::Destination")
        _, findings = found(
            [self.STREAM, self.MAPPING, destination], {**self.PROPERTIES, "here": {}}
        )
        assert statuses(findings) == [("tracked log group", "ok")]

    def test_a_filter_with_another_destination_is_none_that_we_can_put_back(self) -> None:
        given = context(
            account(
                logs={
                    "describe_log_groups": {"logGroups": [{"logGroupName": "/app"}]},
                    "describe_subscription_filters": {
                        "subscriptionFilters": [{**stacks_filter(), "filterName": "one"}]
                    },
                }
            )
        )
        tracked = [TrackedLogGroup("/app", "one", "arn:aws:kinesis:x")]
        first, _ = check_tracked_log_groups(replace(given, tracked=tracked))
        assert first.status.value == "fail"
        assert "deploy without the log group" in first.remedy
