"""What the roles of the deployed functions may do, whatever is switched on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from aws_cdk import assertions

from openreplay_cw_stack import Ingest
from tests.infra.conftest import (
    ENCRYPTION_KEY_ARN,
    EVERY_FUNCTION,
    TOKEN_SECRET_ARN,
    a_stack,
    resources,
    template_of,
)

SHAPES: dict[str, dict[str, Any]] = {
    "default": {},
    "everything": {
        "token_secret": TOKEN_SECRET_ARN,
        "encryption_key": ENCRYPTION_KEY_ARN,
        "ingest": Ingest.KINESIS,
        "source_accounts": ["111111111111"],
        **EVERY_FUNCTION,
    },
}
WRITES_ITS_OWN_LINES = {"logs:CreateLogStream", "logs:PutLogEvents"}


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def statements_of_roles(
    template: assertions.Template,
) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Each role, and the statements of every policy that it has."""
    roles = resources(template, "AWS::IAM::Role")
    policies = resources(template, "AWS::IAM::ManagedPolicy")
    assert resources(template, "AWS::IAM::Policy") == {}
    for name, role in roles.items():
        properties = role["Properties"]
        assert "Policies" not in properties, name
        attached = [one["Ref"] for one in properties.get("ManagedPolicyArns", [])]
        attached += [
            policy
            for policy, one in policies.items()
            if {"Ref": name} in one["Properties"].get("Roles", [])
        ]
        assert attached, name
        yield (
            name,
            [
                statement
                for one in attached
                for statement in policies[one]["Properties"]["PolicyDocument"]["Statement"]
            ],
        )


@pytest.mark.parametrize("shape", SHAPES)
def test_no_role_reads_a_log_group(shape: str) -> None:
    template = template_of(a_stack(**SHAPES[shape]))
    functions = len(resources(template, "AWS::Lambda::Function"))
    roles = dict(statements_of_roles(template))
    assert len(roles) >= functions
    for name, statements in roles.items():
        for statement in statements:
            actions = set(listed(statement["Action"]))
            assert not any("*" in action for action in actions), name
            of_logs = {action for action in actions if action.startswith("logs:")}
            assert of_logs <= WRITES_ITS_OWN_LINES, name
            if of_logs:
                (resource,) = listed(statement["Resource"])
                assert "LogGroup" in resource["Fn::GetAtt"][0]


@pytest.mark.parametrize("shape", SHAPES)
def test_the_session_table_has_one_writer_and_one_reader(shape: str) -> None:
    template = template_of(a_stack(**SHAPES[shape]))
    found = {
        (name, action)
        for name, statements in statements_of_roles(template)
        for statement in statements
        for action in listed(statement["Action"])
        if action.startswith("dynamodb:")
    }
    assert {action for _, action in found} == {"dynamodb:BatchWriteItem", "dynamodb:Query"}
    assert len(found) == 2
    for name, action in found:
        assert ("Validator" if action.endswith("BatchWriteItem") else "Bridge") in name
