"""All secrets that are rotated, by their ARN: steps, looks, and what is counted of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from openreplay_cw_stack.contract import metrics as names
from openreplay_cw_stack.runtime.aws_calls import CallFailed
from openreplay_cw_stack.runtime.rotation.kinds import Retirement, RotationFailed, RotationRefused
from openreplay_cw_stack.runtime.rotation.rotating import Rotation

_SECONDS_PER_DAY = 86_400
_SAID = {
    Retirement.WAITING: "nobody has used the current key yet: tell OpenReplay of it",
    Retirement.DISABLED: "the current key is in use; the previous one was disabled",
    Retirement.ENDED: "the previous key is gone",
    Retirement.EXPIRED: "the previous key is refused from now on, and nobody has used the current "
    "one yet: tell OpenReplay of it",
}


@dataclass(frozen=True)
class Keeper:
    """Rotates secrets and looks after their keys.

    Attributes:
        rotations: by the secret's ARN.
        clock: seconds since 1970.
        say: takes a level and a message for the function's own log.
        count: takes metrics, their dimensions, and whether they are published without these too.
    """

    rotations: Mapping[str, Rotation]
    clock: Callable[[], float]
    say: Callable[[str, str], None]
    count: Callable[[Mapping[str, float], Mapping[str, str], bool], None]

    def step(self, secret_arn: str, name: str, token: str) -> None:
        """Take one step of a secret's rotation.

        Raises:
            RotationRefused: counted and said, as is every failure.
            RotationFailed: likewise.
            CallFailed: likewise.
        """
        rotation = self.rotations.get(secret_arn)
        if rotation is None:
            raise RotationFailed("this function does not rotate that secret")
        kind = rotation.kind.name
        try:
            rotation.step(name, token)
        except RotationRefused as refused:
            self._report(names.REFUSED_ROTATIONS, kind, f"{name} of {kind} refused: {refused}")
            raise
        except Exception as error:
            known = isinstance(error, RotationFailed | CallFailed)
            reason = str(error) if known else type(error).__name__
            self._report(names.FAILED_ROTATIONS, kind, f"{name} of {kind} failed: {reason}")
            raise RotationFailed(reason) from None
        self.say("INFO", f"{name} of {kind} is done")

    def look(self) -> None:
        """Look after the previous keys, and publish how old the current ones are.

        Raises:
            RotationFailed: a secret could not be looked after; the others were.
        """
        failed = [
            rotation.kind.name
            for rotation in self.rotations.values()
            if not self._look_after(rotation)
        ]
        if failed:
            raise RotationFailed(f"could not look after {' and '.join(failed)}")

    def _look_after(self, rotation: Rotation) -> bool:
        kind = rotation.kind.name
        try:
            age = self.clock() - rotation.keys().made_at
            self.count({names.KEY_AGE: age / _SECONDS_PER_DAY}, {names.KEY: kind}, False)
            retirement = rotation.retire()
        except Exception as error:
            reason = str(error) if isinstance(error, CallFailed) else type(error).__name__
            self.say("ERROR", f"could not look after {kind}: {reason}")
            return False
        if retirement in (Retirement.WAITING, Retirement.EXPIRED):
            self._report(names.KEYS_NOT_TAKEN_UP, kind, f"{kind}: {_SAID[retirement]}")
        elif retirement is not Retirement.NOTHING:
            self.say("INFO", f"{kind}: {_SAID[retirement]}")
        return True

    def _report(self, metric: str, kind: str, message: str) -> None:
        self.say("WARN", message)
        self.count({metric: 1}, {names.KEY: kind}, True)
