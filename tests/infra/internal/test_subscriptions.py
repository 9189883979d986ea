from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import assertions
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_logs_destinations as destinations

from openreplay_cw_stack import Ingest, OpenReplayCloudWatch, OpenReplayCloudWatchStack
from openreplay_cw_stack.contract.filter_pattern import FILTER_PATTERN
from openreplay_cw_stack.infra.internal.subscription_limits import RESOURCES_ALLOWED
from openreplay_cw_stack.infra.internal.subscriptions import CHAIN_WIDTH
from openreplay_cw_stack.tagging import Verdict, judge
from tests.infra.conftest import (
    EVERY_FUNCTION,
    a_stack,
    an_app,
    default_template,
    only,
    resources,
    template_of,
)
from tests.tagging.test_conformance import LINES

EXPRESSION = re.compile(FILTER_PATTERN.strip("%"))


class TestFilterPattern:
    def test_it_is_one_that_cloudwatch_logs_takes(self) -> None:
        assert FILTER_PATTERN.startswith("%")
        assert FILTER_PATTERN.endswith("%")
        assert FILTER_PATTERN.count("%") == 2
        assert len(FILTER_PATTERN) <= 1024
        assert re.fullmatch(r"%[A-Za-z0-9:_#=@/;,\-^$?\[\]{}|\\*+.]+%", FILTER_PATTERN)

    @pytest.mark.parametrize("line", LINES, ids=lambda line: line["id"])
    def test_every_line_with_a_tag_passes(self, line: dict[str, str]) -> None:
        if judge(line["message"]).verdict is not Verdict.UNTAGGED:
            assert EXPRESSION.search(line["message"])

    @pytest.mark.parametrize(
        "message", ["ERROR no stock left", "openReplay", "session token expired", "openreplay_key"]
    )
    def test_other_lines_cost_nothing(self, message: str) -> None:
        assert not EXPRESSION.search(message)


def test_one_permission_serves_every_log_group() -> None:
    template = template_of(a_stack(new_log_groups=[f"/app/{number}" for number in range(12)]))
    properties = only(template, "AWS::Lambda::Permission", "Validator")
    assert properties["Principal"] == "logs.amazonaws.com"
    assert properties["SourceAccount"] == {"Ref": "AWS::AccountId"}
    assert properties["SourceArn"]["Fn::Join"][1][-1] == ":log-group:*"
    assert len(resources(template, "AWS::Logs::SubscriptionFilter")) == 12


def test_filters_are_made_a_few_at_a_time() -> None:
    template = template_of(a_stack(new_log_groups=[f"/app/{number}" for number in range(12)]))
    filters = resources(template, "AWS::Logs::SubscriptionFilter")
    permissions = resources(template, "AWS::Lambda::Permission")
    (permission,) = [name for name in permissions if "Validator" in name]
    depth: dict[str, int] = {}

    def depth_of(name: str) -> int:
        if name not in depth:
            before = [one for one in filters[name]["DependsOn"] if one in filters]
            depth[name] = 1 + max(map(depth_of, before), default=0)
        return depth[name]

    for name, one in filters.items():
        assert permission in one["DependsOn"]
        depth_of(name)
    for level in set(depth.values()):
        assert list(depth.values()).count(level) <= CHAIN_WIDTH
    assert max(depth.values()) == 3


def test_the_order_of_log_groups_changes_no_logical_id() -> None:
    names = ["/app/a", "/app/b", "/app/c", "/app-c"]
    one, other = (
        template_of(a_stack(new_log_groups=order)) for order in (names, list(reversed(names)))
    )
    for kind in ("AWS::Logs::SubscriptionFilter", "AWS::Logs::LogGroup"):
        assert set(resources(one, kind)) == set(resources(other, kind))


def a_host() -> tuple[cdk.Stack, OpenReplayCloudWatch]:
    stack = cdk.Stack(an_app(), "Host")
    return stack, OpenReplayCloudWatch(stack, "OpenReplay", new_log_groups=["/app/checkout"])


def by_name(name: str) -> Callable[[cdk.Stack], logs.ILogGroup]:
    return lambda stack: logs.LogGroup.from_log_group_name(stack, "Again", name)


def by_arn(name: str, end: str = ":*") -> Callable[[cdk.Stack], logs.ILogGroup]:
    arn = f"arn:aws:logs:eu-west-1:123456789012:log-group:{name}{end}"
    return lambda stack: logs.LogGroup.from_log_group_arn(stack, "Again", arn)


@pytest.mark.parametrize(
    ("log_group", "words"),
    [
        (by_name("/app/checkout"), "/app/checkout is already tracked"),
        (by_arn("/app/checkout"), "/app/checkout is already tracked"),
        (by_arn("/app/checkout", end=""), "/app/checkout is already tracked"),
        (
            lambda stack: logs.LogGroup(
                stack, "Rare", log_group_class=logs.LogGroupClass.INFREQUENT_ACCESS
            ),
            "the log group at Host/Rare cannot be tracked: only log groups of the Standard class",
        ),
    ],
)
def test_what_cannot_be_tracked_is_refused_with_the_reason(
    log_group: Callable[[cdk.Stack], logs.ILogGroup], words: str
) -> None:
    stack, integration = a_host()
    with pytest.raises(ValueError, match=words):
        integration.track(log_group(stack))


def test_the_validators_own_group_is_refused() -> None:
    _, integration = a_host()
    with pytest.raises(ValueError, match="the validator's own"):
        integration.track(integration.validator.log_group)


def test_the_bridges_own_group_is_refused() -> None:
    _, integration = a_host()
    assert integration.bridge is not None
    with pytest.raises(ValueError, match="the bridge's own"):
        integration.track(integration.bridge.log_group)


def test_a_group_whose_name_is_chosen_at_deploy_time_is_known_again() -> None:
    stack, integration = a_host()
    group = logs.LogGroup(stack, "Later")
    integration.track(group)
    with pytest.raises(ValueError, match="the log group at Host/Later is already tracked"):
        integration.track(group)
    alias = logs.LogGroup.from_log_group_name(stack, "Alias", group.log_group_name)
    with pytest.raises(ValueError, match="already tracked"):
        integration.track(alias)
    integration.track(logs.LogGroup(stack, "Another"))


@pytest.mark.parametrize(
    ("arn", "words"),
    [
        ("arn:aws:logs:us-east-1:123456789012:log-group:/far", "is in region us-east-1"),
        ("arn:aws:logs:eu-west-1:210987654321:log-group:/far", "is in account 210987654321"),
    ],
)
def test_a_group_somewhere_else_is_refused(arn: str, words: str) -> None:
    stack = cdk.Stack(
        an_app(), "Host", env=cdk.Environment(account="123456789012", region="eu-west-1")
    )
    integration = OpenReplayCloudWatch(stack, "OpenReplay", service_account=False)
    with pytest.raises(ValueError, match=words):
        integration.track(logs.LogGroup.from_log_group_arn(stack, "Far", arn))


def filters_besides(count: int) -> tuple[cdk.Stack, OpenReplayCloudWatch]:
    """A group with ``count`` filters of its owner's and one of ours, partly through an alias."""
    stack, integration = a_host()
    group = logs.LogGroup(stack, "Busy", log_group_name="/busy")
    alias = logs.LogGroup.from_log_group_name(stack, "Alias", "/busy")
    function = lambda_.Function.from_function_arn(
        stack, "Other", "arn:aws:lambda:eu-west-1:123456789012:function:other"
    )
    for number in range(count):
        logs.SubscriptionFilter(
            stack,
            f"Filter{number}",
            log_group=alias if number % 2 else group,
            destination=destinations.LambdaDestination(function, add_permissions=False),
            filter_pattern=logs.FilterPattern.all_events(),
        )
    integration.track(alias)
    return stack, integration


class TestFilterCount:
    WARNING = "*/busy has * subscription filters in this app*"

    def test_two_pass_in_silence(self) -> None:
        stack, _ = filters_besides(1)
        template_of(stack)
        warnings = assertions.Annotations.from_stack(stack)
        assert warnings.find_warning("*", assertions.Match.string_like_regexp("/busy")) == []

    def test_more_than_two_are_warned_of(self) -> None:
        stack, _ = filters_besides(2)
        warnings = assertions.Annotations.from_stack(stack)
        found = warnings.find_warning("*", assertions.Match.string_like_regexp("/busy has 3"))
        assert len(found) == 1

    def test_more_than_five_are_refused(self) -> None:
        stack, _ = filters_besides(5)
        with pytest.raises(RuntimeError, match="/busy has 6 subscription filters in this app"):
            template_of(stack)


def test_nothing_is_parented_outside_the_construct() -> None:
    stack, integration = a_host()
    integration.track(logs.LogGroup.from_log_group_name(stack, "Lambda", "/aws/lambda/x"))
    assert {child.node.id for child in stack.node.children} == {"OpenReplay", "Lambda"}


def an_account(**keywords: Any) -> OpenReplayCloudWatchStack:
    return a_stack(new_log_groups=[], track_account=True, service_account=False, **keywords)


class TestAccount:
    def account_policy(self, stack: cdk.Stack) -> dict[str, Any]:
        return only(template_of(stack), "AWS::Logs::AccountPolicy")

    def test_one_policy_tracks_every_log_group_but_ours(self) -> None:
        stack = an_account(**EVERY_FUNCTION)
        template = template_of(stack)
        policy = only(template, "AWS::Logs::AccountPolicy")
        assert policy["PolicyType"] == "SUBSCRIPTION_FILTER_POLICY"
        assert policy["Scope"] == "ALL"
        parts = policy["SelectionCriteria"]["Fn::Join"][1]
        assert "".join(one if isinstance(one, str) else "x" for one in parts) == (
            "LogGroupName NOT IN [" + ",".join(['"x"'] * (len(parts) // 2)) + "]"
        )
        excluded = {one["Ref"] for one in parts if isinstance(one, dict)}
        assert excluded == set(resources(template, "AWS::Logs::LogGroup"))
        assert len(excluded) >= 6
        assert resources(template, "AWS::Logs::SubscriptionFilter") == {}

    def test_the_access_logs_of_the_bridge_are_excluded_too(self) -> None:
        template = template_of(an_account())
        criteria = json.dumps(only(template, "AWS::Logs::AccountPolicy")["SelectionCriteria"])
        for name in resources(template, "AWS::Logs::LogGroup"):
            assert f'"Ref": "{name}"' in criteria

    def test_it_delivers_what_a_filter_does_to_the_function(self) -> None:
        template = template_of(an_account())
        policy = only(template, "AWS::Logs::AccountPolicy")
        parts = policy["PolicyDocument"]["Fn::Join"][1]
        text = "".join(one if isinstance(one, str) else "arn" for one in parts)
        assert json.loads(text) == {"DestinationArn": "arn", "FilterPattern": FILTER_PATTERN}
        (name,) = resources(template, "AWS::Logs::AccountPolicy")
        (permission,) = [
            one for one in resources(template, "AWS::Lambda::Permission") if "Validator" in one
        ]
        assert permission in resources(template, "AWS::Logs::AccountPolicy")[name]["DependsOn"]

    def test_through_kinesis_it_has_a_role(self) -> None:
        stack = an_account(ingest=Ingest.KINESIS)
        parts = self.account_policy(stack)["PolicyDocument"]["Fn::Join"][1]
        text = "".join(one if isinstance(one, str) else one["Fn::GetAtt"][0] for one in parts)
        assert "IngestStream" in json.loads(text)["DestinationArn"]
        assert "IngestRole" in json.loads(text)["RoleArn"]
        assert json.loads(text)["Distribution"] == "Random"

    def test_the_users_own_can_be_left_out(self) -> None:
        stack = an_account(excluded_log_groups=["/noise", "/more"])
        mine = logs.LogGroup.from_log_group_name(stack, "More", "/more")
        stack.integration.validator.refuse(mine, "I say so")
        criteria = json.dumps(self.account_policy(stack)["SelectionCriteria"])
        assert "/noise" in criteria
        assert criteria.count("/more") == 1

    def test_two_deployments_have_two_names(self) -> None:
        names = {
            self.account_policy(
                OpenReplayCloudWatchStack(an_app(), name, track_account=True, service_account=False)
            )["PolicyName"]
            for name in ("One", "Other")
        }
        assert len(names) == 2

    def test_a_group_that_is_tracked_later_is_refused_as_well(self) -> None:
        stack = an_account()
        group = logs.LogGroup.from_log_group_name(stack, "Later", "/later")
        with pytest.raises(ValueError, match="every line would be delivered twice"):
            stack.integration.track(group)

    def test_criteria_that_are_too_long_end_the_synth(self) -> None:
        names = [f"/{number:0510}" for number in range(48)]
        stack = an_account(excluded_log_groups=names)
        with pytest.raises(RuntimeError, match="name fewer excluded_log_groups"):
            template_of(stack)
        few = an_account(excluded_log_groups=names[:40])
        assert "AWS::Logs::AccountPolicy" in str(template_of(few).to_json())


@pytest.mark.slow
class TestResourceCount:
    """As many tracked log groups as a stack can have."""

    def names(self, count: int, length: int = 46) -> list[str]:
        return [f"/{number:0{length - 1}}" for number in range(count)]

    def most(self) -> int:
        """A filter each, and five alarms. One log group is there, which is created."""
        others = len(default_template().to_json()["Resources"]) - 3 + 5
        return RESOURCES_ALLOWED - others

    @pytest.mark.parametrize("length", [46, 512])
    def test_the_largest_stack_is_within_every_limit(self, length: int) -> None:
        names = self.names(self.most(), length)
        template = template_of(
            a_stack(new_log_groups=[], log_groups=names, service_account_log_groups=names[:1])
        ).to_json()
        assert len(template["Resources"]) == RESOURCES_ALLOWED
        # AWS documentation, "Understand CloudFormation quotas": a template has 1 MB at most.
        assert len(json.dumps(template, indent=1)) < 1_000_000

    def test_one_more_ends_the_synth_and_says_what_to_do(self) -> None:
        stack = a_stack(
            new_log_groups=[],
            log_groups=self.names(self.most() + 1),
            service_account_log_groups=["/one"],
        )
        with pytest.raises(RuntimeError) as error:
            template_of(stack)
        for words in ("has 501 resources", "CloudFormation allows 500", "track_account=True"):
            assert words in str(error.value)

    def test_the_hosts_own_resources_count(self) -> None:
        stack, integration = a_host()
        for number in range(470):
            cdk.CfnResource(
                stack, f"Other{number}", type="AWS::CloudFormation::WaitConditionHandle"
            )
        integration.track(logs.LogGroup.from_log_group_name(stack, "One", "/one"))
        with pytest.raises(RuntimeError, match="it tracks 2 log groups"):
            template_of(stack)

    def test_a_nested_stacks_do_not(self) -> None:
        stack, integration = a_host()
        nested = cdk.NestedStack(stack, "Nested")
        for number in range(470):
            cdk.CfnResource(
                nested, f"Other{number}", type="AWS::CloudFormation::WaitConditionHandle"
            )
        integration.track(logs.LogGroup.from_log_group_name(stack, "One", "/one"))
        template_of(stack)


def by_token(name: str) -> Callable[[cdk.Stack, logs.ILogGroup], logs.ILogGroup]:
    """An alias that has the log group's name or its ARN as a reference."""
    if name == "name":
        return lambda stack, group: logs.LogGroup.from_log_group_name(
            stack, "Again", group.log_group_name
        )
    return lambda stack, group: logs.LogGroup.from_log_group_arn(
        stack, "Again", group.log_group_arn
    )


@pytest.mark.parametrize("kind", ["name", "arn"])
@pytest.mark.parametrize("whose", ["validator", "bridge"])
def test_an_alias_by_reference_is_refused(kind: str, whose: str) -> None:
    stack = cdk.Stack(an_app(), "Host")
    integration = OpenReplayCloudWatch(stack, "OpenReplay", service_account=False)
    assert integration.bridge is not None
    group = {
        "validator": integration.validator.log_group,
        "bridge": integration.bridge.log_group,
    }[whose]
    with pytest.raises(ValueError, match="cannot be tracked: it is"):
        integration.track(by_token(kind)(stack, group))


def test_another_stacks_alias_is_refused() -> None:
    app = an_app()
    stack, other = cdk.Stack(app, "Host"), cdk.Stack(app, "Other")
    integration = OpenReplayCloudWatch(stack, "OpenReplay", service_account=False)
    name = integration.validator.log_group.log_group_name
    alias = logs.LogGroup.from_log_group_name(other, "Alias", name)
    with pytest.raises(ValueError, match="it is the validator's own"):
        integration.track(alias)
