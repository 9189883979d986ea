from __future__ import annotations

from typing import Any

import pytest

from openreplay_cw_stack.commands.deployed.deployment import Deployment
from openreplay_cw_stack.commands.deployed.stack import Resource
from openreplay_cw_stack.commands.deployed.tracked_log_groups import (
    AccountPolicy,
    Tracked,
    TrackedLogGroup,
    find_tracked,
    subscription_filters,
)
from tests.commands.support import account, function, refusal, resource, stack

VALIDATOR = {"Fn::GetAtt": ["OpenReplayValidatorFunction0A1B2C3D", "Arn"]}
STREAM = resource("Stream", "stream-1", "AWS::Kinesis::Stream")
STREAM_ARN = {"Fn::GetAtt": [STREAM.logical_id, "Arn"]}


def found(*resources: tuple[Resource, dict[str, Any]]) -> Tracked:
    body = {"Resources": {one.logical_id: {"Properties": its} for one, its in resources}}
    of = account(cloudformation={"get_template": {"TemplateBody": body}})
    shop = stack(*(one for one, _ in resources))
    return find_tracked(of, Deployment("Shop", shop, {"validator": function("validator")}, True))


def test_filters_with_and_without_a_known_log_group() -> None:
    kind = "AWS::Logs::SubscriptionFilter"
    assert found(
        (resource("One", "one", kind), {"LogGroupName": "/app", "DestinationArn": VALIDATOR}),
        (resource("Two", "two", kind), {"LogGroupName": {"X": 1}, "DestinationArn": VALIDATOR}),
        (resource("Other", "other", kind), {"LogGroupName": "/b", "DestinationArn": "arn:x"}),
    ) == Tracked(groups=(TrackedLogGroup("/app", "one"),), unknown=("two",))


@pytest.mark.parametrize("kind", ["SUBSCRIPTION_FILTER_POLICY", None])
def test_account_policies(kind: str | None) -> None:
    of_type = "AWS::Logs::AccountPolicy"
    properties = {"PolicyName": "all", "PolicyDocument": VALIDATOR}
    properties |= {"PolicyType": kind} if kind else {}
    tracked = found(
        (resource("One", "1", of_type), properties),
        (resource("Two", "2", of_type), {"PolicyName": "of-another"}),
    )
    assert tracked == Tracked(policies=(AccountPolicy("SUBSCRIPTION_FILTER_POLICY", "all"),))


def test_destinations_count_where_the_validator_reads_a_stream() -> None:
    destination: tuple[Resource, dict[str, Any]]
    destination = (resource("Destination", "here", "AWS::Logs::Destination"), {})
    assert found(destination) == Tracked()
    mapping = resource("Mapping", "uuid", "AWS::Lambda::EventSourceMapping")
    reads = {"FunctionName": VALIDATOR, "EventSourceArn": STREAM_ARN}
    assert found(destination, (STREAM, {}), (mapping, reads)) == Tracked(destinations=("here",))


def test_without_a_validator_nothing_is_read() -> None:
    assert find_tracked(account(), Deployment("Shop", stack(), {}, alone=True)) == Tracked()


def test_a_template_that_may_not_be_read() -> None:
    of = account(cloudformation={"get_template": refusal("GetTemplate")})
    deployment = Deployment("Shop", stack(), {"validator": function("validator")}, alone=True)
    with pytest.raises(type(refusal("X")), match="GetTemplate"):
        find_tracked(of, deployment)


def test_filters_of_a_log_group_over_several_pages() -> None:
    pages = [{"subscriptionFilters": [{"filterName": name}]} for name in ("one", "two")]
    of = account(logs={"describe_subscription_filters": pages})
    assert [one["filterName"] for one in subscription_filters(of, "/app")] == ["one", "two"]
