"""The service account's IAM user and its access keys.

IAM User Guide, "Manage access keys for IAM users" and "IAM and AWS STS quotas": a user has two
keys at most, including inactive ones; IAM records when a key was last used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

MAXIMUM_KEYS = 2


@dataclass(frozen=True)
class UserKey:
    """An access key of the user, without its secret.

    Attributes:
        key_id: its id.
        active: whether it is active.
        created: when it was created, in seconds since 1970.
    """

    key_id: str
    active: bool
    created: float


class User(Protocol):
    """The IAM user. Every call can raise :class:`CallFailed`."""

    def list_keys(self) -> list[UserKey]:
        """Return the user's access keys."""

    def create_key(self) -> tuple[str, str]:
        """Create an access key and return its id and its secret."""

    def disable_key(self, key_id: str) -> None:
        """Make a key inactive."""

    def delete_key(self, key_id: str) -> None:
        """Delete a key, if it exists."""

    def last_used(self, key_id: str) -> float | None:
        """Return when a key was last used, in seconds since 1970; None if it never was."""

    def reads(self, document: Mapping[str, str]) -> str | None:
        """Read the tracked log group with a key; return None on success, else the error code."""
