"""The input of every step of the check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from openreplay_cw_stack.commands.deployed.account import Account
from openreplay_cw_stack.commands.deployed.deployment import Deployment, Function
from openreplay_cw_stack.commands.deployed.tracked_log_groups import TrackedLogGroup


@dataclass(frozen=True)
class Context:
    """One deployment in its account.

    Attributes:
        account: how AWS is asked.
        deployment: what is checked.
        tracked: its tracked log groups.
        insecure: whether ``http://`` addresses are asked.
    """

    account: Account
    deployment: Deployment
    tracked: Sequence[TrackedLogGroup] = ()
    insecure: bool = False

    @property
    def validator(self) -> Function | None:
        """The function that judges."""
        return self.deployment.validator

    @property
    def bridge(self) -> Function | None:
        """The function that answers."""
        return self.deployment.bridge

    @property
    def rotation(self) -> Function | None:
        """The function that rotates the keys."""
        return self.deployment.functions.get("rotation")

    def client(self, service: str) -> Any:
        """A client of an AWS service."""
        return self.account.client(service)
