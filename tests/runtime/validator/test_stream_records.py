from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from openreplay_cw_stack.runtime.validator import handler
from openreplay_cw_stack.runtime.validator.stream_records import (
    MILLISECONDS_LEFT,
    are_stream_records,
    take_records,
)
from openreplay_cw_stack.tagging import token_tag
from tests.runtime.payloads import CONTROL_MESSAGE, LOG_GROUP, a_document, an_event
from tests.runtime.validator.test_validator import FailingLogGroup, Run
from tests.tagging.tokens import a_token

GOOD = token_tag(a_token())


def a_record(number: int, event: dict[str, Any]) -> dict[str, Any]:
    return {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": "key",
            "sequenceNumber": str(number),
            "data": event["awslogs"]["data"],
            "approximateArrivalTimestamp": 1545084650.987,
        },
        "eventSource": "aws:kinesis",
        "eventName": "aws:kinesis:record",
    }


def a_batch(*events: dict[str, Any]) -> dict[str, Any]:
    return {"Records": [a_record(number, event) for number, event in enumerate(events)]}


def take(run: Run, batch: dict[str, Any], said: list[str] | None = None) -> list[str]:
    say = (said if said is not None else []).append
    answer = take_records(batch["Records"], run.validate, lambda: 60_000, say)
    return [one["itemIdentifier"] for one in answer["batchItemFailures"]]


def test_every_record_is_a_payload() -> None:
    run = Run()
    one, other = (a_document(f"{GOOD} error", logGroup=name) for name in ("/a", "/b"))
    batch = a_batch(an_event(CONTROL_MESSAGE), an_event(one), an_event(other))
    assert take(run, batch) == []
    assert list(run.group.streams) == ["/a", "/b"]


def test_a_record_that_is_no_payload_is_counted_and_done_with() -> None:
    run = Run()
    rubbish = {"awslogs": {"data": "rubbish"}}
    batch = a_batch(rubbish, an_event(a_document(f"{GOOD} error")), {"awslogs": {"data": None}})
    assert take(run, batch) == []
    assert run.metric("InvalidPayloads") == 2
    assert len(run.linked) == 1


class FailingForOne(FailingLogGroup):
    def put(self, stream: str, messages: list[str], timestamp: int) -> dict[str, Any]:
        if stream == "/failing":
            return super().put(stream, messages, timestamp)
        return super(FailingLogGroup, self).put(stream, messages, timestamp)


def test_a_record_that_fails_is_named_and_does_not_stop_the_others() -> None:
    run = Run(group=FailingForOne())
    said: list[str] = []
    names = ("/a", "/failing", "/b")
    batch = a_batch(*(an_event(a_document(f"{GOOD} error", logGroup=name)) for name in names))
    assert take(run, batch, said) == ["1"]
    assert list(run.group.streams) == ["/a", "/b"]
    assert said == ["a record was not taken and comes again: DeliveryFailed"]


def test_what_there_is_no_time_for_comes_again() -> None:
    run = Run()
    left: Iterator[int] = iter([60_000, MILLISECONDS_LEFT - 1, MILLISECONDS_LEFT - 2])
    batch = a_batch(*[an_event(a_document(f"{GOOD} error"))] * 3)
    answer = take_records(batch["Records"], run.validate, lambda: next(left), lambda _: None)
    assert [one["itemIdentifier"] for one in answer["batchItemFailures"]] == ["1", "2"]
    assert len(run.linked) == 1


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        {},
        {"Records": None},
        {"Records": []},
        {"Records": [None]},
        {"Records": [{"eventSource": "aws:sqs"}]},
        an_event(a_document()),
    ],
)
def test_other_events_are_no_batches(event: object) -> None:
    assert not are_stream_records(event)


class Context:
    def get_remaining_time_in_millis(self) -> int:
        return 60_000


def test_the_handler_takes_both(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run()
    monkeypatch.setattr(handler, "_validator", run.validator)
    payload = an_event(a_document(f"{GOOD} error"))
    assert handler.handler(payload, Context()) is None
    assert handler.handler(a_batch(payload, payload), Context()) == {"batchItemFailures": []}
    assert len(run.group.streams[LOG_GROUP]) == 3
