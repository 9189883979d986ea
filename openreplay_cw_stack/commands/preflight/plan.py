"""A stack that will be deployed, as its template says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from openreplay_cw_stack.commands.deployed.account import Account
from openreplay_cw_stack.commands.deployed.stack import Stack, Template


@dataclass(frozen=True)
class Bootstrap:
    """What a stack needs of ``cdk bootstrap``.

    Attributes:
        version: the lowest version.
        parameter: the parameter of Systems Manager that has the account's version.
    """

    version: int
    parameter: str


@dataclass(frozen=True)
class Planned:
    """A resource that will be deployed.

    Attributes:
        logical_id: its name in the template.
        properties: as the template has them.
        template: the template that it is in.
    """

    logical_id: str
    properties: Mapping[str, Any]
    template: Template

    def text(self, name: str) -> str | None:
        """Return the text of a property; None where it is not set, or known only when deployed."""
        return self.template.value(self.properties.get(name))


@dataclass(frozen=True)
class Plan:
    """A stack that will be deployed, with its nested stacks.

    Attributes:
        name: the stack's.
        account: where it goes; None where the app leaves that to the credentials.
        region: likewise.
        bootstrap: what it needs of ``cdk bootstrap``; None: nothing.
        templates: its own template first.
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
        account: how AWS is asked, in the region of the stack.
        account_id: of the credentials.
        region: of the stack.
        plan: what will be deployed.
        stack: what is deployed under its name; None: nothing.
    """

    account: Account
    account_id: str
    region: str
    plan: Plan
    stack: Stack | None = None

    def owns(self, kind: str, name: str) -> bool:
        """Whether a resource of this type and name is in the stack already."""
        return name in self.owned(kind)

    def owned(self, kind: str) -> set[str]:
        """Return the names of the stack's resources of a type, as they are deployed.

        A physical id may have the names of other resources around the name, behind a ``|``.
        """
        found = self.stack.of_kind(kind) if self.stack else []
        return {part for one in found for part in one.physical_id.split("|")}
