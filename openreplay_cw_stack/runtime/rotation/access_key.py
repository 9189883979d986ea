"""The service account's access key.

IAM User Guide, "Manage access keys for IAM users" and "IAM and AWS STS quotas": a user has two
keys at most, inactive ones included; a new one takes some seconds to work; IAM tells when, and for
which service, a key was last used. OpenReplay's poller is locked out for good by 40 refused calls
(``backend/pkg/integrations/model/request.go`` at tag v1.20.0), so that no key is disabled before
the reader is known to have the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from openreplay_cw_stack.runtime.aws_calls import CallFailed
from openreplay_cw_stack.runtime.rotation.kinds import Keys, Retirement, RotationFailed, Store
from openreplay_cw_stack.runtime.rotation.secret import AlreadyStored

MAXIMUM_KEYS = 2
WORKS_WITHIN_SECONDS = 120.0
"""How long a new key is tried before it is given up. It works after 10 to 15 seconds mostly."""
_USE_TOLD_WITHIN_SECONDS = 300.0
"""IAM tells the minute of a use, or several: ``2015-03-13T10:45:00Z`` in the API reference."""
_IDLE_SECONDS = 6 * 3600.0
"""After less than this without a use a reader may be there all the same.

OpenReplay's poller rests for three hours after four calls that failed, IAM takes its time to tell
of a use, and a look comes each hour. Twice the shortest interval of rotations is more.
"""
_WAIT_SECONDS = (1.0, 2.0, 3.0, 5.0)
_NOBODYS_AFTER_SECONDS = 86_400.0


@dataclass(frozen=True)
class UserKey:
    """An access key of the user, without its secret.

    Attributes:
        key_id: its id.
        active: whether it is.
        created: when it was made, in seconds since 1970.
    """

    key_id: str
    active: bool
    created: float


class User(Protocol):
    """The IAM user. Every call may raise :class:`CallFailed`."""

    def list_keys(self) -> list[UserKey]:
        """Its access keys."""

    def create_key(self) -> tuple[str, str]:
        """A new access key: its id, and its secret."""

    def disable_key(self, key_id: str) -> None:
        """Make a key inactive."""

    def delete_key(self, key_id: str) -> None:
        """Delete a key; one that is not there is fine."""

    def last_used(self, key_id: str) -> float | None:
        """When a key was last used, in seconds since 1970; None where it never was."""

    def reads(self, document: Mapping[str, str]) -> str | None:
        """Try a key on the log group that it reads: None where it works, else the error's code."""


@dataclass(frozen=True)
class AccessKey:
    """The access key of an IAM user.

    Attributes:
        user: whose.
        details: what the secret says besides the key: region and log group.
        grace: seconds for which a disabled key is kept.
        notice: seconds after which a person is told that the reader does not use the new key.
        orphan_after: seconds after which a key that stands in no version is nobody's.
        clock: seconds since 1970.
        sleep: waits for so many seconds.
        stack_changes: whether the stack is being deployed or deleted.
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
        """Whether a secret's value has a key in it."""
        return bool(document.get("access_key_id") and document.get("secret_access_key"))

    def refusal(self, keys: Keys, now: float) -> str | None:
        """Why no new key may be made now.

        The previous key makes room for the next one. It has to stay while a reader uses it.
        """
        there = self._by_id()
        previous = _previous(keys, there)
        if previous is None or not previous.active:
            return None
        if self._current_loss(keys, there) is Retirement.DELETED:
            # There is room for a new key beside the reader's.
            return None
        if self._is_taken_up(keys, previous, now):
            return None
        return (
            "the reader still uses the previous key and not the current one, and a user has two "
            "keys at most; give OpenReplay the current key"
        )

    def make(self, keys: Keys, store: Store, stored: Callable[[], bool]) -> None:
        """Create a key and store it; one that could not be stored is deleted at once.

        Raises:
            RotationFailed: the user has two keys that have to stay.
        """
        if not self._make_room(keys, stored):
            return
        key_id, secret_access_key = self.user.create_key()
        document = {
            "access_key_id": key_id,
            "secret_access_key": secret_access_key,
            **self.details,
        }
        try:
            store(document)
        except AlreadyStored:
            self.user.delete_key(key_id)
        except CallFailed:
            # The call may have come through all the same. If even that cannot be told, the key
            # stays: it is found later, in a version or in none.
            if not stored():
                self.user.delete_key(key_id)
            raise

    def is_current_deleted(self, keys: Keys) -> bool:
        """Whether a person deleted the current key."""
        return self._current_loss(keys, self._by_id()) is Retirement.DELETED

    def check_pending(self, document: Mapping[str, str]) -> None:
        """Raise where the pending key was deleted.

        Raises:
            RotationFailed: it was.
        """
        if document.get("access_key_id") not in [key.key_id for key in self.user.list_keys()]:
            raise RotationFailed(
                "the key of the pending version has been deleted by somebody; the next rotation "
                "makes another"
            )

    def try_out(self, document: Mapping[str, str], made_at: float) -> None:  # noqa: ARG002
        """Read a log group with a key until that works.

        Raises:
            RotationFailed: it does not.
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

    def retire(self, keys: Keys, now: float) -> Retirement:
        """Disable the previous key once the current one is used, and delete it after the grace."""
        there = self._by_id()
        loss = self._current_loss(keys, there)
        if loss is not None:
            # The previous key may be the only one that the reader has.
            return loss
        previous = _previous(keys, there)
        if previous is None:
            return Retirement.NOTHING
        if not previous.active:
            if keys.disabled_at is None:
                return Retirement.FOUND_DISABLED
            if now - keys.disabled_at < self.grace:
                return Retirement.NOTHING
            self.user.delete_key(previous.key_id)
            return Retirement.ENDED
        if self._is_taken_up(keys, previous, now):
            self.user.disable_key(previous.key_id)
            return Retirement.DISABLED
        return Retirement.WAITING if now - keys.made_at > self.notice else Retirement.NOTHING

    def tidy(self, keys: Keys, now: float) -> None:
        """Delete keys that have been in no version for a day, and that nobody has ever used."""
        kept = _ids(keys.current, keys.previous, keys.pending)
        if not kept:
            return
        for key in self._strangers(keys, kept):
            if now - key.created > _NOBODYS_AFTER_SECONDS:
                self.user.delete_key(key.key_id)

    def delete_all(self, only: Iterable[str] | None = None) -> int:
        """Delete the user's keys, or those named; how many there were."""
        named = None if only is None else set(only)
        deleted = 0
        for key in self.user.list_keys():
            if named is None or key.key_id in named:
                self.user.delete_key(key.key_id)
                deleted += 1
        return deleted

    def _by_id(self) -> dict[str, UserKey]:
        return {key.key_id: key for key in self.user.list_keys()}

    def _current_loss(self, keys: Keys, there: Mapping[str, UserKey]) -> Retirement | None:
        """Whether a person deleted or disabled the current key."""
        key_id = keys.current.get("access_key_id")
        if not key_id:
            return None
        if key_id not in there:
            # IAM may not list yet what was made a moment ago.
            is_new = self.clock() - keys.made_at < WORKS_WITHIN_SECONDS
            return None if is_new else Retirement.DELETED
        return None if there[key_id].active else Retirement.SWITCHED_OFF

    def _strangers(self, keys: Keys, kept: set[str]) -> list[UserKey]:
        """Keys in no version that a run of this function can have made and failed to store.

        A key that is older than the secret belongs to CloudFormation, which deletes it once the
        stack is updated, or to a person. One that was ever used belongs to whoever uses it: a key
        that was not stored was never used.
        """
        return [
            key
            for key in self.user.list_keys()
            if key.key_id not in kept
            and key.created >= keys.secret_made_at
            and self.user.last_used(key.key_id) is None
        ]

    def _is_taken_up(self, keys: Keys, previous: UserKey, now: float) -> bool:
        """Whether the reader has the current key, or there is no reader at all."""
        current_used = self.user.last_used(keys.current.get("access_key_id", ""))
        # What we have used it for ourselves is noted before the use: see TESTED_AT_TAG.
        if current_used is not None and current_used > keys.tested_at + _USE_TOLD_WITHIN_SECONDS:
            return True
        previous_used = self.user.last_used(previous.key_id) or previous.created
        return now - previous_used >= max(self.grace, _IDLE_SECONDS)

    def _make_room(self, keys: Keys, stored: Callable[[], bool]) -> bool:
        """Have a place for a key; False where the pending version got its value meanwhile.

        First goes a key that stands in no version: a run of ours ended before it was stored. Then
        the previous key, which :meth:`refusal` has found disabled or idle.
        """
        kept = _ids(keys.current, keys.previous)
        while len(there := self._by_id()) >= MAXIMUM_KEYS:
            strangers = self._strangers(keys, kept)
            going = max(strangers, key=_created) if strangers else _previous(keys, there)
            if going is None:
                raise RotationFailed(
                    "the user has two keys, and neither may be deleted: delete the one that no "
                    "rotation made, once nobody uses it"
                )
            if strangers and self.is_key(keys.current) and self.stack_changes():
                # CloudFormation makes a key of its own while rotation is being switched off.
                raise RotationFailed("a deployment is running, and may have made the user's key")
            if strangers and self.clock() - going.created < self.orphan_after:
                # Another run of this step may be about to store it.
                self.sleep(1.0)
                if stored():
                    return False
            else:
                self.user.delete_key(going.key_id)
        return True


def _previous(keys: Keys, there: Mapping[str, UserKey]) -> UserKey | None:
    key_id = keys.previous.get("access_key_id", "")
    return None if key_id == keys.current.get("access_key_id") else there.get(key_id)


def _created(key: UserKey) -> float:
    return key.created


def _ids(*documents: Mapping[str, str]) -> set[str]:
    ids = (document.get("access_key_id") for document in documents)
    return {one for one in ids if one}
