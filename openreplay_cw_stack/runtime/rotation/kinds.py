"""What is rotated: an IAM user's access key, or the bridge's API key.

They differ in how a key is made, tried, seen in use, and taken out of use. The steps of a rotation
are the same for both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

Store = Callable[[Mapping[str, str]], None]


class RotationRefused(Exception):
    """No new key now: making one would take a key away from its reader. The message says why."""


class RotationFailed(Exception):
    """A step did not work. The message says why; it never holds a key."""


@dataclass(frozen=True)
class Keys:
    """The keys that a secret holds.

    Attributes:
        current: the value of its current version; empty before the first key.
        previous: the value of the previous version; empty where there is none.
        pending: the value of the version that a rotation is making; empty where there is none.
        current_version: the current version's id.
        previous_version: the previous version's id.
        secret_made_at: when the secret was made, in seconds since 1970.
        made_at: when the current version was made, in seconds since 1970.
        tested_at: until when we used the newest key ourselves at most; 0.0 where we never did.
        disabled_at: when the previous version's key was disabled; None where it was not.
        told: whether OpenReplay was told the current key, everywhere where we tell it.
    """

    current: Mapping[str, str] = field(default_factory=dict, repr=False)
    previous: Mapping[str, str] = field(default_factory=dict, repr=False)
    pending: Mapping[str, str] = field(default_factory=dict, repr=False)
    current_version: str | None = None
    previous_version: str | None = None
    secret_made_at: float = 0.0
    made_at: float = 0.0
    tested_at: float = 0.0
    disabled_at: float | None = None
    told: bool = False


class Retirement(Enum):
    """What a look did, or found, about the previous key."""

    NOTHING = "nothing"
    """It is still needed, or there is none."""
    WAITING = "waiting"
    """It is still needed, and that for longer than a person should leave it."""
    DISABLED = "disabled"
    """It was disabled, and can be enabled again for a time."""
    FOUND_DISABLED = "found_disabled"
    """A person disabled it; it can be enabled again for a time."""
    ENDED = "ended"
    """It is gone, or refused from now on."""
    EXPIRED = "expired"
    """It is refused from now on, though nobody was seen to use the new one."""
    DELETED = "deleted"
    """A person deleted the current key."""
    SWITCHED_OFF = "switched_off"
    """A person disabled the current key."""


class KeyKind(Protocol):
    """How keys of a kind are handled. Every call may raise ``CallFailed``."""

    @property
    def name(self) -> str:
        """The value of the metric dimension ``Key``."""

    @property
    def tried_for(self) -> float:
        """For how many seconds :meth:`try_out` uses a key at most."""

    def is_key(self, document: Mapping[str, str]) -> bool:
        """Whether a secret's value has a key in it."""

    def refusal(self, keys: Keys, now: float) -> str | None:
        """Why no new key may be made now; None where one may."""

    def make(self, keys: Keys, store: Store, stored: Callable[[], bool]) -> None:
        """Make a new key and have it stored.

        Args:
            keys: those that there are.
            store: gives the pending version its value; raises ``AlreadyStored`` where another
                run of the same step was quicker.
            stored: whether the pending version has a value by now.

        Raises:
            RotationFailed: there is no place for a new key.
        """

    def is_current_deleted(self, keys: Keys) -> bool:
        """Whether a person deleted the current key."""

    def check_pending(self, document: Mapping[str, str]) -> None:
        """Raise :class:`RotationFailed` where the pending key is gone."""

    def try_out(self, document: Mapping[str, str], made_at: float) -> None:
        """Wait until a new key works everywhere, or raise :class:`RotationFailed`."""

    def retire(self, keys: Keys, now: float) -> Retirement:
        """Take the previous key out of use, as far as it is time for that."""

    def tidy(self, keys: Keys, now: float) -> None:
        """Take away what no version of the secret has, and nobody will store any more."""
