"""The service account's key, rotated with whatever going wrong."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openreplay_cw_stack.contract.openreplay_project import TESTED_AT_TAG
from openreplay_cw_stack.runtime.aws_calls import CallFailed
from openreplay_cw_stack.runtime.rotation.access_key import WORKS_WITHIN_SECONDS, AccessKey
from openreplay_cw_stack.runtime.rotation.kinds import (
    PreviousKeyState,
    RotationFailed,
    RotationRefused,
)
from openreplay_cw_stack.runtime.rotation.rotating import Rotation
from openreplay_cw_stack.runtime.rotation.secret import ASKED_TAG, PENDING
from tests.runtime.rotation.simulation import (
    Died,
    FakeSecret,
    FakeUser,
    Reader,
    World,
    silent_log,
)

DAY = 86_400.0
STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")


@dataclass
class Account:
    """A service account whose key is rotated, and its reader."""

    notified: bool = True
    world: World = field(default_factory=World)

    def __post_init__(self) -> None:
        self.user = FakeUser(self.world)
        self.secret = FakeSecret(self.world)
        self.reader = Reader(self.user)
        self.secret.stages["first"] = set()
        self.secret.put("first", {"until_the_first_rotation": "x"}, "AWSCURRENT")
        self.world.each_sleep.append(self.reader.poll)
        self.kind = AccessKey(
            user=self.user,
            details={"region": "eu-west-1", "log_group_name": "/app"},
            grace=7 * DAY,
            notice=DAY,
            orphan_after=60.0,
            clock=lambda: self.world.now,
            sleep=self.world.sleep,
        )
        self.rotation = Rotation(
            secret=self.secret,
            kind=self.kind,
            projects=(),
            clock=lambda: self.world.now,
            notify_projects=self.notify_projects,
            log=silent_log(),
        )

    def notify_projects(self) -> None:
        if self.notified:
            self.tell()

    def tell(self) -> None:
        """Give the reader the current key, as a person does. Its use of it is all that shows."""
        self.reader.key = self.secret.current()

    def rotate(self, token: str) -> None:
        """All steps, as Secrets Manager takes them; an error ends them."""
        if self.notified and self.reader.key:
            # Looks have found the reader's use of its key long before the next rotation.
            for _ in range(2):
                self.world.now += 3600
                self.reader.poll()
                with self.world.undisturbed():
                    self.look()
        self.secret.begin(token)
        for step in STEPS:
            self.rotation.step(step, token)

    def rotate_until_done(self, token: str, attempts: int = 12) -> None:
        """As Secrets Manager repeats a rotation that failed."""
        for _ in range(attempts):
            try:
                self.rotate(token)
            except (Died, CallFailed, RotationFailed):
                self.world.faults.clear()
                self.reader.poll()
                self.world.sleep(5.0)
            else:
                return
        raise AssertionError("the rotation was not done")

    def key_ids(self) -> set[str]:
        return set(self.user.active)

    def announced_key(self) -> tuple[str, str]:
        """Create a key as another run of the rotation does that has not stored it yet."""
        self.secret.tags[ASKED_TAG] = f"{self.world.now:.0f}"
        return self.user.add()

    def look_until_disabled(self) -> None:
        """Have the previous key disabled, which nobody uses between two looks."""
        assert self.look() is PreviousKeyState.ADOPTED
        assert self.look(days=1 / 24) is PreviousKeyState.DISABLED

    def look(self, days: float = 0.0) -> PreviousKeyState:
        self.world.now += days * DAY
        return self.rotation.retire(self.rotation.keys())


def test_the_first_rotation_makes_the_key() -> None:
    account = Account()
    account.rotate("one")
    assert account.secret.current() == {
        "access_key_id": "AKIA0000000000000001",
        "secret_access_key": "secret of AKIA0000000000000001",
        "region": "eu-west-1",
        "log_group_name": "/app",
    }


def test_twenty_rotations_with_a_reader_that_is_told() -> None:
    account = Account()
    for number in range(20):
        account.rotate(f"rotation {number}")
        account.look(days=1.0)
        account.reader.poll()
    assert account.reader.refused == 0
    assert account.reader.polls > 20
    assert account.user.most_keys == 2
    assert account.key_ids() >= {account.secret.current()["access_key_id"]}


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(1, 30),
            st.sampled_from(["before", "after"]),
            st.sampled_from(["died", "failed"]),
        ),
        min_size=1,
        max_size=8,
    ),
    st.booleans(),
)
def test_whatever_goes_wrong_the_reader_is_never_refused(
    faults: list[tuple[int, str, str]], looked_after: bool
) -> None:
    """One fault in each rotation, at any call, before or after it was made."""
    account = Account()
    account.rotate_until_done("rotation 0")
    for number, (call, when, what) in enumerate(faults, start=1):
        fault = Died() if what == "died" else CallFailed("InternalFailure")
        account.world.faults = {account.world.calls + call: (when, fault)}
        account.rotate_until_done(f"rotation {number}")
        account.world.faults.clear()
        account.reader.poll()
        if looked_after:
            account.look(days=0.5)
            account.reader.poll()
    account.rotate_until_done("the last")
    assert account.reader.refused == 0
    assert account.user.most_keys <= 2
    # Nothing is there but the current key and the one before it.
    versions = account.secret.state()
    kept = {
        account.secret.values[version].document.get("access_key_id")
        for version in versions.stages
        if version in account.secret.values
    }
    assert account.key_ids() <= kept
    assert account.secret.current()["access_key_id"] in account.key_ids()


@pytest.mark.parametrize("call", range(1, 40))
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("what", [Died(), CallFailed("InternalFailure")], ids=["died", "failed"])
def test_a_fault_at_every_call_of_a_rotation(call: int, when: str, what: BaseException) -> None:
    account = Account()
    account.rotate("one")
    account.world.faults = {account.world.calls + call: (when, what)}
    account.rotate_until_done("two")
    account.world.faults.clear()
    account.rotate_until_done("three")
    assert account.reader.refused == 0
    assert len(account.key_ids()) == 2
    assert account.reader.key == account.secret.current()


def told_by_hand_and_rotated() -> Account:
    """An account whose reader has the first key, which was replaced a month later."""
    account = Account(notified=False)
    account.rotate("one")
    account.tell()
    account.world.now += 30 * DAY
    account.reader.poll()
    account.rotate("two")
    return account


class TestRaces:
    def test_another_run_of_the_same_step_has_stored_its_key_meanwhile(self) -> None:
        account = Account()
        account.rotate("one")
        account.secret.begin("two")
        # The other run has created its key, and has not stored it when this one looks.
        key_id, secret = account.announced_key()

        def store() -> None:
            if "two" not in account.secret.values:
                document = {"access_key_id": key_id, "secret_access_key": secret}
                account.secret.put("two", document)

        account.world.each_sleep.append(store)
        account.rotation.step("createSecret", "two")
        assert account.secret.values["two"].document["access_key_id"] == key_id
        assert key_id in account.key_ids()
        assert account.user.most_keys == 2

    def test_a_key_that_was_stored_meanwhile_is_no_orphan(self) -> None:
        """However long the run took to look at it."""
        account = Account()
        account.rotate("one")
        account.secret.begin("two")
        key_id, secret = account.announced_key()
        list_keys = account.user.list_keys

        def store_and_list() -> Any:
            account.world.now += 300
            if "two" not in account.secret.values:
                document = {"access_key_id": key_id, "secret_access_key": secret}
                account.secret.put("two", document)
            return list_keys()

        account.user.list_keys = store_and_list  # type: ignore[method-assign]
        account.rotation.step("createSecret", "two")
        assert account.user.active[key_id]

    def test_a_key_that_came_too_late_is_deleted_by_who_made_it(self) -> None:
        account = Account()
        account.secret.begin("one")
        put = account.secret.put

        def put_second(version_id: str, document: Any, stage: str = PENDING) -> None:
            account.secret.put = put  # type: ignore[method-assign]
            key_id, secret = account.user.add()
            put(version_id, {"access_key_id": key_id, "secret_access_key": secret})
            put(version_id, document, stage)

        account.secret.put = put_second  # type: ignore[method-assign]
        account.rotation.step("createSecret", "one")
        assert account.key_ids() == {account.secret.values["one"].document["access_key_id"]}


class TestRefusals:
    def test_a_reader_that_nobody_told_keeps_its_key(self) -> None:
        account = told_by_hand_and_rotated()
        account.reader.poll()
        with pytest.raises(RotationRefused, match="the previous key was used lately"):
            account.rotate("three")
        assert account.look(days=0.1) is PreviousKeyState.NOTHING
        assert account.look(days=2.0) is PreviousKeyState.WAITING
        account.reader.poll()
        assert account.look(days=5.0) is PreviousKeyState.WAITING
        account.reader.poll()
        assert account.reader.refused == 0

    def test_once_the_reader_uses_the_new_key_the_old_one_goes(self) -> None:
        account = told_by_hand_and_rotated()
        old = account.reader.key["access_key_id"]
        account.world.now += 600
        # Told by hand, which leaves no note: that it is used shows it.
        account.reader.key = account.secret.current()
        account.reader.poll()
        account.look_until_disabled()
        assert account.user.active[old] is False
        assert account.look(days=6.9) is PreviousKeyState.NOTHING
        assert old in account.key_ids()
        assert account.look(days=0.2) is PreviousKeyState.ENDED
        assert account.key_ids() == {account.secret.current()["access_key_id"]}
        assert account.look() is PreviousKeyState.NOTHING
        assert account.reader.refused == 0

    def test_a_previous_key_that_is_disabled_is_in_nobodys_way(self) -> None:
        account = told_by_hand_and_rotated()
        account.world.now += 600
        account.reader.key = account.secret.current()
        account.reader.poll()
        account.look_until_disabled()
        # Tried again since then, so that the reader's use shows no more.
        account.secret.tags[TESTED_AT_TAG] = str(account.world.now + DAY)
        account.rotate("three")
        assert account.reader.key["access_key_id"] in account.key_ids()

    def test_our_own_test_of_the_new_key_is_no_use_of_it(self) -> None:
        account = told_by_hand_and_rotated()
        assert account.user.used[account.secret.current()["access_key_id"]]
        assert account.look() is PreviousKeyState.NOTHING

    def test_nor_is_one_of_a_run_that_ended_after_it(self) -> None:
        account = told_by_hand_and_rotated()
        account.secret.begin("throw-away")
        account.world.now += DAY / 24
        account.reader.poll()
        # Secrets Manager tries the step alone; it uses the current key, and that is the end of it.
        reads = account.user.reads

        def die_of_it(document: Any) -> str | None:
            reads(document)
            raise Died

        account.user.reads = die_of_it  # type: ignore[method-assign]
        with pytest.raises(Died):
            account.rotation.step("testSecret", "throw-away")
        assert account.look() is PreviousKeyState.NOTHING

    def test_nor_is_one_that_iam_tells_with_the_minute_after_it(self) -> None:
        account = told_by_hand_and_rotated()
        account.user.used[account.secret.current()["access_key_id"]] = account.world.now + 200
        account.world.now += DAY / 24
        account.reader.poll()
        assert account.look() is PreviousKeyState.NOTHING

    @pytest.mark.parametrize("hours", [4, 5.9])
    def test_a_poller_that_rests_is_there_all_the_same(self, hours: float) -> None:
        """With a short grace as well: three hours of its rest, and what IAM takes to tell."""
        account = Account(notified=False)
        account.kind = dataclasses.replace(account.kind, grace=3600.0)
        account.rotation = dataclasses.replace(account.rotation, kind=account.kind)
        account.rotate("one")
        account.tell()
        account.world.now += 30 * DAY
        account.reader.poll()
        account.rotate("two")
        account.reader.poll()
        assert account.look(days=hours / 24) is not PreviousKeyState.DISABLED
        assert account.look(days=3 / 24) is PreviousKeyState.DISABLED

    @pytest.mark.parametrize("notified", [True, False])
    def test_every_four_hours_with_a_grace_of_four(self, notified: bool) -> None:
        """The shortest there is, with a reader that gets it at once, and with none at all."""
        account = Account(notified=notified)
        account.kind = dataclasses.replace(account.kind, grace=4 * 3600.0)
        account.rotation = dataclasses.replace(account.rotation, kind=account.kind)
        for number in range(30):
            account.rotate(f"rotation {number}")
            for _ in range(3):
                account.reader.poll()
                account.look(days=1 / 24)
            # A window of Secrets Manager's: not to the minute.
            account.world.now += (0.7 + 0.5 * (number % 2)) * 3600
        assert account.reader.refused == 0
        assert account.user.most_keys == 2

    def test_a_key_without_any_reader_is_replaced(self) -> None:
        account = Account(notified=False)
        for number in range(5):
            account.rotate(f"rotation {number}")
            account.world.now += 30 * DAY
        assert account.user.most_keys == 2

    def test_a_pending_key_that_was_deleted_by_hand(self) -> None:
        account = Account()
        account.rotate("one")
        account.secret.begin("two")
        account.rotation.step("createSecret", "two")
        del account.user.active[account.secret.values["two"].document["access_key_id"]]
        with pytest.raises(RotationFailed, match="deleted by hand"):
            account.rotation.step("createSecret", "two")
        # IAM may not list a new key at once.
        assert account.secret.state().version(PENDING) == "two"
        account.world.now += 300
        with pytest.raises(RotationFailed, match="deleted by hand"):
            account.rotation.step("createSecret", "two")
        # It is in nobody's way: Secrets Manager begins a new rotation instead of repeating it.
        assert account.secret.state().version(PENDING) is None
        account.rotate("three")
        assert account.secret.current()["access_key_id"] in account.key_ids()


def switched_on() -> tuple[Account, str]:
    """Return a user with a key of CloudFormation's, and the id of that key."""
    account = Account()
    theirs, _ = account.user.add()
    account.world.now += 3600
    return account, theirs


class TestSwitchingOn:
    def test_cloudformations_own_key_stays_until_cloudformation_deletes_it(self) -> None:
        account, theirs = switched_on()
        account.rotate("one")
        assert theirs in account.key_ids()
        # However old it is, and however long the update takes.
        account.look(days=2.0)
        assert theirs in account.key_ids()

    def test_a_persons_key_is_not_taken_for_an_orphan(self) -> None:
        account = Account()
        both = {account.user.add()[0], account.user.add()[0]}
        account.world.now += 3600
        with pytest.raises(RotationRefused, match="delete the one that is in no version"):
            account.rotate("one")
        assert account.key_ids() == both

    def test_even_where_the_first_rotation_died_and_left_a_key(self) -> None:
        account, theirs = switched_on()
        orphan, _ = account.announced_key()
        account.rotate("one")
        assert theirs in account.key_ids()
        assert orphan not in account.key_ids()


class TestOrphans:
    def test_a_key_of_the_rotation_in_no_version_goes_after_a_day(self) -> None:
        account = Account()
        account.rotate("one")
        orphan, _ = account.announced_key()
        account.look(days=0.9)
        assert orphan in account.key_ids()
        account.look(days=0.2)
        assert orphan not in account.key_ids()

    def test_it_stays_once_somebody_uses_it(self) -> None:
        account = Account()
        account.rotate("one")
        orphan, secret = account.announced_key()
        account.world.now += 3600
        account.user.reads({"access_key_id": orphan, "secret_access_key": secret})
        account.look(days=2.0)
        assert orphan in account.key_ids()

    def test_many_runs_that_died_leave_notes_that_fit_into_a_tag(self) -> None:
        account = Account()
        create_key = account.user.create_key

        def create_and_die() -> tuple[str, str]:
            create_key()
            raise Died

        account.user.create_key = create_and_die  # type: ignore[method-assign]
        for number in range(30):
            account.secret.begin(f"rotation {number}")
            with pytest.raises(Died):
                account.rotation.step("createSecret", f"rotation {number}")
            account.secret.stages[f"rotation {number}"].clear()
            account.world.now += 3600
        account.user.create_key = create_key  # type: ignore[method-assign]
        account.rotate("the last")
        account.look(days=2.0)
        assert account.key_ids() == {account.secret.current()["access_key_id"]}


class TestTryingOut:
    def test_it_waits_until_the_key_works(self) -> None:
        account = Account()
        account.user.works_after = 90.0
        account.rotate("one")
        assert account.user.reads(account.secret.current()) is None

    def test_and_gives_up_with_the_code(self) -> None:
        account = Account()
        account.user.works_after = 10 * WORKS_WITHIN_SECONDS
        with pytest.raises(RotationFailed, match="does not work: UnrecognizedClientException"):
            account.rotate("one")

    def test_alone_with_a_version_without_a_value(self) -> None:
        account = Account()
        account.secret.begin("throw-away")
        account.rotation.step("testSecret", "throw-away")
        account.rotate("one")
        account.secret.begin("throw-away")
        account.rotation.step("testSecret", "throw-away")


class TestSteps:
    def test_a_step_that_comes_again_does_nothing_again(self) -> None:
        account = Account()
        account.secret.begin("one")
        for step in STEPS:
            account.rotation.step(step, "one")
            account.rotation.step(step, "one")
        assert len(account.key_ids()) == 1

    @pytest.mark.parametrize(
        ("step", "token", "words"),
        [
            ("createSecret", "unknown", "no version"),
            ("finishSecret", "empty", "has no key"),
            ("dropSecret", "empty", "no step"),
        ],
    )
    def test_what_cannot_be(self, step: str, token: str, words: str) -> None:
        account = Account()
        account.secret.begin("empty")
        with pytest.raises(RotationFailed, match=words):
            account.rotation.step(step, token)

    def test_a_version_that_is_not_pending(self) -> None:
        account = Account()
        account.rotate("one")
        account.rotate("two")
        with pytest.raises(RotationFailed, match="not the pending one"):
            account.rotation.step("createSecret", "one")


class TestSwitchingOff:
    def test_a_key_of_cloudformations_is_not_taken_for_an_orphan(self) -> None:
        """While the deployment runs that creates it, and that will delete the rotation's."""
        account = Account()
        account.rotate("one")
        account.world.now += 30 * DAY
        # At the time at which the rotation asks for a key, too.
        theirs, _ = account.announced_key()
        account.world.now += 600
        account.kind = dataclasses.replace(account.kind, stack_changes=lambda: True)
        account.rotation = dataclasses.replace(account.rotation, kind=account.kind)
        with pytest.raises(RotationFailed, match="a deployment is running"):
            account.rotate("two")
        assert theirs in account.key_ids()
        assert account.secret.current()["access_key_id"] in account.key_ids()
