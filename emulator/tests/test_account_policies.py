from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from emulator import Emulator
from emulator.tests.support import (
    ACCOUNT,
    PRINTING,
    create_function,
    create_group,
    delete_stack,
    delivered_messages,
    deliveries,
    deploy,
    failure_reasons,
    lines_of,
    name_of,
    outputs,
    permit_logs,
    put,
    subscribe,
    unique,
    wait_for,
)

pytestmark = pytest.mark.emulator

KIND = "SUBSCRIPTION_FILTER_POLICY"


@pytest.fixture(autouse=True)
def no_policy(aws: Emulator) -> Iterator[None]:
    """An account can have one policy, so each test removes its own."""
    yield
    logs = aws.client("logs")
    for policy in logs.describe_account_policies(policyType=KIND)["accountPolicies"]:
        logs.delete_account_policy(policyName=policy["policyName"], policyType=KIND)


def put_policy(aws: Emulator, document: dict[str, Any], **arguments: Any) -> dict[str, Any]:
    request = {
        "policyName": unique("policy"),
        "policyType": KIND,
        "scope": "ALL",
        "policyDocument": json.dumps(document),
        **arguments,
    }
    policy: dict[str, Any] = aws.client("logs").put_account_policy(**request)["accountPolicy"]
    return policy


def all_but(*groups: str) -> str:
    return f"LogGroupName NOT IN {json.dumps(groups)}"


def own_group(function: str) -> str:
    return f"/aws/lambda/{name_of(function)}"


def refusal(aws: Emulator, document: dict[str, Any], **arguments: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as error:
        put_policy(aws, document, **arguments)
    found = error.value.response["Error"]
    return found["Code"], found["Message"]


def test_every_group_that_is_not_excluded_is_delivered(aws: Emulator) -> None:
    function, before, excluded = (
        create_function(aws, PRINTING),
        create_group(aws),
        create_group(aws),
    )
    policy = put_policy(
        aws,
        {"DestinationArn": function, "FilterPattern": "wanted"},
        selectionCriteria=all_but(excluded, own_group(function)),
    )
    after, infrequent = create_group(aws), create_group(aws, logGroupClass="INFREQUENT_ACCESS")
    for group in (excluded, infrequent, before, after):
        put(aws, group, f"wanted {group}", "other")
    messages = [f"wanted {before}", f"wanted {after}"]
    wait_for(lambda: sorted(delivered_messages(aws, function)) == sorted(messages))
    payload = next(one for one in deliveries(aws, function) if one["logGroup"] == before)
    assert payload["subscriptionFilters"] == [policy["policyName"]]
    assert payload["policyLevel"] == "ACCOUNT_LEVEL_POLICY"
    assert payload["owner"] == ACCOUNT


def test_filters_of_the_group_itself_are_served_besides(aws: Emulator) -> None:
    function, other = create_function(aws, PRINTING), create_function(aws, PRINTING)
    group = create_group(aws)
    subscribe(aws, group, other)
    put_policy(
        aws,
        {"DestinationArn": function},
        selectionCriteria=all_but(own_group(function), own_group(other)),
    )
    put(aws, group, "line")
    assert wait_for(lambda: delivered_messages(aws, function)) == ["line"]
    assert wait_for(lambda: delivered_messages(aws, other)) == ["line"]
    assert "policyLevel" not in deliveries(aws, other)[0]


def test_a_policy_is_described_updated_and_deleted(aws: Emulator) -> None:
    function, group = create_function(aws, PRINTING), create_group(aws)
    logs, criteria = aws.client("logs"), all_but(own_group(function))
    policy = put_policy(aws, {"DestinationArn": function}, selectionCriteria=criteria)
    assert policy["accountId"] == ACCOUNT
    assert policy["selectionCriteria"] == criteria
    name = policy["policyName"]
    assert logs.describe_account_policies(policyType=KIND)["accountPolicies"] == [policy]
    code, _ = refusal(aws, {"DestinationArn": function})
    assert code == "LimitExceededException"
    put_policy(
        aws,
        {"DestinationArn": function, "FilterPattern": "second"},
        policyName=name,
        selectionCriteria=criteria,
    )
    put(aws, group, "first", "second")
    wait_for(lambda: delivered_messages(aws, function) == ["second"])
    logs.delete_account_policy(policyName=name, policyType=KIND)
    put(aws, group, "second")
    time.sleep(0.3)
    assert delivered_messages(aws, function) == ["second"]
    with pytest.raises(logs.exceptions.ResourceNotFoundException):
        logs.delete_account_policy(policyName=name, policyType=KIND)


@pytest.mark.parametrize(
    "criteria",
    [
        'LogGroupName IN ["a"]',
        'LogGroupNamePrefix NOT IN ["a"]',
        "LogGroupName NOT IN [a]",
        "LogGroupName NOT IN [1]",
        'LogGroupName NOT IN ["a"] AND true',
        all_but("é" * 13_000),
    ],
)
def test_selection_criteria_have_one_form_and_a_limit(aws: Emulator, criteria: str) -> None:
    function = create_function(aws, PRINTING)
    code, message = refusal(aws, {"DestinationArn": function}, selectionCriteria=criteria)
    assert code == "InvalidParameterException"
    assert "selectionCriteria" in message


def test_the_permission_has_to_cover_every_group(aws: Emulator) -> None:
    function = create_function(aws, PRINTING, open_to_logs=False)
    groups = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:"
    assert "Could not execute" in refusal(aws, {"DestinationArn": function})[1]
    permit_logs(aws, name_of(function), SourceArn=f"{groups}one:*")
    assert "Could not execute" in refusal(aws, {"DestinationArn": function})[1]
    permit_logs(aws, name_of(function), SourceArn=f"{groups}*", SourceAccount=ACCOUNT)
    put_policy(aws, {"DestinationArn": function}, selectionCriteria=all_but(own_group(function)))
    put(aws, create_group(aws), "line")
    assert wait_for(lambda: delivered_messages(aws, function)) == ["line"]


def test_a_function_whose_own_group_is_not_excluded_loops_until_the_hard_stop(
    aws: Emulator,
) -> None:
    function = create_function(aws, "def handler(event, context): pass")
    put_policy(aws, {"DestinationArn": function, "FilterPattern": "START"})

    def starts() -> int:
        return sum(line.startswith("START") for line in lines_of(aws, function))

    # The function's output for the control message may precede the policy.
    put(aws, create_group(aws), "START of another program")
    stopped = f" of {own_group(function)} is 10 deliveries deep"
    wait_for(lambda: stopped in aws.log_path.read_text())

    def settled() -> int:
        before = starts()
        time.sleep(1)
        return before if before == starts() else 0

    assert wait_for(settled) >= 10


def policy_resource(function: str, **properties: str) -> dict[str, Any]:
    return {
        "Policy": {
            "Type": "AWS::Logs::AccountPolicy",
            "Properties": {
                "PolicyName": "mine",
                "PolicyType": KIND,
                "PolicyDocument": json.dumps({"DestinationArn": function, "FilterPattern": "a"}),
                "SelectionCriteria": all_but(own_group(function)),
                **properties,
            },
        }
    }


def test_a_stack_has_a_policy(aws: Emulator) -> None:
    function, group, stack = create_function(aws, PRINTING), create_group(aws), unique("stack")
    created = deploy(aws, stack, policy_resource(function))
    assert created["StackStatus"] == "CREATE_COMPLETE"
    assert outputs(created)["PolicyRef"] == f"{ACCOUNT}|{KIND}|mine"
    document = json.dumps({"DestinationArn": function, "FilterPattern": "b"})
    updated = deploy(aws, stack, policy_resource(function, PolicyDocument=document))
    assert updated["StackStatus"] == "UPDATE_COMPLETE"
    put(aws, group, "a", "b")
    assert wait_for(lambda: delivered_messages(aws, function)) == ["b"]
    renamed = deploy(aws, stack, policy_resource(function, PolicyName="renamed"))
    assert outputs(renamed)["PolicyRef"] == f"{ACCOUNT}|{KIND}|renamed"
    logs = aws.client("logs")
    found = logs.describe_account_policies(policyType=KIND)["accountPolicies"]
    assert [policy["policyName"] for policy in found] == ["renamed"]
    delete_stack(aws, stack)
    assert not logs.describe_account_policies(policyType=KIND)["accountPolicies"]


def test_a_stack_with_a_second_policy_rolls_back(aws: Emulator) -> None:
    function, stack = create_function(aws, PRINTING), unique("stack")
    put_policy(aws, {"DestinationArn": function}, selectionCriteria=all_but(own_group(function)))
    assert deploy(aws, stack, policy_resource(function))["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "LimitExceededException" in failure_reasons(aws, stack)
