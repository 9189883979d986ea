from __future__ import annotations

import re
from collections.abc import Callable

import aws_cdk as cdk
import pytest
from aws_cdk import assertions
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_logs_destinations as destinations

from openreplay_cw_stack import OpenReplayCloudWatch
from openreplay_cw_stack.infra.subscriptions import CHAIN_WIDTH
from openreplay_cw_stack.tagging import Verdict, judge
from openreplay_cw_stack.tagging.filter_pattern import FILTER_PATTERN
from tests.infra.conftest import a_stack, an_app, only, resources, template_of
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
    linked = logs.LogGroup(stack, "Linked", log_group_name="/linked")
    return stack, OpenReplayCloudWatch(
        stack, "OpenReplay", new_log_groups=["/app/checkout"], linked_log_group=linked
    )


def by_name(name: str) -> Callable[[cdk.Stack], logs.ILogGroup]:
    return lambda stack: logs.LogGroup.from_log_group_name(stack, "Again", name)


def by_arn(name: str) -> Callable[[cdk.Stack], logs.ILogGroup]:
    arn = f"arn:aws:logs:eu-west-1:123456789012:log-group:{name}:*"
    return lambda stack: logs.LogGroup.from_log_group_arn(stack, "Again", arn)


@pytest.mark.parametrize(
    ("log_group", "words"),
    [
        (by_name("/app/checkout"), "/app/checkout is tracked already"),
        (by_arn("/app/checkout"), "/app/checkout is tracked already"),
        (by_name("/linked"), "/linked cannot be tracked: it is the linked log group"),
        (by_arn("/linked"), "it would be fed its own output"),
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
    with pytest.raises(ValueError, match="the log group at Host/Later is tracked already"):
        integration.track(group)
    alias = logs.LogGroup.from_log_group_name(stack, "Alias", group.log_group_name)
    with pytest.raises(ValueError, match="tracked already"):
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
    integration = OpenReplayCloudWatch(stack, "OpenReplay")
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
    assert {child.node.id for child in stack.node.children} == {"Linked", "OpenReplay", "Lambda"}
