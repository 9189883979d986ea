from __future__ import annotations

import base64
import gzip
import json

import pytest

from openreplay_cw_stack.runtime.validator.queues import dead_letter
from tests.commands.replay.support import (
    OF_ITS_OWN,
    PAYLOAD,
    RECORD,
    REDRIVEN,
    World,
    batch_record,
    delivered,
    failure_record,
    replayed,
)
from tests.commands.support import configuration


@pytest.mark.parametrize(
    ("body", "counted"), [(RECORD, False), (REDRIVEN, True), (OF_ITS_OWN, True)]
)
def test_each_kind_of_payload(
    world: World, capsys: pytest.CaptureFixture[str], body: str, counted: bool
) -> None:
    for _ in range(12):
        world.queue.add(body)
    status, printed = replayed(capsys)
    assert (status, printed) == (
        0,
        "Shop: 12 messages with 12 payloads: the validator was invoked again\n",
    )
    assert world.queue.messages == {}
    assert world.invoked == [{**PAYLOAD, "counted": counted}] * 12


def test_a_control_message_is_done_with(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    data = gzip.compress(json.dumps({"messageType": "CONTROL_MESSAGE"}).encode())
    world.queue.add(failure_record({"awslogs": {"data": base64.b64encode(data).decode()}}))
    assert replayed(capsys)[0] == 0
    assert (world.invoked, world.queue.messages) == ([], {})


def test_an_empty_queue(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert replayed(capsys) == (0, "Shop: the dead-letter queue is empty\n")
    assert not world.invoked


def test_a_dry_run_changes_nothing(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.shard.add(5, delivered("record 5"))
    world.shard.add(6, delivered("record 6"))
    world.queue.add(batch_record(5, 6))
    world.queue.add(OF_ITS_OWN)
    status, printed = replayed(capsys, "--dry-run")
    assert status == 0
    assert printed == "Shop: 2 messages with 3 payloads: the validator would be invoked again\n"
    assert (world.invoked, world.queue.deleted) == ([], [])


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("a line of a customer", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('["a line of a customer"]', "JSON, but not an object"),
        ('{"a line of a customer": 1}', "neither a payload nor a failure record"),
        ('{"requestContext": {}, "requestPayload": "customer"}', "neither a payload"),
        (failure_record({"x": "customer"}), "not a usable payload: it has no awslogs.data"),
        (failure_record({"awslogs": "customer"}), "it has no awslogs.data"),
        (dead_letter({"awslogs": {"data": "customer"}}, "x"), "its data is not"),
        (dead_letter("customer", "not a usable payload: x"), "x (it has no payload)"),
        (dead_letter({"a": "b" * 2**20}, "too \x1b[2J long"), "bytes, too long for SQS"),
    ],
)
def test_what_is_not_usable_stays_with_its_reason(
    world: World, capsys: pytest.CaptureFixture[str], body: str, words: str
) -> None:
    world.queue.add(body)
    world.queue.add(OF_ITS_OWN)
    status, printed = replayed(capsys)
    assert status == 1
    assert "1 message with 1 payload: the validator was invoked again" in printed
    assert "1 message left: " in printed
    assert words in printed
    assert [one["Body"] for one in world.queue.messages.values()] == [body]


def test_a_deployment_of_another_version(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    older = configuration("validator")
    del older["Environment"]["Variables"]["DEAD_LETTER_QUEUE_URL"]
    world.clients["lambda"].answers["get_function_configuration"] = older
    status, printed = replayed(capsys)
    assert status == 2
    assert "has no DEAD_LETTER_QUEUE_URL" in printed


def test_the_outcome_as_json(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.queue.add(OF_ITS_OWN)
    status, printed = replayed(capsys, "--json")
    assert status == 0
    assert json.loads(printed) == {
        "deployment": "Shop",
        "dry_run": False,
        "replayed": 1,
        "payloads": 1,
        "left": {},
    }
