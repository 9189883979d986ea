"""The AWS account: its clients, and the time span that a command looks at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from openreplay_cw_stack.commands.aws import aws_client
from openreplay_cw_stack.runtime.aws_calls import arn_region

DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})
"""AWS refuses a call that no policy allows with one of these codes."""
THROTTLED = frozenset(
    {
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
"""AWS answers with one of these codes where it is called too often."""

MakeClient = Callable[..., Any]


@dataclass(frozen=True)
class Account:
    """How the account is asked, and about which time.

    Attributes:
        now: seconds since 1970.
        minutes: how far back lines and metrics are looked at.
        make_client: makes a client of boto3 from a service's name, and settings by keyword.
    """

    now: float
    minutes: int = 60
    make_client: MakeClient = aws_client
    _clients: dict[str, Any] = field(default_factory=dict)

    @property
    def start(self) -> float:
        """When the time span begins, in seconds since 1970."""
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
        """Return a client of a service in the region that an ARN names."""
        return self.make_client(service, region_name=arn_region(arn))

    def days_since(self, time: Any) -> int:
        """Return how many whole days ago a time was."""
        return int(max(0.0, self.now - time.timestamp()) // 86_400)
