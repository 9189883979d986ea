from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from openreplay_cw_stack.runtime.aws_calls import CallFailed
from openreplay_cw_stack.runtime.custom_resource import DeploymentEvent, DeploymentFailed
from openreplay_cw_stack.runtime.rotation.deployment import (
    DELETE_KEYS,
    WAIT_FOR_KEY,
    KeyDeployment,
)
from tests.runtime.rotation.test_access_key import Account


def an_event(
    user_name: str = "openreplay_cw", *, is_delete: bool = False, updated: str = ""
) -> DeploymentEvent:
    """Of a user's keys; ``updated`` is the id that they had before."""
    task = DELETE_KEYS if is_delete else WAIT_FOR_KEY
    properties = {"UserName": user_name, "Task": task}
    return DeploymentEvent(is_delete, "arn:stack", properties, physical_id=updated)


def follow(account: Account, event: DeploymentEvent, *, going: bool = False) -> str:
    deployment = KeyDeployment(
        secret=account.secret,
        access_key=account.kind,
        stack_is_going=lambda stack_id: going,
        clock=lambda: account.world.now,
        sleep=account.world.sleep,
    )
    return deployment.follow(event)


def test_it_waits_for_the_first_key() -> None:
    account = Account()

    def rotate() -> None:
        account.world.each_sleep.remove(rotate)
        account.rotate("one")

    account.world.each_sleep.append(rotate)
    assert follow(account, an_event()) == "openreplay_cw"
    assert account.secret.current()["access_key_id"] in account.key_ids()


def test_it_asks_again_for_a_rotation_that_failed() -> None:
    account = Account()
    account.secret.on_rotate = lambda: account.rotate("two")
    follow(account, an_event())
    assert account.secret.rotations == 1


def test_and_fails_in_the_end_so_that_an_older_key_is_kept() -> None:
    account = Account()
    before = account.world.now
    with pytest.raises(DeploymentFailed, match="has created no key"):
        follow(account, an_event())
    assert account.world.now - before < 300


def test_a_call_that_is_refused_while_it_waits_ends_nothing() -> None:
    account = Account()
    refused = ("before", CallFailed("AccessDeniedException"))
    account.world.faults = dict.fromkeys(range(account.world.calls, 200), refused)

    def allow() -> None:
        account.world.faults.clear()

    account.secret.on_rotate = lambda: account.rotate("one")
    account.world.each_sleep.append(allow)
    follow(account, an_event())
    assert account.secret.current()["access_key_id"] in account.key_ids()


def test_but_is_named_where_no_key_came() -> None:
    account = Account()
    refused = ("before", CallFailed("AccessDeniedException"))
    account.world.faults = dict.fromkeys(range(account.world.calls, 10_000), refused)
    with pytest.raises(DeploymentFailed, match="refused a call: AccessDeniedException"):
        follow(account, an_event())


def test_a_changed_log_group_is_noted_with_the_same_key() -> None:
    account = Account()
    account.rotate("one")
    key = account.secret.current()
    account.kind = account.kind.__class__(
        **{**vars(account.kind), "details": {"region": "eu-west-1", "log_group_name": "/other"}}
    )
    follow(account, an_event(updated="openreplay_cw"))
    assert account.secret.current() == {**key, "log_group_name": "/other"}
    version = account.secret.state().version("AWSCURRENT")
    follow(account, an_event(updated="openreplay_cw"))
    assert account.secret.state().version("AWSCURRENT") == version
    # The version before has the same key: nothing of it is to be taken out of use.
    account.look(days=30.0)
    assert account.key_ids() == {key["access_key_id"]}


def test_a_changed_log_group_leaves_the_previous_key_to_its_reader() -> None:
    account = Account(notified=False)
    account.rotate("one")
    account.tell()
    account.world.now += 30 * 86_400
    account.reader.poll()
    account.rotate("two")
    account.kind = replace(
        account.kind, details={"region": "eu-west-1", "log_group_name": "/other"}
    )
    follow(account, an_event(updated="openreplay_cw"))
    assert account.secret.current()["log_group_name"] == "/other"
    for _ in range(5):
        account.reader.poll()
        account.look(days=1.0)
    account.reader.poll()
    assert account.reader.refused == 0
    account.tell()
    account.reader.poll()
    account.look_until_disabled()
    account.look(days=8.0)
    assert account.key_ids() == {account.secret.current()["access_key_id"]}


def test_another_user_is_refused() -> None:
    account = Account()
    account.rotate("one")
    with pytest.raises(DeploymentFailed, match="deploy without rotation first"):
        follow(account, an_event("another", updated="openreplay_cw"))
    # And the update that rolls this one back is none of another user.
    assert follow(account, an_event(updated="openreplay_cw")) == "openreplay_cw"


def a_user_with(account: Account) -> tuple[str, str]:
    """The user's key of a rotation, and one of another origin."""
    account.rotate("one")
    other, _ = account.user.add()
    return account.secret.current()["access_key_id"], other


def test_every_key_is_deleted_with_the_stack() -> None:
    account = Account()
    a_user_with(account)
    follow(account, an_event(is_delete=True), going=True)
    assert account.key_ids() == set()


def test_only_our_keys_are_deleted_where_rotation_is_switched_off() -> None:
    account = Account()
    _, cloudformations = a_user_with(account)
    follow(account, an_event(is_delete=True))
    assert account.key_ids() == {cloudformations}


@pytest.mark.parametrize("going", [True, False])
def test_a_step_that_still_runs_brings_one_more_key(going: bool) -> None:
    account = Account()
    account.rotate("one")
    account.secret.begin("two")

    def end() -> None:
        if account.world.now > began + 7:
            account.world.each_sleep.remove(end)
            account.rotation.step("createSecret", "two")

    began = account.world.now
    account.world.each_sleep.append(end)
    follow(account, an_event(is_delete=True), going=going)
    assert account.key_ids() == set()


def test_the_resource_that_waits_deletes_nothing_and_the_other_waits_for_nothing() -> None:
    account = Account()
    user = {"UserName": "openreplay_cw"}
    follow(account, DeploymentEvent(False, "arn:stack", {**user, "Task": DELETE_KEYS}))
    assert account.secret.rotations == 0
    account.rotate("one")
    gone = DeploymentEvent(True, "arn:stack", {**user, "Task": WAIT_FOR_KEY})
    follow(account, gone, going=True)
    assert len(account.key_ids()) == 1


def test_a_user_that_never_had_a_key(monkeypatch: Any) -> None:
    account = Account()
    follow(account, an_event(is_delete=True), going=True)
    follow(account, an_event(is_delete=True))
