"""The bridge's API key.

The bridge accepts the current key, the pending one, and for a time the previous one. An unknown key
makes it read its keys again, at most once in so many seconds.
"""

from __future__ import annotations

import secrets
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from openreplay_cw_stack.runtime.rotation.kinds import Keys, PreviousKeyState
from openreplay_cw_stack.runtime.rotation.secret import AlreadyStored, PendingVersion

KEY_LENGTH = 48
_ALPHABET = string.ascii_letters + string.digits
_LOOK_BACK_SECONDS = 3600.0


def draw_api_key(current: Mapping[str, str]) -> dict[str, str]:
    """Draw a key and return the secret's new value. It keeps the id of the current one."""
    drawn = "".join(secrets.choice(_ALPHABET) for _ in range(KEY_LENGTH))
    return {"api_key_id": current.get("api_key_id", "openreplay"), "api_key": drawn}


class Usage(Protocol):
    """What the bridge counted. Every call may raise ``CallFailed``."""

    def of(self, version_id: str, since: float) -> int:
        """Return how many sessions were asked for with a version's key, since a time."""


@dataclass(frozen=True)
class ApiKey:
    """The API key of the bridge.

    Attributes:
        usage: what the bridge counted.
        grace: seconds for which the previous key is accepted at most.
        notice: seconds after which a key that is not in use is reported.
        known_after: seconds after which every bridge knows a new key.
        clock: returns the seconds since 1970.
        sleep: waits for so many seconds.
    """

    usage: Usage
    grace: float
    notice: float
    known_after: float
    clock: Callable[[], float] = field(repr=False)
    sleep: Callable[[float], None] = field(repr=False)
    name: str = "api_key"
    tried_for: float = 0.0

    def is_key(self, document: Mapping[str, str]) -> bool:
        """Return whether a secret's value has a key in it."""
        return bool(document.get("api_key_id") and document.get("api_key"))

    def refusal(self, keys: Keys, now: float) -> str | None:
        """Return why no key may be created now: the bridge would refuse the previous one."""
        expired = now - keys.made_at >= self.grace
        if not self.is_key(keys.previous) or expired or self._is_adopted(keys):
            return None
        return (
            "the previous key is still accepted, since OpenReplay was neither given the current "
            "one nor uses it; give OpenReplay the current key"
        )

    def make(self, keys: Keys, version: PendingVersion) -> None:
        """Draw a key and store it."""
        try:
            version.store(draw_api_key(keys.current))
        except AlreadyStored:
            return

    def is_current_deleted(self, keys: Keys) -> bool:  # noqa: ARG002
        """Return False: a stored key cannot be deleted alone."""
        return False

    def check_pending(self, document: Mapping[str, str]) -> None:
        """Do nothing: a stored key always exists."""

    def try_out(self, document: Mapping[str, str], made_at: float) -> None:
        """Wait until every bridge knows the key."""
        if self.is_key(document):
            self.sleep(max(0.0, made_at + self.known_after - self.clock()))

    def retire(self, keys: Keys, now: float) -> PreviousKeyState:
        """Have the previous key refused once the current one is in use, or the grace ends."""
        if not self.is_key(keys.previous):
            return PreviousKeyState.NOTHING
        age = now - keys.made_at
        adopted = self._is_adopted(keys)
        if age >= self.grace:
            return PreviousKeyState.ENDED if adopted else PreviousKeyState.EXPIRED
        if adopted:
            used = self.usage.of(keys.previous_version or "", now - _LOOK_BACK_SECONDS)
            return PreviousKeyState.NOTHING if used else PreviousKeyState.ENDED
        return PreviousKeyState.WAITING if age > self.notice else PreviousKeyState.NOTHING

    def tidy(self, keys: Keys, now: float) -> None:
        """Do nothing: a key that was not stored exists nowhere."""

    def _is_adopted(self, keys: Keys) -> bool:
        return keys.notified or self.usage.of(keys.current_version or "", keys.made_at) > 0
