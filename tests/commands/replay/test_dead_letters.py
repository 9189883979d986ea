from __future__ import annotations

import pytest

from tests.commands.replay.support import (
    RECORD,
    World,
    replayed,
)
from tests.commands.support import refusal


def test_what_is_not_taken_is_not_deleted(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.refused = {1: refusal("Invoke", "AccessDeniedException", "a line of a customer")}
    world.queue.add(RECORD)
    status, printed = replayed(capsys)
    assert status == 1
    assert "the validator was not invoked: AccessDeniedException" in printed
    assert len(world.queue.messages) == 1


def test_what_is_not_deleted_is_said(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.clients["sqs"].answers["delete_message"] = refusal("DeleteMessage")
    world.queue.add(RECORD)
    status, printed = replayed(capsys)
    assert status == 1
    assert "replayed, but not deleted from the queue: AccessDenied" in printed


def test_what_arrives_meanwhile_is_left_for_the_next_run(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """Else what fails again at once would go round for ever."""
    world.queue.add(RECORD, seconds_ago=-60)
    assert replayed(capsys) == (
        1,
        "Shop: 1 message left: arrived during the run; run the command again\n",
    )


def test_a_queue_that_may_not_be_read(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.clients["sqs"].answers["receive_message"] = refusal("ReceiveMessage")
    status, printed = replayed(capsys)
    assert status == 2
    assert printed.startswith("cannot read the dead-letter queue: ")
