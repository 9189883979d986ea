from __future__ import annotations

import json
import random

import pytest

from tests.commands.replay.support import (
    LINE,
    RECORD,
    World,
    batch_record,
    delivered,
    replayed,
)
from tests.commands.support import Client, refusal


def test_records_of_the_stream(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Several per failure record, over several reads; none before or behind them."""
    for number in range(3, 20):
        world.shard.add(number, delivered(f"record {number}"))
    world.queue.add(batch_record(5, 9))
    world.queue.add(batch_record(12, 12))
    world.queue.add(RECORD)
    status, printed = replayed(capsys)
    assert (status, printed) == (
        0,
        "Shop: 3 messages with 7 payloads: the validator was invoked again\n",
    )
    assert world.messages == [*(f"record {number}" for number in (5, 6, 7, 8, 9, 12)), LINE]


def test_a_message_is_deleted_once_all_of_it_was_taken(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(5, 10):
        world.shard.add(number, delivered(f"record {number}"))
    world.queue.add(batch_record(5, 9))
    world.refused = {3: refusal("Invoke", "TooManyRequestsException")}
    status, printed = replayed(capsys)
    assert status == 1
    assert printed == (
        "Shop: 1 message left: 1 of 5 payloads: the validator was not invoked: "
        "TooManyRequestsException\n"
    )
    assert world.messages == ["record 5", "record 6", "record 8", "record 9"]
    world.refused = {}
    assert replayed(capsys)[0] == 0
    assert world.queue.messages == {}


@pytest.mark.parametrize(
    ("records", "body", "said"),
    [
        ([7, 8, 9], batch_record(5, 9), "its first record has expired from the stream"),
        ([], batch_record(5, 9), "its first record has expired from the stream"),
        ([5], batch_record(5, 9, streamArn=None, shardId=None), "cannot be read"),
        ([5], batch_record(5, 9, endSequenceNumber="x"), "without its sequence numbers"),
        ([5], json.dumps({"KinesisBatchInfo": {}}), "without its sequence numbers"),
    ],
)
def test_records_that_are_gone(
    world: World,
    capsys: pytest.CaptureFixture[str],
    records: list[int],
    body: str,
    said: str,
) -> None:
    for number in records:
        world.shard.add(number, delivered(f"record {number}"))
    if "null" in body:
        world.clients["kinesis"] = Client(
            {"get_shard_iterator": refusal("GetShardIterator", "InvalidArgumentException")}
        )
    world.queue.add(body)
    status, printed = replayed(capsys)
    assert status == 1
    assert said in printed
    assert len(world.queue.messages) == 1
    # What is left of the batch was taken all the same.
    assert world.messages == [f"record {number}" for number in records if number > 5]


def test_a_stream_that_may_not_be_read(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.shard.failure = refusal("GetShardIterator", "AccessDeniedException", "customer")
    world.queue.add(batch_record(5, 9))
    status, printed = replayed(capsys)
    assert status == 1
    assert "1 message left: the stream cannot be read: AccessDeniedException" in printed


def test_an_unusable_record_keeps_the_others_from_nothing(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.shard.add(5, delivered("record 5"))
    world.shard.records[6] = b"a line of a customer"
    world.shard.add(7, delivered("record 7"))
    world.queue.add(batch_record(5, 7))
    status, printed = replayed(capsys)
    assert status == 1
    assert "1 of 3 payloads: not a usable payload: its data is not" in printed
    assert world.messages == ["record 5", "record 7"]


def test_a_payload_that_no_invocation_takes_is_split(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    noise = random.Random(7)
    messages = [f"{number} {noise.randbytes(120_000).hex()}" for number in range(12)]
    world.shard.add(5, delivered(*messages))
    world.queue.add(batch_record(5, 5))
    assert replayed(capsys)[0] == 0
    assert len(world.invoked) > 1
    assert world.messages == messages
