"""What the tests of preflight's steps share: a stack that will be deployed, and its context."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from openreplay_cw_stack.commands.deployed.account import Account
from openreplay_cw_stack.commands.deployed.stack import Resource, Stack
from openreplay_cw_stack.commands.preflight.assembly import read_plans
from openreplay_cw_stack.commands.preflight.plan import Context, Plan
from openreplay_cw_stack.contract.filter_pattern import FILTER_PATTERN
from tests.commands.support import stack

ACCOUNT, REGION = "123456789012", "eu-west-1"
BOOTSTRAP = "/cdk-bootstrap/hnb659fds/version"
VALIDATOR = {
    "Type": "AWS::Lambda::Function",
    "Properties": {
        "Handler": "openreplay_cw_stack.runtime.validator.handler.handler",
        "ReservedConcurrentExecutions": 10,
    },
}


def resource(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Type": kind, "Properties": properties}


def subscription(log_group: Any, pattern: str = FILTER_PATTERN) -> dict[str, Any]:
    return resource("AWS::Logs::SubscriptionFilter", LogGroupName=log_group, FilterPattern=pattern)


def artifact(name: str, **properties: Any) -> dict[str, Any]:
    environment = properties.pop("environment", "aws://unknown-account/unknown-region")
    return {
        "type": "aws:cloudformation:stack",
        "environment": environment,
        "properties": {
            "templateFile": f"{name}.template.json",
            "requiresBootstrapStackVersion": 6,
            "bootstrapStackVersionSsmParameter": BOOTSTRAP,
            **properties,
        },
    }


def write(folder: Path, name: str, document: Any) -> None:
    (folder / name).write_text(json.dumps(document))


def synthesised(folder: Path, resources: dict[str, Any] | None = None, **properties: Any) -> None:
    """Write a cloud assembly with one stack, named Shop, that has a validator."""
    all_resources = {"Validator": VALIDATOR, **(resources or {})}
    parameters = {
        "BootstrapVersion": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": BOOTSTRAP},
        "Name": {"Type": "String", "Default": "/app/named"},
    }
    template = {"Resources": all_resources, "Parameters": parameters}
    write(folder, "Shop.template.json", template)
    write(folder, "manifest.json", {"artifacts": {"Shop": artifact("Shop", **properties)}})


def planned(folder: Path, resources: dict[str, Any] | None = None, **properties: Any) -> Plan:
    synthesised(folder, resources, **properties)
    (plan,) = read_plans(folder)
    return plan


def context(of: Account, plan: Plan, *deployed: tuple[str, str]) -> Context:
    """A context; the stack is deployed where it has resources, given as type and physical id."""
    resources = [Resource(f"R{index}", name, kind) for index, (kind, name) in enumerate(deployed)]
    existing: Stack | None = stack(*resources) if deployed else None
    return Context(of, ACCOUNT, REGION, plan, existing)
