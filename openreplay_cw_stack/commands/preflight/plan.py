"""A stack that will be deployed, according to its template."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from openreplay_cw_stack.commands.deployed.account import Account
from openreplay_cw_stack.commands.deployed.stack import Stack, Template


@dataclass(frozen=True)
class Bootstrap:
    """The requirement of a stack on ``cdk bootstrap``.

    Attributes:
        version: the lowest version.
        parameter: the Systems Manager parameter that holds the version in the account.
    """

    version: int
    parameter: str


@dataclass(frozen=True)
class Planned:
    """A resource that will be deployed.

    Attributes:
        logical_id: its name in the template.
        properties: its properties in the template.
        template: the template that contains it.
    """

    logical_id: str
    properties: Mapping[str, Any]
    template: Template

    def text(self, name: str) -> str | None:
        """Return the text of a property; None if it is not set, or known only at deployment."""
        return self.template.value(self.properties.get(name))


@dataclass(frozen=True)
class Plan:
    """A stack that will be deployed, with its nested stacks.

    Attributes:
        name: the stack's name.
        account: the target account; None if the credentials decide.
        region: the target region; None if the credentials decide.
        bootstrap: its requirement on ``cdk bootstrap``, if there is one.
        templates: its own template, then those of nested stacks.
    """

    name: str
    account: str | None
    region: str | None
    bootstrap: Bootstrap | None
    templates: tuple[Template, ...] = field(repr=False)

    def of_kind(self, kind: str) -> Iterator[Planned]:
        """Return the resources of a type."""
        for template in self.templates:
            for logical_id, resource in template.resources.items():
                if resource["Type"] == kind:
                    yield Planned(logical_id, resource.get("Properties", {}), template)


@dataclass(frozen=True)
class Context:
    """The input of every step.

    Attributes:
        account: the AWS account, in the region of the stack.
        account_id: the account id of the credentials.
        region: the region of the stack.
        plan: the stack that will be deployed.
        stack: the deployed stack of this name; None if there is none.
    """

    account: Account
    account_id: str
    region: str
    plan: Plan
    stack: Stack | None = None

    def owns(self, kind: str, name: str) -> bool:
        """Return whether the deployed stack has a resource of this type and name."""
        return name in self.owned(kind)

    def owned(self, kind: str) -> set[str]:
        """Return the names of the deployed stack's resources of a type.

        A physical id can contain the names of other resources, separated by ``|``.
        """
        found = self.stack.of_kind(kind) if self.stack else []
        return {part for one in found for part in one.physical_id.split("|")}
