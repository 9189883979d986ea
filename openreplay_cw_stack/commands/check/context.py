"""What every step of the check is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from openreplay_cw_stack.commands.deployed.account import Account
from openreplay_cw_stack.commands.deployed.deployment import Deployment, Function


@dataclass(frozen=True)
class TrackedLogGroup:
    """A log group that the stack subscribed the validator to.

    Attributes:
        name: the group's.
        filter_name: that of the stack's subscription filter on it.
        stream_arn: the Kinesis stream that the filter is to deliver to; None: the validator.
    """

    name: str
    filter_name: str
    stream_arn: str | None = None


@dataclass(frozen=True)
class Context:
    """One deployment in its account.

    Attributes:
        account: how AWS is asked.
        deployment: what is checked.
        tracked: its tracked log groups.
        insecure: whether ``http://`` addresses are asked.
        subscribed_ms: since when each tracked log group has our filter, by name, in milliseconds
            since 1970: no earlier line is delivered. Filled by the step that looks at them.
    """

    account: Account
    deployment: Deployment
    tracked: Sequence[TrackedLogGroup] = field(default=())
    insecure: bool = False
    subscribed_ms: dict[str, int] = field(default_factory=dict)

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
        """A service of AWS's."""
        return self.account.client(service)
