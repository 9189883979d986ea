from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.commands.replay.support import (
    Queue,
    Shard,
    World,
)
from tests.commands.support import Client, deploy


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    queue, shard = Queue(), Shard()
    sqs = Client(
        {
            "receive_message": queue.receive,
            "delete_message": queue.delete,
            "change_message_visibility": queue.show,
        }
    )
    world = World(queue, shard, {})
    world.clients = deploy(
        monkeypatch,
        sqs=sqs,
        kinesis=shard,
        lambda_={"invoke": lambda **arguments: world.invoke(**arguments)},
    )
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    yield world
    assert not queue.hidden & set(queue.messages), "what stays can be seen again at once"
