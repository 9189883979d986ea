from __future__ import annotations

import json
from typing import Any

import pytest

from emulator import Emulator
from emulator.tests.support import (
    create_function,
    delete_stack,
    deploy,
    failure_reasons,
    lines_of,
    unique,
)

pytestmark = pytest.mark.emulator

# Reports its event and the stack's status, and responds as the resource's properties specify.
PROVIDER = """
import json, urllib.request
import boto3
def handler(event, context):
    stacks = boto3.client("cloudformation")
    status = stacks.describe_stacks(StackName=event["StackId"])["Stacks"][0]["StackStatus"]
    print("EVENT " + json.dumps([status, event]))
    properties = event["ResourceProperties"]
    if properties.get("Raise") == event["RequestType"]:
        raise RuntimeError("as told")
    if properties.get("Silent") == event["RequestType"]:
        return
    failed = properties.get("Fail") == event["RequestType"]
    answer = {
        "Status": "FAILED" if failed else "SUCCESS",
        "Reason": "as told",
        "PhysicalResourceId": properties["Id"],
        "StackId": event["StackId"],
        "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
        "Data": {"Answer": "42", "Secret": "precious"},
        "NoEcho": properties.get("NoEcho") == "true",
    }
    request = urllib.request.Request(
        event["ResponseURL"], data=json.dumps(answer).encode(), method="PUT",
        headers={"Content-Type": ""},
    )
    urllib.request.urlopen(request, timeout=10).close()
"""


@pytest.fixture(scope="module")
def provider(aws: Emulator) -> str:
    return create_function(aws, PROVIDER)


def resource(provider: str, **properties: Any) -> dict[str, Any]:
    defaults = {"ServiceToken": provider, "ServiceTimeout": 10, "Id": "first"}
    return {"Type": "Custom::Thing", "Properties": {**defaults, **properties}}


def events(aws: Emulator, provider: str, stack: str) -> list[tuple[str, dict[str, Any]]]:
    """The stack's status and the event of each request to a provider for a stack."""
    found = [json.loads(line[6:]) for line in lines_of(aws, provider) if line.startswith("EVENT ")]
    return [(status, event) for status, event in found if f":stack/{stack}/" in event["StackId"]]


def requests(aws: Emulator, provider: str, stack: str) -> list[tuple[str, str, str]]:
    return [
        (status, event["RequestType"], event.get("PhysicalResourceId", ""))
        for status, event in events(aws, provider, stack)
    ]


def test_the_life_of_a_resource(aws: Emulator, provider: str) -> None:
    stack = unique("stack")
    odd = {"Flag": True, "Number": 7, "Nested": {"List": [1, False, "x"]}}
    deploy(aws, stack, {"Thing": resource(provider, **odd)})
    deploy(aws, stack, {"Thing": resource(provider, Flag=False)})
    delete_stack(aws, stack)
    assert requests(aws, provider, stack) == [
        ("CREATE_IN_PROGRESS", "Create", ""),
        ("UPDATE_IN_PROGRESS", "Update", "first"),
        ("DELETE_IN_PROGRESS", "Delete", "first"),
    ]
    created, updated, deleted = (event for _, event in events(aws, provider, stack))
    assert created["ResourceType"] == "Custom::Thing"
    assert created["LogicalResourceId"] == "Thing"
    assert created["ResponseURL"].startswith("http")
    assert created["ResourceProperties"] == {
        "ServiceToken": provider,
        "ServiceTimeout": "10",
        "Id": "first",
        "Flag": "true",
        "Number": "7",
        "Nested": {"List": ["1", "false", "x"]},
    }
    assert "OldResourceProperties" not in created
    assert updated["OldResourceProperties"] == created["ResourceProperties"]
    assert updated["ResourceProperties"]["Flag"] == "false"
    assert deleted["ResourceProperties"] == updated["ResourceProperties"]
    assert "OldResourceProperties" not in deleted
    assert len({one["RequestId"] for one in (created, updated, deleted)}) == 3
    assert len({one["StackId"] for one in (created, updated, deleted)}) == 1


def test_another_physical_id_deletes_the_former_in_the_clean_up(
    aws: Emulator, provider: str
) -> None:
    stack = unique("stack")
    deploy(aws, stack, {"Thing": resource(provider)})
    deploy(aws, stack, {"Thing": resource(provider, Id="second")})
    assert requests(aws, provider, stack)[1:] == [
        ("UPDATE_IN_PROGRESS", "Update", "first"),
        ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "Delete", "first"),
    ]
    assert events(aws, provider, stack)[2][1]["ResourceProperties"]["Id"] == "first"
    delete_stack(aws, stack)
    assert requests(aws, provider, stack)[3:] == [("DELETE_IN_PROGRESS", "Delete", "second")]


def test_a_resource_that_leaves_the_template_is_deleted_in_the_clean_up(
    aws: Emulator, provider: str
) -> None:
    stack = unique("stack")
    kept = {"Kept": {"Type": "AWS::SNS::Topic"}}
    deploy(aws, stack, {"Thing": resource(provider), **kept})
    assert deploy(aws, stack, kept)["StackStatus"] == "UPDATE_COMPLETE"
    assert requests(aws, provider, stack)[1:] == [
        ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "Delete", "first")
    ]
    delete_stack(aws, stack)


def test_a_failed_creation_is_deleted_again(aws: Emulator, provider: str) -> None:
    stack = unique("stack")
    described = deploy(aws, stack, {"Thing": resource(provider, Fail="Create")})
    assert described["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "as told" in failure_reasons(aws, stack)
    assert requests(aws, provider, stack) == [
        ("CREATE_IN_PROGRESS", "Create", ""),
        ("ROLLBACK_IN_PROGRESS", "Delete", "first"),
    ]
    delete_stack(aws, stack)
    assert len(requests(aws, provider, stack)) == 2


def test_a_failed_update_goes_back(aws: Emulator, provider: str) -> None:
    stack = unique("stack")
    deploy(aws, stack, {"Thing": resource(provider, Note="before")})
    described = deploy(aws, stack, {"Thing": resource(provider, Note="after", Fail="Update")})
    assert described["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert requests(aws, provider, stack)[1:] == [
        ("UPDATE_IN_PROGRESS", "Update", "first"),
        ("UPDATE_ROLLBACK_IN_PROGRESS", "Update", "first"),
    ]
    back = events(aws, provider, stack)[2][1]
    assert back["ResourceProperties"]["Note"] == "before"
    assert back["OldResourceProperties"]["Note"] == "after"
    delete_stack(aws, stack)


def test_a_failed_deletion_keeps_the_resource(aws: Emulator, provider: str) -> None:
    stack = unique("stack")
    deploy(aws, stack, {"Thing": resource(provider, Fail="Delete")})
    delete_stack(aws, stack)
    stacks = aws.client("cloudformation")
    described = stacks.describe_stacks(StackName=stack)["Stacks"][0]
    assert described["StackStatus"] == "DELETE_FAILED"
    listed = stacks.list_stack_resources(StackName=stack)["StackResourceSummaries"]
    assert [one["ResourceStatus"] for one in listed] == ["DELETE_FAILED"]
    assert "as told" in failure_reasons(aws, stack)


def test_a_provider_that_does_not_answer_times_out(aws: Emulator, provider: str) -> None:
    stack = unique("stack")
    silent = resource(provider, Silent="Create", ServiceTimeout=1)
    assert deploy(aws, stack, {"Thing": silent})["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "CloudFormation did not receive a response" in failure_reasons(aws, stack)
    # The provider may have created something, so CloudFormation asks it to delete a generated id.
    assert [request[:2] for request in requests(aws, provider, stack)] == [
        ("CREATE_IN_PROGRESS", "Create"),
        ("ROLLBACK_IN_PROGRESS", "Delete"),
    ]
    assert requests(aws, provider, stack)[1][2].startswith(f"{stack}-Thing")
    delete_stack(aws, stack)


def test_a_provider_that_raises_is_invoked_as_on_any_event(aws: Emulator, provider: str) -> None:
    stack = unique("stack")
    raising = resource(provider, Raise="Create", ServiceTimeout=3)
    assert deploy(aws, stack, {"Thing": raising})["StackStatus"] == "ROLLBACK_COMPLETE"
    created = [
        event for _, event in events(aws, provider, stack) if event["RequestType"] == "Create"
    ]
    assert len(created) == 3
    assert len({event["RequestId"] for event in created}) == 1
    delete_stack(aws, stack)
