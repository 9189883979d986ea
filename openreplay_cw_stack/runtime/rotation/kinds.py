"""The kinds of rotated keys: an IAM user's access key and the bridge's API key.

Both kinds go through the same rotation steps. They differ in how a key is created, tested, detected
in use, and retired.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from openreplay_cw_stack.runtime.rotation.secret import PendingVersion


class RotationRefused(Exception):
    """A new key would replace a key that is in use. The message names the reason."""


class RotationFailed(Exception):
    """A step failed. The message names the reason and contains no key."""


@dataclass(frozen=True)
class Keys:
    """The keys that a secret holds.

    Attributes:
        current: the value of the current version; empty before the first key.
        previous: the value of the previous version; empty if there is none.
        pending: the value of the version of a running rotation; empty if there is none.
        current_version: the current version's id.
        previous_version: the previous version's id.
        made_at: when the current version was created, in seconds since 1970.
        tested_at: the latest time at which the rotation itself used the newest key; 0.0 if never.
        asked_at: when unfinished runs requested keys from IAM, in seconds since 1970.
        disabled_at: when the previous version's key was disabled, or found disabled; None if it
            is not.
        watched_since: when the last check found both keys in use, or the current one in use for
            the first time; None if no check did.
        enabled_again: whether the previous version's key was re-enabled by hand after that.
        notified: whether every registered OpenReplay project has the current key.
    """

    current: Mapping[str, str] = field(default_factory=dict, repr=False)
    previous: Mapping[str, str] = field(default_factory=dict, repr=False)
    pending: Mapping[str, str] = field(default_factory=dict, repr=False)
    current_version: str | None = None
    previous_version: str | None = None
    made_at: float = 0.0
    tested_at: float = 0.0
    asked_at: Sequence[float] = ()
    disabled_at: float | None = None
    watched_since: float | None = None
    enabled_again: bool = False
    notified: bool = False


class PreviousKeyState(Enum):
    """The result of an hourly check."""

    NOTHING = "nothing"
    """The previous key is still needed, or does not exist."""
    WAITING = "waiting"
    """The previous key has been needed for longer than the notice period."""
    ADOPTED = "adopted"
    """The current key is in use. The previous key is disabled if it stays unused until the next
    check."""
    BOTH_USED = "both_used"
    """Both keys have been in use for longer than the notice period."""
    DISABLED = "disabled"
    """The previous key was disabled. It can be enabled again during the grace period."""
    FOUND_DISABLED = "found_disabled"
    """The previous key was disabled by hand. Its grace period begins."""
    ENABLED_AGAIN = "enabled_again"
    """The previous key was disabled, and re-enabled by hand."""
    ENDED = "ended"
    """The previous key was deleted, or is rejected from now on."""
    EXPIRED = "expired"
    """The previous key is rejected from now on, although the current one is not in use."""
    CURRENT_DELETED = "current_deleted"
    """The current key was deleted by hand."""
    CURRENT_DISABLED = "current_disabled"
    """The current key was disabled by hand."""


class RotatedKey(Protocol):
    """Creates, tests and retires keys of one kind. Every call can raise ``CallFailed``."""

    @property
    def name(self) -> str:
        """The value of the metric dimension ``Key``."""

    @property
    def tried_for(self) -> float:
        """The longest time in seconds for which :meth:`try_out` uses a key."""

    def is_key(self, document: Mapping[str, str]) -> bool:
        """Return whether a secret's value contains a key."""

    def refusal(self, keys: Keys, now: float) -> str | None:
        """Return why a key must not be created now, or None if it can be."""

    def make(self, keys: Keys, version: PendingVersion) -> None:
        """Create a key and store it.

        Raises:
            RotationRefused: there is no room for another key.
            RotationFailed: the secret or user cannot hold another key now; a later run may succeed.
        """

    def is_current_deleted(self, keys: Keys) -> bool:
        """Return whether the current key was deleted by hand."""

    def check_pending(self, document: Mapping[str, str]) -> None:
        """Raise :class:`RotationFailed` if the pending key was deleted."""

    def try_out(self, document: Mapping[str, str], made_at: float) -> None:
        """Wait until a new key works everywhere, or raise :class:`RotationFailed`."""

    def retire(self, keys: Keys, now: float) -> PreviousKeyState:
        """Retire the previous key if it is time."""

    def tidy(self, keys: Keys, now: float) -> None:
        """Delete keys that a rotation created but could not store."""
