"""The service account's access key.

A new key works only after some seconds. 40 rejected calls lock OpenReplay's poller out permanently
(``backend/pkg/integrations/model/request.go`` at tag v1.20.0), so the rotation disables no key
before its reader uses the next one. It never disables or deletes a key that is in use or that it
did not create.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from openreplay_cw_stack.contract.limits import MIN_ROTATION_SECONDS
from openreplay_cw_stack.runtime.aws_calls import CallFailed
from openreplay_cw_stack.runtime.rotation.kinds import (
    Keys,
    PreviousKeyState,
    RotationFailed,
    RotationRefused,
)
from openreplay_cw_stack.runtime.rotation.secret import AlreadyStored, PendingVersion
from openreplay_cw_stack.runtime.rotation.user import MAXIMUM_KEYS, User, UserKey

WORKS_WITHIN_SECONDS = 120.0
"""How long the rotation waits for a new key to work. Most keys work after 10 to 15 seconds."""

_RECORDED_WITHIN_SECONDS = 300.0
"""The precision of the last use that IAM records: a minute or less (API reference:
``2015-03-13T10:45:00Z``)."""

_IDLE_SECONDS = 1.5 * MIN_ROTATION_SECONDS
"""A key that was used within this time may still have a reader.

OpenReplay's poller pauses for three hours after four failed calls, IAM records a use with a delay,
and the hourly check adds up to an hour. A previous key without a reader was last used two rotations
ago.
"""

_CREATED_BEFORE_SECONDS, _CREATED_AFTER_SECONDS = 2.0, 60.0
"""IAM creates a key within this time of the rotation's record of the request.

IAM and the record have whole seconds, and the two clocks differ slightly.
"""

_WAIT_SECONDS = (1.0, 2.0, 3.0, 5.0)
_ORPHAN_KEPT_SECONDS = 86_400.0


@dataclass(frozen=True)
class AccessKey:
    """The access key of an IAM user.

    Attributes:
        user: the user.
        details: the values in the secret besides the key: region and log group.
        grace: the seconds for which a disabled key is kept.
        notice: the seconds after which an unused new key is reported.
        orphan_after: the longest time in seconds that a run of the rotation takes to store a key.
        clock: returns the time in seconds since 1970.
        sleep: waits for a number of seconds.
        stack_changes: returns whether the stack is being deployed or deleted.
    """

    user: User
    details: Mapping[str, str]
    grace: float
    notice: float
    orphan_after: float
    clock: Callable[[], float] = field(repr=False)
    sleep: Callable[[float], None] = field(repr=False)
    stack_changes: Callable[[], bool] = field(repr=False, default=lambda: False)
    name: str = "access_key"
    tried_for: float = WORKS_WITHIN_SECONDS

    def is_key(self, document: Mapping[str, str]) -> bool:
        """Return whether a secret's value contains a key."""
        return bool(document.get("access_key_id") and document.get("secret_access_key"))

    def refusal(self, keys: Keys, now: float) -> str | None:
        """Return why a key must not be created now, or None if it can be.

        A user can have two keys, so the previous one must be deleted first. That is allowed only if
        it is disabled, or has not been used for a long time.
        """
        there = self._by_id()
        if len(there) < MAXIMUM_KEYS or self._may_be_stored_yet(keys, there, now):
            return None
        if self._orphans(keys, there) or self._free_previous(keys, there, now):
            return None
        return _refusal(keys, there)

    def make(self, keys: Keys, version: PendingVersion) -> None:
        """Create a key and store it, or delete it at once if it cannot be stored.

        Raises:
            RotationRefused: the user has two keys, and neither can be deleted.
            RotationFailed: the user has two keys while the stack is being deployed.
        """
        if not self._make_room(keys, version):
            return
        version.announce()
        key_id, secret_access_key = self.user.create_key()
        document = {
            "access_key_id": key_id,
            "secret_access_key": secret_access_key,
            **self.details,
        }
        try:
            version.store(document)
        except AlreadyStored:
            self.user.delete_key(key_id)
        except CallFailed:
            # The call may have succeeded despite the error. If that cannot be checked either, the
            # key stays: a later run finds it in a version, or deletes it as an orphan.
            if not version.is_stored():
                self.user.delete_key(key_id)
            raise
        version.conclude()

    def is_current_deleted(self, keys: Keys) -> bool:
        """Return whether the current key was deleted by hand."""
        return self._current_loss(keys, self._by_id()) is PreviousKeyState.CURRENT_DELETED

    def check_pending(self, document: Mapping[str, str]) -> None:
        """Check that the pending key exists.

        Raises:
            RotationFailed: the key was deleted.
        """
        if document.get("access_key_id") not in self._by_id():
            raise RotationFailed(
                "the key of the pending version was deleted by hand; the next rotation creates a "
                "new one"
            )

    def try_out(self, document: Mapping[str, str], made_at: float) -> None:  # noqa: ARG002
        """Read the tracked log group with a key until that works.

        Raises:
            RotationFailed: the key did not start working in time.
        """
        if not self.is_key(document):
            return
        waits = iter(_WAIT_SECONDS)
        wait = 0.0
        give_up = self.clock() + WORKS_WITHIN_SECONDS
        while (code := self.user.reads(document)) is not None:
            wait = next(waits, wait)
            if self.clock() + wait > give_up:
                raise RotationFailed(f"the new key does not work: {code}")
            self.sleep(wait)

    def retire(self, keys: Keys, now: float) -> PreviousKeyState:
        """Disable the previous key when only the current one is in use, and delete it later."""
        there = self._by_id()
        loss = self._current_loss(keys, there)
        if loss is not None:
            # The reader may have no other working key than the previous one.
            return loss
        previous = _previous(keys, there)
        if previous is None:
            return PreviousKeyState.NOTHING
        if previous.active:
            return self._retire_active(previous, keys, there, now)
        if keys.disabled_at is None:
            return PreviousKeyState.FOUND_DISABLED
        if now - keys.disabled_at < self.grace:
            return PreviousKeyState.NOTHING
        self.user.delete_key(previous.key_id)
        return PreviousKeyState.ENDED

    def _retire_active(
        self, previous: UserKey, keys: Keys, there: Mapping[str, UserKey], now: float
    ) -> PreviousKeyState:
        if keys.disabled_at is not None:
            return PreviousKeyState.ENABLED_AGAIN
        is_late = now - keys.made_at > self.notice
        if self._is_current_used(keys, there):
            # Another reader may still have the previous key.
            if keys.watched_since is None:
                return PreviousKeyState.ADOPTED
            if (self.user.last_used(previous.key_id) or 0.0) > keys.watched_since:
                return PreviousKeyState.BOTH_USED if is_late else PreviousKeyState.ADOPTED
        elif not self._is_idle(previous, now):
            return PreviousKeyState.WAITING if is_late else PreviousKeyState.NOTHING
        self.user.disable_key(previous.key_id)
        return PreviousKeyState.DISABLED

    def tidy(self, keys: Keys, now: float) -> None:
        """Delete keys of the rotation that no version has held for a day."""
        for key in self._orphans(keys, self._by_id()):
            if now - key.created > _ORPHAN_KEPT_SECONDS:
                self.user.delete_key(key.key_id)

    def _by_id(self) -> dict[str, UserKey]:
        return {key.key_id: key for key in self.user.list_keys()}

    def _current_loss(self, keys: Keys, there: Mapping[str, UserKey]) -> PreviousKeyState | None:
        """Return how the current key was lost: deleted or disabled by hand; None if it was not."""
        key_id = keys.current.get("access_key_id")
        if not key_id:
            return None
        if key_id not in there:
            # IAM may list a new key with a delay.
            is_new = self.clock() - keys.made_at < WORKS_WITHIN_SECONDS
            return None if is_new else PreviousKeyState.CURRENT_DELETED
        return None if there[key_id].active else PreviousKeyState.CURRENT_DISABLED

    def _may_be_stored_yet(self, keys: Keys, there: Mapping[str, UserKey], now: float) -> bool:
        """Return whether another run of this step may still store the key that it created."""
        return any(now - key.created < self.orphan_after for key in _strangers(keys, there))

    def _orphans(self, keys: Keys, there: Mapping[str, UserKey]) -> list[UserKey]:
        """Return keys that a run of the rotation created but could not store.

        Such a key was created when the rotation requested one, is in no version, and was never
        used. Other keys come from CloudFormation or from people.
        """
        return [
            key
            for key in _strangers(keys, there)
            if any(
                -_CREATED_BEFORE_SECONDS <= key.created - asked_at <= _CREATED_AFTER_SECONDS
                for asked_at in keys.asked_at
            )
            and self.user.last_used(key.key_id) is None
        ]

    def _free_previous(
        self, keys: Keys, there: Mapping[str, UserKey], now: float
    ) -> UserKey | None:
        """Return the previous key if it is disabled, or has not been used for a long time."""
        previous = _previous(keys, there)
        if previous is not None and previous.active and not self._is_idle(previous, now):
            return None
        return previous

    def _is_idle(self, key: UserKey, now: float) -> bool:
        """Return whether a key has been unused for so long that no reader can have it."""
        used = self.user.last_used(key.key_id) or key.created
        return now - used >= max(self.grace, _IDLE_SECONDS)

    def _is_current_used(self, keys: Keys, there: Mapping[str, UserKey]) -> bool:
        """Return whether a reader uses the current key."""
        current = there.get(keys.current.get("access_key_id", ""))
        if current is None or not current.active:
            return False
        if keys.enabled_again or keys.disabled_at is not None:
            # Re-enabled by hand: a reader may need it even if the current key was used.
            return False
        used = self.user.last_used(current.key_id)
        # The rotation records its own uses before it makes them: see TESTED_AT_TAG.
        return used is not None and used > keys.tested_at + _RECORDED_WITHIN_SECONDS

    def _make_room(self, keys: Keys, version: PendingVersion) -> bool:
        """Make room for a key. Return False if another run has already stored one."""
        while len(there := self._by_id()) >= MAXIMUM_KEYS:
            if _strangers(keys, there) and version.is_stored():
                return False
            now = self.clock()
            orphans = self._orphans(keys, there)
            if orphans and self.is_key(keys.current) and self.stack_changes():
                # CloudFormation creates a key of its own while rotation is being switched off.
                raise RotationFailed("a deployment is running and may have created the user's key")
            if self._may_be_stored_yet(keys, there, now):
                self.sleep(1.0)
                continue
            going = next(iter(orphans), None) or self._free_previous(keys, there, now)
            if going is None:
                raise RotationRefused(_refusal(keys, there))
            self.user.delete_key(going.key_id)
        return True


def _refusal(keys: Keys, there: Mapping[str, UserKey]) -> str:
    if _previous(keys, there) is not None and keys.current.get("access_key_id") in there:
        return (
            "the previous key was used lately, and a user has at most two keys; enter the current "
            "key in every OpenReplay"
        )
    return (
        "the user has two keys, and the rotation cannot delete either: delete the one that is in "
        "no version of the secret when it is no longer in use"
    )


def _strangers(keys: Keys, there: Mapping[str, UserKey]) -> list[UserKey]:
    """Return the keys that are in no version of the secret."""
    documents = (keys.current, keys.previous, keys.pending)
    ours = {document.get("access_key_id") for document in documents}
    return [key for key_id, key in there.items() if key_id not in ours]


def _previous(keys: Keys, there: Mapping[str, UserKey]) -> UserKey | None:
    key_id = keys.previous.get("access_key_id", "")
    return None if key_id == keys.current.get("access_key_id") else there.get(key_id)
