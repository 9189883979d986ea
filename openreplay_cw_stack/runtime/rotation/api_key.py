"""The bridge's API key.

The bridge accepts the current key, the pending key and, for a limited time, the previous key. It
reads its keys again after ``KEY_REFRESH_SECONDS``.
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
    """Generate a key and return the secret's new value, with the id of the current key."""
    drawn = "".join(secrets.choice(_ALPHABET) for _ in range(KEY_LENGTH))
    return {"api_key_id": current.get("api_key_id", "openreplay"), "api_key": drawn}


class Usage(Protocol):
    """The bridge's count of key uses. Every call can raise ``CallFailed``."""

    def of(self, version_id: str, since: float) -> int:
        """Return how many searches for a session used the key of a version since a time."""


@dataclass(frozen=True)
class ApiKey:
    """The API key of the bridge.

    Attributes:
        usage: the bridge's count of key uses.
        grace: the longest time in seconds for which the previous key is accepted.
        notice: the seconds after which an unused new key is reported.
        known_after: the seconds after which every bridge knows a new key.
        clock: returns the time in seconds since 1970.
        sleep: waits for a number of seconds.
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
        """Return whether a secret's value contains a key."""
        return bool(document.get("api_key_id") and document.get("api_key"))

    def refusal(self, keys: Keys, now: float) -> str | None:
        """Return why a new key must not replace the previous one now, or None if it can."""
        expired = now - keys.made_at >= self.grace
        if not self.is_key(keys.previous) or expired or self._is_adopted(keys):
            return None
        return (
            "the previous key is still needed: OpenReplay does not use the current key yet; enter "
            "the current key in OpenReplay"
        )

    def make(self, keys: Keys, version: PendingVersion) -> None:
        """Generate a key and store it."""
        try:
            version.store(draw_api_key(keys.current))
        except AlreadyStored:
            return

    def is_current_deleted(self, keys: Keys) -> bool:  # noqa: ARG002
        """Return False: an API key exists only in the secret and cannot be deleted alone."""
        return False

    def check_pending(self, document: Mapping[str, str]) -> None:
        """Do nothing: a key that the secret holds is valid."""

    def try_out(self, document: Mapping[str, str], made_at: float) -> None:
        """Wait until every bridge knows the key."""
        if self.is_key(document):
            self.sleep(max(0.0, made_at + self.known_after - self.clock()))

    def retire(self, keys: Keys, now: float) -> PreviousKeyState:
        """Reject the previous key when readers use the current one, or when the grace period ends.

        A previous key that is still in use stays until the grace period ends.
        """
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
        """Do nothing: an API key exists only in the secret."""

    def _is_adopted(self, keys: Keys) -> bool:
        return keys.notified or self.usage.of(keys.current_version or "", keys.made_at) > 0
