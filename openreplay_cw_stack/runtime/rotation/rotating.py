"""The four steps of a rotation, and the hourly check between rotations.

AWS documentation, "Lambda rotation function": Secrets Manager calls createSecret, setSecret,
testSecret and finishSecret in this order, and retries a failed rotation with the same token. With
``RotateImmediately`` false it calls only testSecret, with a temporary version without a value, or
with the current version. Every step can therefore run again, and must handle the state that an
earlier run left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from openreplay_cw_stack.contract import metrics as names
from openreplay_cw_stack.contract.openreplay_project import TESTED_AT_TAG, notified_tag
from openreplay_cw_stack.runtime.aws_calls import error_code
from openreplay_cw_stack.runtime.function_log import FunctionLog, MetricDocument
from openreplay_cw_stack.runtime.rotation.kinds import (
    Keys,
    PreviousKeyState,
    RotatedKey,
    RotationFailed,
    RotationRefused,
)
from openreplay_cw_stack.runtime.rotation.secret import (
    ASKED_TAG,
    CURRENT,
    DISABLED_TAG,
    PENDING,
    PREVIOUS,
    WATCHED_TAG,
    PendingVersion,
    Secret,
    SecretState,
    StoredValue,
)

_LISTED_WITHIN_SECONDS = 60.0
_SECONDS_PER_DAY = 86_400
_ENABLED = "enabled"
_MESSAGES = {
    PreviousKeyState.WAITING: "the current key is not in use yet: enter it in OpenReplay",
    PreviousKeyState.ADOPTED: "the current key is in use; the previous one is disabled within "
    "hours if it is no longer used",
    PreviousKeyState.BOTH_USED: "the current and the previous key are both in use: enter the "
    "current key in every OpenReplay",
    PreviousKeyState.DISABLED: "the previous key was no longer in use and is now disabled",
    PreviousKeyState.FOUND_DISABLED: "the previous key was disabled by hand; it is deleted after "
    "the grace period",
    PreviousKeyState.ENABLED_AGAIN: "the previous key was enabled by hand; it stays while it "
    "is in use",
    PreviousKeyState.ENDED: "the previous key was removed",
    PreviousKeyState.EXPIRED: "the previous key is rejected from now on, and the current one is "
    "not in use yet: enter the current key in OpenReplay",
    PreviousKeyState.CURRENT_DELETED: "the current key was deleted by hand; a rotation creates "
    "a new one",
    PreviousKeyState.CURRENT_DISABLED: "the current key was disabled by hand: enable it, or "
    "rotate the secret to create a new one",
}
_COUNTED_AS = {
    PreviousKeyState.WAITING: names.NEW_KEY_UNUSED,
    PreviousKeyState.BOTH_USED: names.NEW_KEY_UNUSED,
    PreviousKeyState.EXPIRED: names.NEW_KEY_UNUSED,
    PreviousKeyState.CURRENT_DELETED: names.FAILED_ROTATIONS,
    PreviousKeyState.CURRENT_DISABLED: names.FAILED_ROTATIONS,
}


@dataclass(frozen=True)
class Rotation:
    """The rotation of one secret.

    Attributes:
        secret: the secret.
        kind: creates, tests and retires its keys.
        projects: the names of the OpenReplay projects that are registered with its key.
        clock: returns the time in seconds since 1970.
        notify_projects: starts the registration of the new key with the projects.
        log: the function's own log.
    """

    secret: Secret
    kind: RotatedKey
    projects: Sequence[str]
    clock: Callable[[], float] = field(repr=False)
    notify_projects: Callable[[], None] = field(repr=False)
    log: FunctionLog = field(repr=False)

    def step(self, name: str, token: str) -> None:
        """Run one step of a rotation. Log each outcome and count each failure.

        Raises:
            RotationRefused: a new key would replace a key that is in use.
            RotationFailed: the step failed. The message contains only an error's code.
        """
        kind = self.kind.name
        try:
            self._step(name, token)
        except RotationRefused as refused:
            self._report(names.REFUSED_ROTATIONS, f"{name} of {kind} refused: {refused}")
            raise
        except Exception as error:
            reason = str(error) if isinstance(error, RotationFailed) else error_code(error)
            self._report(names.FAILED_ROTATIONS, f"{name} of {kind} failed: {reason}")
            raise RotationFailed(reason) from None
        self.log.log(f"{name} of {kind} is done")

    def look(self) -> bool:
        """Check the keys and publish the age of the current one.

        Each result is logged, and counted if a person must act. A current key that was deleted by
        hand is replaced.

        Returns:
            Whether the check succeeded.
        """
        kind = self.kind.name
        try:
            keys = self.keys()
            age = (self.clock() - keys.made_at) / _SECONDS_PER_DAY
            self.log.metrics(MetricDocument({names.KEY_AGE: age}, {names.KEY: kind}))
            retirement = self.retire(keys)
            if retirement in _COUNTED_AS:
                self._report(_COUNTED_AS[retirement], f"{kind}: {_MESSAGES[retirement]}")
            elif retirement is not PreviousKeyState.NOTHING:
                self.log.log(f"{kind}: {_MESSAGES[retirement]}")
            if retirement is PreviousKeyState.CURRENT_DELETED:
                self.secret.rotate()
        except Exception as error:
            self.log.error(f"could not check {kind}: {error_code(error)}")
            return False
        return True

    def keys(self) -> Keys:
        """Return the keys that the secret holds."""
        return self._keys(self.secret.state())

    def retire(self, keys: Keys) -> PreviousKeyState:
        """Disable, reject or delete the previous key if it is time.

        Args:
            keys: the result of :meth:`keys`.
        """
        self.kind.tidy(keys, self.clock())
        retirement = self.kind.retire(keys, self.clock())
        previous = keys.previous_version
        if previous is None:
            return retirement
        if retirement in (PreviousKeyState.ADOPTED, PreviousKeyState.BOTH_USED):
            self.secret.tag(WATCHED_TAG, f"{previous} {self.clock():.3f}")
        elif retirement in (PreviousKeyState.DISABLED, PreviousKeyState.FOUND_DISABLED):
            self.secret.tag(DISABLED_TAG, f"{previous} {self.clock():.0f}")
        elif retirement is PreviousKeyState.ENABLED_AGAIN:
            self.secret.tag(DISABLED_TAG, f"{previous} {_ENABLED}")
        elif retirement in (PreviousKeyState.ENDED, PreviousKeyState.EXPIRED):
            self.secret.remove(PREVIOUS, out_of=previous)
        return retirement

    def _report(self, metric: str, message: str) -> None:
        self.log.warn(message)
        self.log.metrics(MetricDocument({metric: 1}, {names.KEY: self.kind.name}, [[]]))

    def _step(self, name: str, token: str) -> None:
        steps = {
            "createSecret": self._create,
            "setSecret": lambda _token, _state: None,
            "testSecret": self._test,
            "finishSecret": self._finish,
        }
        if name not in steps:
            raise RotationFailed(f"there is no step {name!r}")
        state = self.secret.state()
        stages = state.stages.get(token)
        if stages is None:
            raise RotationFailed("the secret has no version for this rotation")
        if CURRENT in stages:
            if name == "finishSecret":
                # An earlier run may have stopped before it registered the projects.
                self.notify_projects()
            return
        if PENDING not in stages:
            raise RotationFailed("the version of this rotation is not the pending one")
        steps[name](token, state)

    def _create(self, token: str, state: SecretState) -> None:
        pending = self.secret.value(token)
        if pending is not None:
            try:
                self.kind.check_pending(pending.document)
            except RotationFailed:
                # A version's value can be set only once, so with this version no rotation could
                # ever succeed. But IAM may list a new key with a delay.
                if self.clock() - pending.created > _LISTED_WITHIN_SECONDS:
                    self.secret.remove(PENDING, out_of=token)
                raise
            return
        keys = self._keys(state)
        refusal = self.kind.refusal(keys, self.clock())
        if refusal is not None:
            raise RotationRefused(refusal)
        self.kind.make(keys, PendingVersion(self.secret, token, keys.asked_at, self.clock))

    def _test(self, token: str, state: SecretState) -> None:
        current = self._value(state.version(CURRENT))
        value = self.secret.value(token)
        if value is None or value.document == current.document:
            # No key is being created: test the current one to see whether a rotation could work.
            value = replace(current, created=0.0)
        if self.kind.is_key(value.document):
            # Record this first, so that the use is not mistaken for a reader's if this run stops.
            self.secret.tag(TESTED_AT_TAG, f"{self.clock() + self.kind.tried_for:.3f}")
            self.kind.try_out(value.document, value.created)

    def _finish(self, token: str, state: SecretState) -> None:
        if self.secret.value(token) is None:
            raise RotationFailed("the version of this rotation has no key")
        current, previous = state.version(CURRENT), state.version(PREVIOUS)
        reader_has_previous = self.kind.is_current_deleted(self._keys(state))
        self.secret.move(CURRENT, to=token, out_of=current)
        if reader_has_previous and previous is not None:
            # The deleted key needs no retirement. The previous one does.
            self.secret.move(PREVIOUS, to=previous, out_of=current)
        self.notify_projects()

    def _keys(self, state: SecretState) -> Keys:
        current, previous, pending = (
            self._value(state.version(stage)) for stage in (CURRENT, PREVIOUS, PENDING)
        )
        current_version = state.version(CURRENT)
        previous_version = state.version(PREVIOUS)
        disabled = _note(state, DISABLED_TAG, previous_version)
        watched = _note(state, WATCHED_TAG, previous_version)
        return Keys(
            current=current.document,
            previous=previous.document,
            pending=pending.document,
            current_version=current_version,
            previous_version=previous_version,
            made_at=current.created,
            tested_at=next(_numbers(state.tags.get(TESTED_AT_TAG, "")), 0.0),
            asked_at=tuple(_numbers(state.tags.get(ASKED_TAG, ""))),
            disabled_at=next(_numbers(disabled), None),
            watched_since=next(_numbers(watched), None),
            enabled_again=disabled == _ENABLED,
            notified=bool(self.projects)
            and all(state.tags.get(notified_tag(one)) == current_version for one in self.projects),
        )

    def _value(self, version_id: str | None) -> StoredValue:
        value = self.secret.value(version_id) if version_id else None
        return value or StoredValue({}, 0.0)


def look_after(rotations: Iterable[Rotation]) -> None:
    """Check the keys of every secret.

    Raises:
        RotationFailed: the check of at least one secret failed. The others were checked.
    """
    failed = [rotation.kind.name for rotation in rotations if not rotation.look()]
    if failed:
        raise RotationFailed(f"could not check {' and '.join(failed)}")


def _note(state: SecretState, tag: str, version: str | None) -> str:
    """Return the note that a tag holds for a version."""
    noted, _, text = state.tags.get(tag, "").rpartition(" ")
    return text if noted == version else ""


def _numbers(text: str) -> Iterator[float]:
    for word in text.split():
        try:
            yield float(word)
        except ValueError:
            continue
