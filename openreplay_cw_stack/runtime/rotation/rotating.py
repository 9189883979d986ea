"""The four steps of a rotation, and what is looked after between rotations.

AWS documentation, "Lambda rotation function": Secrets Manager calls createSecret, setSecret,
testSecret and finishSecret one after the other, repeats a rotation that failed with the same
token, and with ``RotateImmediately`` false calls testSecret alone, with a version that it removes
again and that has no value, or the current one.
So every step may come again, and may find what an earlier run has left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from openreplay_cw_stack.contract import metrics as names
from openreplay_cw_stack.contract.openreplay_project import TESTED_AT_TAG, told_tag
from openreplay_cw_stack.runtime.aws_calls import CallFailed
from openreplay_cw_stack.runtime.rotation.kinds import (
    KeyKind,
    Keys,
    Retirement,
    RotationFailed,
    RotationRefused,
)
from openreplay_cw_stack.runtime.rotation.secret import (
    CURRENT,
    DISABLED_TAG,
    PENDING,
    PREVIOUS,
    Secret,
    SecretState,
    StoredValue,
)

_LISTED_WITHIN_SECONDS = 60.0
_SECONDS_PER_DAY = 86_400
_MESSAGES = {
    Retirement.WAITING: "nobody has used the current key yet: give it to OpenReplay",
    Retirement.DISABLED: "the current key is in use; the previous one was disabled",
    Retirement.FOUND_DISABLED: "the previous key was disabled by hand; it is deleted after the "
    "grace",
    Retirement.ENDED: "the previous key is gone",
    Retirement.EXPIRED: "the previous key is refused from now on, and nobody has used the current "
    "one yet: give it to OpenReplay",
    Retirement.DELETED: "the current key was deleted by hand: rotate the secret to get a new one",
    Retirement.SWITCHED_OFF: "the current key was disabled by hand: enable it, or rotate the "
    "secret to get a new one",
}
_COUNTED_AS = {
    Retirement.WAITING: names.KEYS_NOT_TAKEN_UP,
    Retirement.EXPIRED: names.KEYS_NOT_TAKEN_UP,
    Retirement.DELETED: names.FAILED_ROTATIONS,
    Retirement.SWITCHED_OFF: names.FAILED_ROTATIONS,
}

Say = Callable[[str, str], None]
"""Takes a level and a message for the function's own log."""
Count = Callable[[Mapping[str, float], Mapping[str, str], bool], None]
"""Takes metrics, their dimensions, and whether they are published without these too."""


@dataclass(frozen=True)
class Rotation:
    """The rotation of one secret.

    Attributes:
        secret: the secret.
        kind: how its keys are made and retired.
        projects: the names of the OpenReplay projects that we tell its key.
        clock: seconds since 1970.
        hand_over: has these projects told the new key, without waiting for it.
        say: writes to the function's own log.
        count: publishes metrics.
    """

    secret: Secret
    kind: KeyKind
    projects: Sequence[str]
    clock: Callable[[], float] = field(repr=False)
    hand_over: Callable[[], None] = field(repr=False)
    say: Say = field(repr=False)
    count: Count = field(repr=False)

    def step(self, name: str, token: str) -> None:
        """Take one step of a rotation. Each outcome is logged, and each failure counted.

        Raises:
            RotationRefused: a new key would take one away from its reader.
            RotationFailed: it did not work. The message has an error's code, and no other text.
        """
        kind = self.kind.name
        try:
            self._step(name, token)
        except RotationRefused as refused:
            self._report(names.REFUSED_ROTATIONS, f"{name} of {kind} refused: {refused}")
            raise
        except Exception as error:
            known = isinstance(error, RotationFailed | CallFailed)
            reason = str(error) if known else type(error).__name__
            self._report(names.FAILED_ROTATIONS, f"{name} of {kind} failed: {reason}")
            raise RotationFailed(reason) from None
        self.say("INFO", f"{name} of {kind} is done")

    def look(self) -> bool:
        """Look after the previous key, and publish how old the current one is.

        Returns:
            Whether that was possible. What is found is logged, and counted where a person is
            needed.
        """
        kind = self.kind.name
        try:
            keys = self.keys()
            age = self.clock() - keys.made_at
            self.count({names.KEY_AGE: age / _SECONDS_PER_DAY}, {names.KEY: kind}, False)
            retirement = self.retire(keys)
        except Exception as error:
            reason = str(error) if isinstance(error, CallFailed) else type(error).__name__
            self.say("ERROR", f"could not look after {kind}: {reason}")
            return False
        if retirement in _COUNTED_AS:
            self._report(_COUNTED_AS[retirement], f"{kind}: {_MESSAGES[retirement]}")
        elif retirement is not Retirement.NOTHING:
            self.say("INFO", f"{kind}: {_MESSAGES[retirement]}")
        return True

    def _report(self, metric: str, message: str) -> None:
        self.say("WARN", message)
        self.count({metric: 1}, {names.KEY: self.kind.name}, True)

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
                # An earlier run may have ended before it told anybody.
                self.hand_over()
            return
        if PENDING not in stages:
            raise RotationFailed("the version of this rotation is not the pending one")
        steps[name](token, state)

    def keys(self) -> Keys:
        """The keys that the secret holds now."""
        return self._keys(self.secret.state())

    def retire(self, keys: Keys) -> Retirement:
        """Disable, refuse or delete the previous key when it is time.

        Args:
            keys: as :meth:`keys` has them now.
        """
        self.kind.tidy(keys, self.clock())
        retirement = self.kind.retire(keys, self.clock())
        if keys.previous_version is None:
            return retirement
        if retirement in (Retirement.DISABLED, Retirement.FOUND_DISABLED):
            self.secret.tag(DISABLED_TAG, f"{keys.previous_version} {self.clock():.0f}")
        elif retirement in (Retirement.ENDED, Retirement.EXPIRED):
            self.secret.remove(PREVIOUS, out_of=keys.previous_version)
        return retirement

    def _create(self, token: str, state: SecretState) -> None:
        pending = self.secret.value(token)
        if pending is not None:
            try:
                self.kind.check_pending(pending.document)
            except RotationFailed:
                # A version's value is put once: with this one no rotation would ever succeed. But
                # IAM may not list yet what was made a moment ago.
                if self.clock() - pending.created > _LISTED_WITHIN_SECONDS:
                    self.secret.remove(PENDING, out_of=token)
                raise
            return
        keys = self._keys(state)
        refusal = self.kind.refusal(keys, self.clock())
        if refusal is not None:
            raise RotationRefused(refusal)
        self.kind.make(
            keys,
            store=lambda document: self.secret.put(token, document),
            stored=lambda: self.secret.value(token) is not None,
        )

    def _test(self, token: str, state: SecretState) -> None:
        current = self._value(state.version(CURRENT))
        value = self.secret.value(token)
        if value is None or value.document == current.document:
            # Nothing is being made: the key that there is shows whether rotation could work.
            value = replace(current, created=0.0)
        if self.kind.is_key(value.document):
            # Noted first: nobody is to take a use for the reader's because this run has ended.
            self.secret.tag(TESTED_AT_TAG, f"{self.clock() + self.kind.tried_for:.3f}")
            self.kind.try_out(value.document, value.created)

    def _finish(self, token: str, state: SecretState) -> None:
        if self.secret.value(token) is None:
            raise RotationFailed("the version of this rotation has no key")
        current, previous = state.version(CURRENT), state.version(PREVIOUS)
        reader_has_previous = self.kind.is_current_deleted(self._keys(state))
        self.secret.move(CURRENT, to=token, out_of=current)
        if reader_has_previous and previous is not None:
            # The key that is gone is not the one to look after.
            self.secret.move(PREVIOUS, to=previous, out_of=current)
        self.hand_over()

    def _keys(self, state: SecretState) -> Keys:
        current, previous, pending = (
            self._value(state.version(stage)) for stage in (CURRENT, PREVIOUS, PENDING)
        )
        current_version = state.version(CURRENT)
        previous_version = state.version(PREVIOUS)
        return Keys(
            current=current.document,
            previous=previous.document,
            pending=pending.document,
            current_version=current_version,
            previous_version=previous_version,
            secret_made_at=state.created,
            made_at=current.created,
            tested_at=_number(state.tags.get(TESTED_AT_TAG)) or 0.0,
            disabled_at=_disabled_at(state.tags.get(DISABLED_TAG, ""), previous_version),
            told=bool(self.projects)
            and all(state.tags.get(told_tag(one)) == current_version for one in self.projects),
        )

    def _value(self, version_id: str | None) -> StoredValue:
        value = self.secret.value(version_id) if version_id else None
        return value or StoredValue({}, 0.0)


def look_after(rotations: Iterable[Rotation]) -> None:
    """Look after every secret.

    Raises:
        RotationFailed: one could not be looked after; the others were.
    """
    failed = [rotation.kind.name for rotation in rotations if not rotation.look()]
    if failed:
        raise RotationFailed(f"could not look after {' and '.join(failed)}")


def _disabled_at(note: str, previous_version: str | None) -> float | None:
    version, _, moment = note.partition(" ")
    return _number(moment) if version == previous_version else None


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None
