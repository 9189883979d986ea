"""The AWS account as the check sees it: clients, the time, and errors that become findings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from openreplay_cw_stack.commands.aws import aws_client

DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})
"""The codes with which AWS's services refuse a call that no policy allows."""

MakeClient = Callable[..., Any]


@dataclass(frozen=True)
class Account:
    """How the account is asked, and about which time.

    Attributes:
        now: seconds since 1970.
        minutes: how far back lines and metrics are looked at.
        make_client: makes a client of boto3's from a service's name, and settings by keyword.
    """

    now: float
    minutes: int
    make_client: MakeClient = aws_client
    _clients: dict[str, Any] = field(default_factory=dict)

    @property
    def start(self) -> float:
        """When the time that is looked at begins, in seconds since 1970."""
        return self.now - 60 * self.minutes

    @property
    def start_ms(self) -> int:
        """The same in milliseconds, as CloudWatch Logs counts."""
        return int(1000 * self.start)

    @property
    def span(self) -> str:
        """That time in words."""
        return "the last hour" if self.minutes == 60 else f"the last {self.minutes} minutes"

    def client(self, service: str) -> Any:
        """A service, with the credentials of the environment."""
        if service not in self._clients:
            self._clients[service] = self.make_client(service)
        return self._clients[service]

    def days_since(self, time: Any) -> int:
        """How many whole days ago a time of boto3's was."""
        return int(max(0.0, self.now - time.timestamp()) // 86_400)


def error_code(error: Exception) -> str:
    """The code of an error of AWS's; empty for any other."""
    response = getattr(error, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""
