"""The service account's key, while people create, use, disable, enable and delete keys by hand."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from openreplay_cw_stack.runtime.aws_calls import CallFailed
from openreplay_cw_stack.runtime.rotation.kinds import (
    PreviousKeyState,
    RotationFailed,
    RotationRefused,
)
from tests.runtime.rotation.simulation import Died, Reader
from tests.runtime.rotation.test_access_key import DAY, Account, told_by_hand_and_rotated


class TestKeysOfPersons:
    """One change by hand each."""

    @pytest.mark.parametrize("used", [True, False])
    def test_a_key_that_was_created_by_hand_stays(self, used: bool) -> None:
        account = Account()
        account.rotate("one")
        theirs, secret = account.user.add()
        document = {"access_key_id": theirs, "secret_access_key": secret}
        for hour in range(40):
            account.world.now += 3600
            if used:
                account.user.reads(document)
            account.look()
            assert account.user.active[theirs], hour
        # It has the place of the next key.
        for token in ("two", "three"):
            with pytest.raises(RotationRefused, match="delete the one that is in no version"):
                account.rotate(token)
        assert account.user.active[theirs]
        assert account.reader.refused == 0

    def test_a_reader_keeps_the_previous_key_beside_one_that_was_created_by_hand(self) -> None:
        account = told_by_hand_and_rotated()
        old = account.reader.key["access_key_id"]
        account.world.now += 600
        account.user.active.pop(account.secret.current()["access_key_id"])
        theirs, _ = account.user.add()
        account.world.now += 3600
        account.reader.poll()
        with pytest.raises(RotationRefused, match="delete the one that is in no version"):
            account.rotate("three")
        assert account.user.active == {old: True, theirs: True}

    def test_a_deleted_current_key_is_found(self) -> None:
        account = told_by_hand_and_rotated()
        account.world.now += 600
        account.user.active.pop(account.secret.current()["access_key_id"])
        assert account.look() is PreviousKeyState.CURRENT_DELETED
        # The reader's key stays, however long it takes.
        for _ in range(20):
            account.reader.poll()
            assert account.look(days=1) is PreviousKeyState.CURRENT_DELETED
        account.rotate("three")
        assert account.secret.current()["access_key_id"] in account.key_ids()
        account.reader.poll()
        # It is looked after like any previous key, once the reader has the new one.
        account.world.now += 600
        account.tell()
        account.reader.poll()
        account.look_until_disabled()
        assert account.look(days=7.1) is PreviousKeyState.ENDED
        assert account.key_ids() == {account.secret.current()["access_key_id"]}
        assert account.reader.refused == 0

    def test_a_disabled_current_key_is_found(self) -> None:
        account = told_by_hand_and_rotated()
        account.world.now += 600
        account.user.active[account.secret.current()["access_key_id"]] = False
        for _ in range(20):
            account.reader.poll()
            assert account.look(days=1) is PreviousKeyState.CURRENT_DISABLED
        assert account.reader.refused == 0

    def test_a_reader_that_went_back_from_a_disabled_key_keeps_the_previous_one(self) -> None:
        account = told_by_hand_and_rotated()
        old = account.reader.key
        account.world.now += 600
        account.tell()
        account.reader.poll()
        account.user.active[account.secret.current()["access_key_id"]] = False
        account.reader.key = old
        account.reader.poll()
        with pytest.raises(RotationRefused, match="the previous key was used lately"):
            account.rotate("three")
        account.reader.poll()
        assert account.reader.refused == 0

    def test_the_grace_of_a_key_disabled_by_hand_begins_when_that_is_found(self) -> None:
        account = told_by_hand_and_rotated()
        old = account.reader.key["access_key_id"]
        account.world.now += 20 * DAY
        account.user.active[old] = False
        assert account.look() is PreviousKeyState.FOUND_DISABLED
        assert account.look(days=6.9) is PreviousKeyState.NOTHING
        assert old in account.key_ids()
        assert account.look(days=0.2) is PreviousKeyState.ENDED
        assert old not in account.key_ids()

    def test_a_key_that_was_enabled_again_stays_while_it_is_used(self) -> None:
        account = told_by_hand_and_rotated()
        old = account.reader.key
        account.world.now += 600
        account.tell()
        account.reader.poll()
        account.look_until_disabled()
        account.user.active[old["access_key_id"]] = True
        account.reader.key = old
        account.reader.poll()
        assert account.look(days=1 / 24) is PreviousKeyState.ENABLED_AGAIN
        for _ in range(30):
            account.reader.poll()
            assert account.look(days=1) in (PreviousKeyState.NOTHING, PreviousKeyState.WAITING)
        account.reader.poll()
        with pytest.raises(RotationRefused, match="the previous key was used lately"):
            account.rotate("three")
        assert account.reader.refused == 0
        # Disabled by hand once more: the grace begins anew.
        account.user.active[old["access_key_id"]] = False
        assert account.look() is PreviousKeyState.FOUND_DISABLED
        assert account.look(days=6.9) is PreviousKeyState.NOTHING
        assert account.look(days=0.2) is PreviousKeyState.ENDED

    def test_a_key_that_was_enabled_again_and_is_not_used_is_disabled_again(self) -> None:
        account = told_by_hand_and_rotated()
        old = account.reader.key["access_key_id"]
        account.world.now += 600
        account.tell()
        account.reader.poll()
        account.look_until_disabled()
        account.user.active[old] = True
        assert account.look(days=1) is PreviousKeyState.ENABLED_AGAIN
        assert account.look(days=6.1) is PreviousKeyState.DISABLED
        assert account.look(days=6.9) is PreviousKeyState.NOTHING
        assert account.look(days=0.2) is PreviousKeyState.ENDED

    def test_a_key_that_was_created_a_moment_ago_is_not_missed(self) -> None:
        """IAM may not list it yet."""
        account = Account()
        account.rotate("one")
        account.user.active.clear()
        account.secret.values["one"] = dataclasses.replace(
            account.secret.values["one"], created=account.world.now
        )
        assert account.look() is PreviousKeyState.NOTHING

    def test_a_second_reader_keeps_the_previous_key(self) -> None:
        account = told_by_hand_and_rotated()
        second = Reader(account.user, account.reader.key)
        account.tell()
        found = []
        for _ in range(2000):
            account.world.now += 60
            second.poll()
            account.world.now += 20
            account.reader.poll()
            if account.reader.polls % 45 == 0:
                found.append(account.look())
        assert set(found[:10]) == {PreviousKeyState.ADOPTED}
        assert found[-1] is PreviousKeyState.BOTH_USED
        with pytest.raises(RotationRefused, match="the previous key was used lately"):
            account.rotate("three")
        second.key = account.secret.current()
        account.world.now += DAY
        account.reader.poll()
        second.poll()
        account.look()
        assert account.look(days=1 / 24) is PreviousKeyState.DISABLED
        assert account.reader.refused == second.refused == 0


class People(RuleBasedStateMachine):
    """Rotations with faults, looks, readers, and people, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.account = Account(notified=False)
        self.world, self.user = self.account.world, self.account.user
        self.readers = [Reader(self.user), Reader(self.user)]
        self.by_hand: dict[str, dict[str, str]] = {}
        self.excused: set[str] = set()
        self.rotations = 0
        self.world.each_sleep.clear()
        self._hours(1)

    @rule(call=st.integers(0, 25), when=st.sampled_from(["before", "after"]), dies=st.booleans())
    def rotate(self, call: int, when: str, dies: bool) -> None:
        """A rotation, with a fault at a call if there are so many."""
        self.rotations += 1
        fault = Died() if dies else CallFailed("InternalFailure")
        pending = self.account.secret.state().version("AWSPENDING")
        self.world.faults = {self.world.calls + call: (when, fault)} if call else {}
        with contextlib.suppress(Died, CallFailed, RotationFailed, RotationRefused):
            self.account.rotate(pending or f"rotation {self.rotations}")
        self.world.faults.clear()
        self._hours(1)

    @rule(hours=st.sampled_from([1, 5, 30, 200]))
    def wait(self, hours: int) -> None:
        self._hours(hours)

    @rule(which=st.sampled_from([0, 1]))
    def give_the_current_key(self, which: int) -> None:
        if self.user.active.get(self.account.secret.current().get("access_key_id", "")):
            self.readers[which].key = self.account.secret.current()
            self._hours(1)

    @precondition(lambda self: len(self.user.active) < 2)
    @rule()
    def create_a_key(self) -> None:
        self.world.now += 120
        key_id, secret = self.user.add()
        self.world.now += 10
        self.by_hand[key_id] = {"access_key_id": key_id, "secret_access_key": secret}

    @rule()
    def use_the_keys_created_by_hand(self) -> None:
        self.world.now += 60
        for document in self.by_hand.values():
            self.user.reads(document)

    @precondition(lambda self: bool(self.user.active))
    @rule(data=st.data(), active=st.sampled_from([True, False, None]))
    def change_a_key(self, data: Any, active: bool | None) -> None:
        """Enable, disable or delete one."""
        key_id = data.draw(st.sampled_from(sorted(self.user.active)))
        if active is None:
            del self.user.active[key_id]
            self.by_hand.pop(key_id, None)
        else:
            self.user.active[key_id] = active
        if not active:
            self.excused.add(key_id)
            self.by_hand.pop(key_id, None)
            for reader in self.readers:
                if reader.key.get("access_key_id") == key_id:
                    reader.key = {}

    @invariant()
    def keys_created_by_hand_stay(self) -> None:
        assert all(self.user.active.get(key_id) for key_id in self.by_hand)

    @invariant()
    def no_reader_is_refused(self) -> None:
        assert [reader.refused for reader in self.readers] == [0, 0]

    @invariant()
    def there_are_two_keys_at_most(self) -> None:
        assert self.user.most_keys <= 2

    def _hours(self, hours: int) -> None:
        """Let time pass: the readers poll twice between two looks."""
        for _ in range(hours):
            for reader in self.readers * 2:
                self.world.now += 700
                reader.poll()
            self.world.now += 800
            self.account.rotation.look()


People.TestCase.settings = settings(
    max_examples=150,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestPeople = People.TestCase
