from __future__ import annotations

import dataclasses
import traceback
from collections.abc import Mapping

import pytest

from openreplay_cw_stack.runtime.aws_calls import CallFailed
from openreplay_cw_stack.runtime.rotation.kinds import RotationFailed, RotationRefused
from openreplay_cw_stack.runtime.rotation.rotating import look_after
from tests.runtime.rotation.test_access_key import DAY, Account
from tests.runtime.rotation.test_api_key import Deployment


class Kept:
    """Both kinds of keys, and what is said and counted of them."""

    def __init__(self) -> None:
        self.account = Account(told=False)
        self.deployment = Deployment(world=self.account.world)
        self.said: list[tuple[str, str]] = []
        self.counted: list[tuple[dict[str, float], dict[str, str], bool]] = []
        self.access_key, self.api_key = (
            dataclasses.replace(one.rotation, say=self._say, count=self._count)
            for one in (self.account, self.deployment)
        )

    def look(self) -> None:
        look_after([self.access_key, self.api_key])

    def _say(self, level: str, message: str) -> None:
        self.said.append((level, message))

    def _count(
        self, values: Mapping[str, float], dimensions: Mapping[str, str], also_without: bool
    ) -> None:
        self.counted.append((dict(values), dict(dimensions), also_without))

    def of(self, metric: str) -> list[tuple[float, str, bool]]:
        return [
            (values[metric], dimensions["Key"], also_without)
            for values, dimensions, also_without in self.counted
            if metric in values
        ]


def test_a_step_is_logged() -> None:
    kept = Kept()
    kept.account.secret.begin("one")
    kept.access_key.step("createSecret", "one")
    assert kept.said == [("INFO", "createSecret of access_key is done")]


def test_a_refusal_is_said_and_counted() -> None:
    kept = Kept()
    kept.account.rotate("one")
    kept.account.tell()
    kept.account.world.now += 30 * DAY
    kept.account.reader.poll()
    kept.account.rotate("two")
    kept.account.secret.begin("three")
    with pytest.raises(RotationRefused):
        kept.access_key.step("createSecret", "three")
    assert kept.of("RefusedRotations") == [(1, "access_key", True)]
    ((level, message),) = kept.said
    assert level == "WARN"
    assert "the reader still uses the previous key" in message


@pytest.mark.parametrize(
    ("fault", "reason"),
    [(CallFailed("AccessDenied"), "AccessDenied"), (ValueError("a secret text"), "ValueError")],
)
def test_a_failure_is_said_and_counted_without_its_text(fault: Exception, reason: str) -> None:
    kept = Kept()
    kept.account.secret.begin("one")
    kept.account.world.faults = {kept.account.world.calls + 2: ("before", fault)}
    with pytest.raises(RotationFailed, match=rf"^{reason}$") as failed:
        kept.access_key.step("createSecret", "one")
    # What AWS Lambda logs, and whatever else prints it with what it came from.
    assert "a secret text" not in "".join(traceback.format_exception(failed.value))
    assert kept.of("FailedRotations") == [(1, "access_key", True)]
    assert "a secret text" not in str(kept.said)


def test_a_look_says_how_old_the_keys_are_and_what_waits_for_a_person() -> None:
    kept = Kept()
    kept.account.rotate("one")
    kept.deployment.rotate("one")
    kept.account.world.now += 2 * DAY
    kept.look()
    ages = {key: age for age, key, _ in kept.of("KeyAge")}
    assert ages == {"access_key": pytest.approx(2, abs=0.1), "api_key": pytest.approx(2, abs=0.1)}
    assert kept.of("KeysNotTakenUp") == [(1, "api_key", True)]


def test_one_that_cannot_be_looked_after_does_not_stop_the_other() -> None:
    kept = Kept()
    kept.deployment.rotate("one")
    kept.account.world.now += 8 * DAY
    kept.account.secret.values.clear()
    kept.account.secret.stages.clear()
    kept.account.world.faults = {kept.account.world.calls + 1: ("before", CallFailed("Throttling"))}
    with pytest.raises(RotationFailed, match=r"could not look after access_key$"):
        kept.look()
    assert ("ERROR", "could not look after access_key: Throttling") in kept.said
    assert kept.of("KeysNotTakenUp") == [(1, "api_key", True)]


@pytest.mark.parametrize(("active", "word"), [(None, "deleted"), (False, "disabled")])
def test_a_current_key_lost_by_hand_is_logged_and_counted(active: bool | None, word: str) -> None:
    kept = Kept()
    kept.account.rotate("one")
    kept.account.world.now += DAY
    key_id = kept.account.secret.current()["access_key_id"]
    del kept.account.user.active[key_id]
    if active is not None:
        kept.account.user.active[key_id] = active
    kept.look()
    assert kept.of("FailedRotations") == [(1, "access_key", True)]
    assert any(f"the current key was {word} by hand" in message for _, message in kept.said)
