"""What is rotated: an IAM user's access key, or the bridge's API key.

Both kinds pass the same steps of a rotation. They differ in how a key is created, tried, seen in
use, and taken out of use.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from openreplay_cw_stack.runtime.rotation.secret import PendingVersion


class RotationRefused(Exception):
    """No key is created now: that would take a key away from its user. The message says why."""


class RotationFailed(Exception):
    """A step did not work. The message says why and contains no key."""


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
        tested_at: until when the rotation itself used the newest key at most; 0.0 if it never did.
        asked_at: when runs that did not end asked IAM for keys, in seconds since 1970.
        disabled_at: when the previous version's key was disabled, or found disabled; None if it
            was not.
        watched_since: when the last look found both keys in use, or the current one for the first
            time; None if none did.
        enabled_again: whether the previous version's key was enabled by hand after that.
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
    """What a look did or found."""

    NOTHING = "nothing"
    """The previous key is still needed, or there is none."""
    WAITING = "waiting"
    """The previous key is still needed, for longer than the notice period."""
    ADOPTED = "adopted"
    """The current key is in use. The previous key is disabled if it is not used until the next
    look."""
    BOTH_USED = "both_used"
    """Both keys are in use, for longer than the notice period."""
    DISABLED = "disabled"
    """The previous key was disabled. It can be enabled again during the grace period."""
    FOUND_DISABLED = "found_disabled"
    """The previous key was disabled by hand. Its grace period begins."""
    ENABLED_AGAIN = "enabled_again"
    """The previous key was disabled, and enabled again by hand."""
    ENDED = "ended"
    """The previous key was deleted, or is refused from now on."""
    EXPIRED = "expired"
    """The previous key is refused from now on, although the current one is not in use."""
    CURRENT_DELETED = "current_deleted"
    """The current key was deleted by hand."""
    CURRENT_DISABLED = "current_disabled"
    """The current key was disabled by hand."""


class RotatedKey(Protocol):
    """How keys of a kind are handled. Every call may raise ``CallFailed``."""

    @property
    def name(self) -> str:
        """The value of the metric dimension ``Key``."""

    @property
    def tried_for(self) -> float:
        """How many seconds :meth:`try_out` uses a key at most."""

    def is_key(self, document: Mapping[str, str]) -> bool:
        """Return whether a secret's value has a key in it."""

    def refusal(self, keys: Keys, now: float) -> str | None:
        """Return why no key may be created now, or None if one may."""

    def make(self, keys: Keys, version: PendingVersion) -> None:
        """Create a key and store it.

        Raises:
            RotationRefused: there is no place for another key.
            RotationFailed: there may be one later.
        """

    def is_current_deleted(self, keys: Keys) -> bool:
        """Return whether the current key was deleted by hand."""

    def check_pending(self, document: Mapping[str, str]) -> None:
        """Raise :class:`RotationFailed` if the pending key was deleted."""

    def try_out(self, document: Mapping[str, str], made_at: float) -> None:
        """Wait until a new key works everywhere, or raise :class:`RotationFailed`."""

    def retire(self, keys: Keys, now: float) -> PreviousKeyState:
        """Take the previous key out of use if it is time for that."""

    def tidy(self, keys: Keys, now: float) -> None:
        """Delete keys that a rotation created and could not store."""
