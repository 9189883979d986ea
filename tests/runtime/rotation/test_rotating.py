from __future__ import annotations

import dataclasses
import json
import traceback

import pytest

from openreplay_cw_stack.runtime.aws_calls import CallFailed
from openreplay_cw_stack.runtime.function_log import FunctionLog
from openreplay_cw_stack.runtime.rotation.kinds import RotationFailed, RotationRefused
from openreplay_cw_stack.runtime.rotation.rotating import look_after
from tests.runtime.rotation.test_access_key import DAY, Account
from tests.runtime.rotation.test_api_key import Deployment


class Kept:
    """Both kinds of keys, and the lines that their rotations print."""

    def __init__(self) -> None:
        self.account = Account(notified=False)
        self.deployment = Deployment(world=self.account.world)
        self.lines: list[str] = []
        log = FunctionLog("shop", clock_ms=lambda: 1, emit=self.lines.append)
        self.access_key, self.api_key = (
            dataclasses.replace(one.rotation, log=log) for one in (self.account, self.deployment)
        )

    def look(self) -> None:
        look_after([self.access_key, self.api_key])

    @property
    def said(self) -> list[tuple[str, str]]:
        documents = map(json.loads, self.lines)
        return [(one["level"], one["message"]) for one in documents if "message" in one]

    def of(self, metric: str) -> list[tuple[float, str, bool]]:
        """The values of a metric, the key each is of, and whether it is published without that."""
        return [
            (one[metric], one["Key"], ["Deployment"] in directive["Dimensions"])
            for one in map(json.loads, self.lines)
            if metric in one
            for directive in one["_aws"]["CloudWatchMetrics"]
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
    assert "the previous key was used lately" in message


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
    assert kept.of("NewKeyUnused") == [(1, "api_key", True)]


def test_one_that_cannot_be_looked_after_does_not_stop_the_other() -> None:
    kept = Kept()
    kept.deployment.rotate("one")
    kept.account.world.now += 8 * DAY
    kept.account.secret.values.clear()
    kept.account.secret.stages.clear()
    kept.account.world.faults = {kept.account.world.calls + 1: ("before", CallFailed("Throttling"))}
    with pytest.raises(RotationFailed, match=r"could not check access_key$"):
        kept.look()
    assert ("ERROR", "could not check access_key: Throttling") in kept.said
    assert kept.of("NewKeyUnused") == [(1, "api_key", True)]


def test_a_rotation_that_a_key_made_by_hand_blocks_is_refused() -> None:
    kept = Kept()
    kept.account.rotate("one")
    theirs, _ = kept.account.user.add()
    kept.account.world.now += DAY
    kept.account.secret.begin("two")
    with pytest.raises(RotationRefused):
        kept.access_key.step("createSecret", "two")
    assert kept.of("RefusedRotations") == [(1, "access_key", True)]
    assert kept.of("FailedRotations") == []
    ((level, message),) = kept.said
    assert level == "WARN"
    assert "delete the one that is in no version of the secret" in message
    assert theirs not in message


def test_a_current_key_that_was_disabled_by_hand_is_reported() -> None:
    kept = Kept()
    kept.account.rotate("one")
    kept.account.world.now += DAY
    kept.account.user.active[kept.account.secret.current()["access_key_id"]] = False
    kept.look()
    assert kept.of("FailedRotations") == [(1, "access_key", True)]
    assert any("the current key was disabled by hand" in message for _, message in kept.said)
    # It may be enabled again: no other key is created for it.
    assert kept.account.secret.rotations == 0


def test_a_current_key_that_was_deleted_by_hand_is_reported_and_replaced() -> None:
    kept = Kept()
    kept.account.rotate("one")
    kept.account.world.now += DAY
    kept.account.user.active.clear()
    kept.account.secret.on_rotate = lambda: kept.account.rotate("two")
    kept.look()
    assert kept.of("FailedRotations") == [(1, "access_key", True)]
    assert any("the current key was deleted by hand" in message for _, message in kept.said)
    assert kept.account.key_ids() == {kept.account.secret.current()["access_key_id"]}
    kept.look()
    assert kept.account.secret.rotations == 1


def test_a_replacement_that_cannot_be_asked_for_is_an_error() -> None:
    kept = Kept()
    kept.account.rotate("one")
    kept.account.world.now += DAY
    kept.account.user.active.clear()

    def refuse() -> None:
        raise CallFailed("AccessDeniedException")

    kept.account.secret.on_rotate = refuse
    with pytest.raises(RotationFailed):
        kept.look()
    assert ("ERROR", "could not check access_key: AccessDeniedException") in kept.said
    assert kept.of("FailedRotations") == [(1, "access_key", True)]
