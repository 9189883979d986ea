"""The AWS account: its clients, and the time span that a command examines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from openreplay_cw_stack.commands.aws import aws_client
from openreplay_cw_stack.runtime.aws_calls import arn_region

DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})
"""The error codes of AWS for a call that no policy allows."""

MakeClient = Callable[..., Any]


@dataclass(frozen=True)
class Account:
    """Access to the account, and the time span to examine.

    Attributes:
        now: the current time in seconds since 1970.
        minutes: the length of the time span.
        make_client: creates a boto3 client from a service's name, and settings by keyword.
    """

    now: float
    minutes: int = 60
    make_client: MakeClient = aws_client
    _clients: dict[str, Any] = field(default_factory=dict)

    @property
    def start(self) -> float:
        """The beginning of the time span, in seconds since 1970."""
        return self.now - 60 * self.minutes

    @property
    def start_ms(self) -> int:
        """``start`` in milliseconds, which CloudWatch Logs uses."""
        return int(1000 * self.start)

    @property
    def span(self) -> str:
        """The time span in words."""
        return "the last hour" if self.minutes == 60 else f"the last {self.minutes} minutes"

    def client(self, service: str) -> Any:
        """Return a client of a service, with the credentials of the environment."""
        if service not in self._clients:
            self._clients[service] = self.make_client(service)
        return self._clients[service]

    def regional_client(self, service: str, arn: str) -> Any:
        """Return a client of a service in the region of an ARN."""
        return self.make_client(service, region_name=arn_region(arn))

    def days_since(self, time: Any) -> int:
        """Return the number of whole days since a time."""
        return int(max(0.0, self.now - time.timestamp()) // 86_400)
