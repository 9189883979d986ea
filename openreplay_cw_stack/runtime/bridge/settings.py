"""The bridge's settings, from the function's environment.

The construct writes these variables and nothing else does; a test holds the two together.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class Settings:
    """What a bridge has to know.

    Attributes:
        deployment: the value of the metric dimension of that name.
        session_table_arn: the session table, which may be in another region or account.
        retry_queue_url: the queue of the deployment's events that could not be stored yet.
        api_key_secret_arn: the secret with ``api_key_id`` and ``api_key``.
        allowed_source_ranges: who may ask at all; empty: everybody with the key.
        settle_ms: how long after a session's last line its answer is held back.
        session_lifetime_ms: how long a session can run at most.
        hold_until_over: hold the answer back while the session may be running.
        show_log_group: whether a message begins with its log group.
        deadline_seconds: how long a question may take.
        previous_key_seconds: how long a key is accepted after it was replaced.
        key_refresh_seconds: how long a wrong key keeps the next from causing another read.
    """

    deployment: str
    session_table_arn: str
    retry_queue_url: str
    api_key_secret_arn: str
    allowed_source_ranges: tuple[Network, ...] = ()
    settle_ms: int = 180_000
    session_lifetime_ms: int = 7_200_000
    hold_until_over: bool = False
    show_log_group: bool = True
    deadline_seconds: float = 10.0
    previous_key_seconds: float = 604_800.0
    key_refresh_seconds: float = 60.0

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read the variables that the construct sets.

        Raises:
            KeyError: one is missing.
            ValueError: one is not what it should be.
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

    def allows(self, source_address: str) -> bool:
        """Whether a caller's address is in one of the ranges; an unreadable one is in none."""
        if not self.allowed_source_ranges:
            return True
        try:
            address = ipaddress.ip_address(source_address)
        except ValueError:
            return False
        return any(address in network for network in self.allowed_source_ranges)
