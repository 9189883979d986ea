"""Reads a stack: its resources, and the values in its template."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from openreplay_cw_stack.commands.aws import aws_must
from openreplay_cw_stack.commands.deployed.account import Account
from openreplay_cw_stack.commands.errors import CommandFailed
from openreplay_cw_stack.runtime.aws_calls import error_code

NESTED_STACK = "AWS::CloudFormation::Stack"


@dataclass(frozen=True)
class Resource:
    """A resource of the stack.

    Attributes:
        logical_id: its name in the template.
        physical_id: the value of ``Ref``: usually its name, for some types a URL or an ARN.
        kind: its type, such as ``AWS::Lambda::Function``.
    """

    logical_id: str
    physical_id: str
    kind: str


@dataclass(frozen=True)
class Stack:
    """A deployed stack.

    Attributes:
        name: the stack's name.
        region: the stack's region.
        status: the stack's status, such as ``UPDATE_COMPLETE``.
        outputs: its outputs by name.
        parameters: its parameters by name.
        resources: all its resources.
    """

    name: str
    region: str
    status: str
    outputs: Mapping[str, str]
    parameters: Mapping[str, str]
    resources: tuple[Resource, ...] = field(repr=False)

    def output(self, name: str, meaning: str) -> str:
        """Return an output.

        Args:
            name: the output's name.
            meaning: the part of the stack that has this output, for the error.

        Raises:
            CommandFailed: the stack has no output of that name.
        """
        value = self.outputs.get(name)
        if value is None:
            raise CommandFailed(
                f"the stack {self.name} has no output {name}: it was deployed without {meaning}, "
                "or this is the wrong stack; `make deploy` prints the name"
            )
        return value

    def of_kind(self, kind: str) -> list[Resource]:
        """Return the resources of a type."""
        return [one for one in self.resources if one.kind == kind]

    def find(self, kind: str, path: str) -> Resource | None:
        """Return the resource of a construct.

        Args:
            kind: its type.
            path: the joined ids of the construct's path within the stack. In the logical id, a hash
                of eight characters follows.
        """
        wanted = re.compile(re.escape(path) + r"[0-9A-F]{8}\Z")
        return next((one for one in self.of_kind(kind) if wanted.match(one.logical_id)), None)


def read_stack(account: Account, name: str) -> Stack:
    """Read a stack and list its resources.

    Args:
        account: the account of the stack.
        name: the stack's name.

    Raises:
        CommandFailed: the stack does not exist in this region, or AWS refuses a call.
    """
    client = account.client("cloudformation")
    region = str(client.meta.region_name)
    try:
        with aws_must(f"read the stack {name}"):
            (found,) = client.describe_stacks(StackName=name)["Stacks"]
        with aws_must("list its resources"):
            resources = tuple(_resources(client, name))
    except CommandFailed as failure:
        raise CommandFailed(
            f"{failure}; use credentials of the stack's account. The region is {region} "
            "(AWS_REGION sets it). `aws cloudformation list-stacks` lists the names"
        ) from None
    return _stack(name, region, found, resources)


def find_stack(account: Account, name: str) -> Stack | None:
    """Read a stack and the resources of its nested stacks; None if the stack does not exist.

    Raises:
        ClientError: AWS refuses a call.
    """
    client = account.client("cloudformation")
    try:
        (found,) = client.describe_stacks(StackName=name)["Stacks"]
    except Exception as error:
        if error_code(error) == "ValidationError" and "does not exist" in str(error):
            return None
        raise
    resources = tuple(_all_resources(client, name))
    return _stack(name, str(client.meta.region_name), found, resources)


def _stack(
    name: str, region: str, found: Mapping[str, Any], resources: tuple[Resource, ...]
) -> Stack:
    parameters = {
        one["ParameterKey"]: one.get("ResolvedValue") or one.get("ParameterValue", "")
        for one in found.get("Parameters", [])
    }
    return Stack(
        name=name,
        region=region,
        status=found["StackStatus"],
        outputs={one["OutputKey"]: one["OutputValue"] for one in found.get("Outputs", [])},
        parameters=parameters,
        resources=resources,
    )


def _all_resources(client: Any, name: str) -> Iterator[Resource]:
    for resource in _resources(client, name):
        yield resource
        if resource.kind == NESTED_STACK and resource.physical_id:
            yield from _all_resources(client, resource.physical_id)


def _resources(client: Any, name: str) -> Iterator[Resource]:
    for page in client.get_paginator("list_stack_resources").paginate(StackName=name):
        for one in page["StackResourceSummaries"]:
            # A resource whose creation failed has no physical id.
            physical_id = one.get("PhysicalResourceId", "")
            yield Resource(one["LogicalResourceId"], physical_id, one["ResourceType"])


@dataclass(frozen=True)
class Template:
    """The template of a stack, for evaluating its expressions.

    Attributes:
        stack: the deployed stack.
        resources: the resources of the template, by logical id.
        exports: the exports of other stacks of the account and region.
    """

    stack: Stack
    resources: Mapping[str, Mapping[str, Any]]
    exports: Mapping[str, str]

    def properties(self, logical_id: str) -> Mapping[str, Any]:
        """Return the properties of a resource, as in the template."""
        found: Mapping[str, Any] = self.resources.get(logical_id, {}).get("Properties", {})
        return found

    def value(self, expression: Any) -> str | None:
        """Evaluate an expression of the template; None if the value is unknown."""
        if isinstance(expression, str):
            return expression
        if not isinstance(expression, dict) or len(expression) != 1:
            return None
        ((function, argument),) = expression.items()
        if function == "Ref":
            return self._reference(argument)
        if function == "Fn::ImportValue":
            return self.exports.get(str(self.value(argument)))
        if function == "Fn::Join":
            return self._join(argument)
        if function == "Fn::Select":
            return self._select(argument)
        return None

    def _reference(self, name: str) -> str | None:
        if name in self.stack.parameters:
            return self.stack.parameters[name]
        known = {"AWS::Region": self.stack.region, "AWS::StackName": self.stack.name}
        known |= {one.logical_id: one.physical_id for one in self.stack.resources}
        return known.get(name) or None

    def _join(self, argument: Any) -> str | None:
        separator, parts = argument
        values = [self.value(part) for part in parts]
        return None if None in values else str(separator).join(map(str, values))

    def _select(self, argument: Any) -> str | None:
        """Evaluate ``Fn::Select`` of ``Fn::Split``, with which the CDK extracts names from ARNs."""
        index, split = argument
        if not isinstance(split, dict) or set(split) != {"Fn::Split"}:
            return None
        separator, expression = split["Fn::Split"]
        text = self.value(expression)
        pieces = text.split(separator) if text is not None else []
        return pieces[int(index)] if int(index) < len(pieces) else None


def read_template(account: Account, stack: Stack) -> Template:
    """Read a stack's template from CloudFormation.

    Raises:
        CommandFailed: the template is not JSON, unlike every template of the CDK.
        ClientError: AWS refuses the call.
    """
    client = account.client("cloudformation")
    body = client.get_template(StackName=stack.name)["TemplateBody"]
    if isinstance(body, str):
        try:
            body = json.loads(body)
        except ValueError:
            raise CommandFailed(
                "the stack's template is not JSON, so the CDK did not create it"
            ) from None
    resources = body.get("Resources", {})
    return Template(stack, resources, _exports(client, resources))


def _exports(client: Any, resources: Mapping[str, Any]) -> dict[str, str]:
    if "Fn::ImportValue" not in json.dumps(resources):
        return {}
    pages = client.get_paginator("list_exports").paginate()
    return {one["Name"]: one["Value"] for page in pages for one in page["Exports"]}
