"""The bridge's settings, from the function's environment.

The construct writes these variables with :meth:`Settings.to_environment`, and the function reads
them with :meth:`Settings.from_environment`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, replace

from openreplay_cw_stack.contract.limits import (
    DEADLINE_SECONDS,
    KEY_REFRESH_SECONDS,
    PREVIOUS_KEY_SECONDS,
    SESSION_LIFETIME_SECONDS,
    SETTLE_SECONDS,
)

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class Settings:
    """The settings of a bridge.

    Attributes:
        deployment: the value of the metric dimension ``Deployment``.
        session_table_arn: the session table, which may be in another region or account.
        retry_queue_url: the queue for events that could not be stored yet.
        api_key_secret_arn: the secret with ``api_key_id`` and ``api_key``.
        allowed_source_ranges: the addresses that can send requests; empty allows all.
        settle_ms: how long hits are held back after a session's last line; whole seconds.
        session_lifetime_ms: the longest duration of a session; whole seconds.
        hold_until_over: whether hits are held back while the session may still run.
        show_log_group: whether each message begins with its log group.
        deadline_seconds: the longest duration of a search.
        previous_key_seconds: how long a key is accepted after it was replaced.
        key_refresh_seconds: how long the keys are used before they are read again.
    """

    deployment: str
    session_table_arn: str
    retry_queue_url: str
    api_key_secret_arn: str
    allowed_source_ranges: tuple[Network, ...] = ()
    settle_ms: int = 1000 * SETTLE_SECONDS
    session_lifetime_ms: int = 1000 * SESSION_LIFETIME_SECONDS
    hold_until_over: bool = False
    show_log_group: bool = True
    deadline_seconds: float = DEADLINE_SECONDS
    previous_key_seconds: float = PREVIOUS_KEY_SECONDS
    key_refresh_seconds: float = KEY_REFRESH_SECONDS

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read the variables of :meth:`to_environment`.

        Raises:
            KeyError: a variable is missing.
            ValueError: a variable is invalid.
        """
        ranges = filter(None, environment["ALLOWED_SOURCE_RANGES"].split(","))
        return cls(
            deployment=environment["DEPLOYMENT"],
            session_table_arn=environment["SESSION_TABLE_ARN"],
            retry_queue_url=environment["RETRY_QUEUE_URL"],
            api_key_secret_arn=environment["API_KEY_SECRET_ARN"],
            allowed_source_ranges=tuple(map(ipaddress.ip_network, ranges)),
            settle_ms=1000 * int(environment["SETTLE_SECONDS"]),
            session_lifetime_ms=1000 * int(environment["SESSION_LIFETIME_SECONDS"]),
            hold_until_over=environment["HOLD_UNTIL_OVER"] == "true",
            show_log_group=environment["SHOW_LOG_GROUP"] == "true",
            deadline_seconds=float(environment["DEADLINE_SECONDS"]),
            previous_key_seconds=float(environment["PREVIOUS_KEY_SECONDS"]),
            key_refresh_seconds=float(environment["KEY_REFRESH_SECONDS"]),
        )

    def to_environment(self) -> dict[str, str]:
        """Return the variables that :meth:`from_environment` reads."""
        return {
            "DEPLOYMENT": self.deployment,
            "SESSION_TABLE_ARN": self.session_table_arn,
            "RETRY_QUEUE_URL": self.retry_queue_url,
            "API_KEY_SECRET_ARN": self.api_key_secret_arn,
            "ALLOWED_SOURCE_RANGES": ",".join(map(str, self.allowed_source_ranges)),
            "SETTLE_SECONDS": str(self.settle_ms // 1000),
            "SESSION_LIFETIME_SECONDS": str(self.session_lifetime_ms // 1000),
            "HOLD_UNTIL_OVER": str(self.hold_until_over).lower(),
            "SHOW_LOG_GROUP": str(self.show_log_group).lower(),
            "DEADLINE_SECONDS": _number(self.deadline_seconds),
            "PREVIOUS_KEY_SECONDS": _number(self.previous_key_seconds),
            "KEY_REFRESH_SECONDS": _number(self.key_refresh_seconds),
        }

    def for_operator(self, deadline_seconds: float) -> Settings:
        """Return settings for a command: any address is allowed, with a longer deadline."""
        return replace(self, allowed_source_ranges=(), deadline_seconds=deadline_seconds)

    def without_holding_back(self) -> Settings:
        """Return settings of a bridge that holds back no hits."""
        return replace(self, settle_ms=0, hold_until_over=False)

    def holds_until(self, over_ms: int, now_ms: int) -> bool:
        """Return whether hits are held back because the session may still run."""
        return self.hold_until_over and now_ms < over_ms

    def allows(self, source_address: str) -> bool:
        """Return whether a caller's address is in one of the ranges; False if it is unreadable."""
        if not self.allowed_source_ranges:
            return True
        try:
            address = ipaddress.ip_address(source_address)
        except ValueError:
            return False
        return any(address in network for network in self.allowed_source_ranges)


def _number(value: float) -> str:
    """Return a number as text, without a decimal point if it is whole."""
    return str(int(value)) if value == int(value) else str(value)
