from __future__ import annotations

from typing import Any

import pytest

from openreplay_cw_stack.commands.deployed.stack import Template, read_stack, read_template
from openreplay_cw_stack.commands.errors import CommandFailed
from tests.commands.support import account, refusal, resource, stack

STACK = stack(
    resource("LogGroup", "/app/checkout", "AWS::Logs::LogGroup"),
    parameters={"Group": "/app/of-a-parameter"},
)
TEMPLATE = Template(STACK, {}, {"Other:Group": "/app/imported"})
ARN = "arn:aws:logs:eu-west-1:123456789012:log-group:/app/search:*"


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("/app/x", "/app/x"),
        ({"Ref": "OpenReplayLogGroup0A1B2C3D"}, "/app/checkout"),
        ({"Ref": "Group"}, "/app/of-a-parameter"),
        ({"Ref": "AWS::Region"}, "eu-west-1"),
        ({"Ref": "Unknown"}, None),
        ({"Fn::ImportValue": "Other:Group"}, "/app/imported"),
        ({"Fn::ImportValue": "Nowhere"}, None),
        ({"Fn::Join": ["", ["/app/", {"Ref": "AWS::StackName"}]]}, "/app/Shop"),
        ({"Fn::Join": ["", ["/app/", {"Ref": "Unknown"}]]}, None),
        ({"Fn::Select": [6, {"Fn::Split": [":", ARN]}]}, "/app/search"),
        ({"Fn::Select": [60, {"Fn::Split": [":", ARN]}]}, None),
        ({"Fn::Select": [0, ["a", "b"]]}, None),
        ({"Fn::GetAtt": ["X", "Arn"]}, None),
        (None, None),
        (7, None),
        ({}, None),
    ],
)
def test_values_of_a_template(expression: Any, value: str | None) -> None:
    assert TEMPLATE.value(expression) == value


@pytest.mark.parametrize("body", ["Resources:\n  A: 1", "not json"])
def test_a_template_that_is_not_json(body: str) -> None:
    with pytest.raises(CommandFailed, match="is not JSON"):
        read_template(account(cloudformation={"get_template": {"TemplateBody": body}}), STACK)


@pytest.mark.parametrize("body", ['{"Resources": {"A": {"Properties": {"P": 1}}}}', None])
def test_a_template_as_text_or_as_boto3_reads_it(body: str | None) -> None:
    parsed = {"Resources": {"A": {"Properties": {"P": 1}}}}
    template = read_template(
        account(cloudformation={"get_template": {"TemplateBody": body or parsed}}), STACK
    )
    assert template.properties("A") == {"P": 1}
    assert template.properties("B") == {}


def test_exports_are_read_where_the_template_imports() -> None:
    body = {"Resources": {"A": {"Properties": {"Name": {"Fn::ImportValue": "Other:X"}}}}}
    exports = [{"Exports": []}, {"Exports": [{"Name": "Other:X", "Value": "/x"}]}]
    template = read_template(
        account(cloudformation={"get_template": {"TemplateBody": body}, "list_exports": exports}),
        STACK,
    )
    assert template.value(template.properties("A")["Name"]) == "/x"


def test_a_resource_is_found_by_its_whole_path() -> None:
    one = resource("Bridge", "1", "T")
    two = resource("BridgeOfTheStaff", "2", "T")
    both = stack(two, one)
    assert both.find("T", "OpenReplayBridge") is one
    assert both.find("T", "OpenReplayBridgeOfTheStaff") is two
    assert both.find("T", "Bridge") is None
    assert both.find("Other", "OpenReplayBridge") is None


def test_resources_are_read_page_by_page() -> None:
    pages = [
        {"StackResourceSummaries": [{"LogicalResourceId": "A", "ResourceType": "T"}]},
        {
            "StackResourceSummaries": [
                {"LogicalResourceId": "B", "PhysicalResourceId": "b", "ResourceType": "T"}
            ]
        },
    ]
    described = {"Stacks": [{"StackStatus": "CREATE_COMPLETE"}]}
    found = read_stack(
        account(cloudformation={"describe_stacks": described, "list_stack_resources": pages}),
        "Shop",
    )
    assert [one.physical_id for one in found.of_kind("T")] == ["", "b"]


def test_a_stack_that_is_not_there() -> None:
    error = refusal("DescribeStacks", "ValidationError", "Stack with id X does not exist")
    with pytest.raises(CommandFailed) as failed:
        read_stack(account(cloudformation={"describe_stacks": error}), "X")
    assert "cannot read the stack X" in str(failed.value)
    assert "The region is eu-west-1" in str(failed.value)
