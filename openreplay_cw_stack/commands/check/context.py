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
        account: the AWS account.
        deployment: the deployment to check.
        tracked: its tracked log groups.
        insecure: whether requests to ``http://`` addresses are allowed.
    """

    account: Account
    deployment: Deployment
    tracked: Sequence[TrackedLogGroup] = ()
    insecure: bool = False

    @property
    def validator(self) -> Function | None:
        """The function that judges lines."""
        return self.deployment.validator

    @property
    def bridge(self) -> Function | None:
        """The function that answers OpenReplay."""
        return self.deployment.bridge

    @property
    def rotation(self) -> Function | None:
        """The function that rotates the keys."""
        return self.deployment.functions.get("rotation")

    def client(self, service: str) -> Any:
        """Return a client of an AWS service."""
        return self.account.client(service)
