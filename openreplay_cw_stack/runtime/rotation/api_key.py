"""The bridge's API key.

The bridge accepts the current key, the pending one, and for a time the previous one. It reads them
again for a key that it does not know, at most once in so many seconds.
"""

from __future__ import annotations

import secrets
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from openreplay_cw_stack.runtime.rotation.kinds import Keys, Retirement, Store
from openreplay_cw_stack.runtime.rotation.secret import AlreadyStored

KEY_LENGTH = 48
_ALPHABET = string.ascii_letters + string.digits
_LOOK_BACK_SECONDS = 3600.0


class Usage(Protocol):
    """What the bridge has counted. Every call may raise ``CallFailed``."""

    def of(self, version_id: str, since: float) -> int:
        """How many sessions were asked for with a version's key, since seconds since 1970."""


@dataclass(frozen=True)
class ApiKey:
    """The API key that the bridge asks for.

    Attributes:
        usage: what the bridge has counted.
        grace: seconds for which the previous key is accepted at most.
        notice: seconds after which a person is told that nobody uses the new key.
        known_after: seconds after which the bridge knows a new key wherever it runs.
        clock: seconds since 1970.
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
        """Whether a secret's value has a key in it."""
        return bool(document.get("api_key_id") and document.get("api_key"))

    def refusal(self, keys: Keys, now: float) -> str | None:
        """Why no new key may be made now: the previous one would be accepted no more."""
        expired = now - keys.made_at >= self.grace
        if not self.is_key(keys.previous) or expired or self._is_taken_up(keys):
            return None
        return (
            "the previous key is still accepted, since the current one was neither told to "
            "OpenReplay nor used by it; tell OpenReplay the current key"
        )

    def make(self, keys: Keys, store: Store, stored: Callable[[], bool]) -> None:  # noqa: ARG002
        """Draw a key and store it."""
        drawn = "".join(secrets.choice(_ALPHABET) for _ in range(KEY_LENGTH))
        try:
            store({"api_key_id": keys.current.get("api_key_id", "openreplay"), "api_key": drawn})
        except AlreadyStored:
            return

    def is_current_deleted(self, keys: Keys) -> bool:  # noqa: ARG002
        """A key that is stored cannot be deleted alone."""
        return False

    def check_pending(self, document: Mapping[str, str]) -> None:
        """A key that is stored cannot be gone."""

    def try_out(self, document: Mapping[str, str], made_at: float) -> None:
        """Wait until the bridge knows the key wherever it runs."""
        if self.is_key(document):
            self.sleep(max(0.0, made_at + self.known_after - self.clock()))

    def retire(self, keys: Keys, now: float) -> Retirement:
        """Have the previous key refused once the current one is used, or its time is up."""
        if not self.is_key(keys.previous):
            return Retirement.NOTHING
        age = now - keys.made_at
        taken_up = self._is_taken_up(keys)
        if age >= self.grace:
            return Retirement.ENDED if taken_up else Retirement.EXPIRED
        if taken_up:
            used = self.usage.of(keys.previous_version or "", now - _LOOK_BACK_SECONDS)
            return Retirement.NOTHING if used else Retirement.ENDED
        return Retirement.WAITING if age > self.notice else Retirement.NOTHING

    def tidy(self, keys: Keys, now: float) -> None:
        """Nothing is left over of a key that was not stored."""

    def _is_taken_up(self, keys: Keys) -> bool:
        return keys.told or self.usage.of(keys.current_version or "", keys.made_at) > 0
