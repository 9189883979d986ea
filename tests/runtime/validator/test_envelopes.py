from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from openreplay_cw_stack.runtime.validator.envelopes import pause_seconds, take
from openreplay_cw_stack.runtime.validator.storing import Refusal
from openreplay_cw_stack.runtime.validator.validator import JUDGING_RESERVE_MS, DeliveryFailed
from openreplay_cw_stack.tagging import Verdict, token_tag
from tests.runtime.payloads import CONTROL_MESSAGE, NOW_MS, a_document, an_event
from tests.runtime.validator.fakes import (
    PLENTY_MS,
    SETTINGS,
    FakeQueue,
    FakeTable,
    Surroundings,
    messages_in,
    refusing,
    throttling,
)
from tests.tagging.tokens import a_token


def tagged(session: int, text: str) -> str:
    return f"{token_tag(a_token(session_id=session))} {text}"


def a_payload(session: int, text: str = "error") -> dict[str, Any]:
    return an_event(a_document(tagged(session, text)))


def a_record(envelope: dict[str, Any], number: int) -> dict[str, Any]:
    kinesis = {"data": envelope["awslogs"]["data"], "sequenceNumber": f"sequence-{number}"}
    return {"eventSource": "aws:kinesis", "kinesis": kinesis}


def a_batch(*envelopes: dict[str, Any]) -> dict[str, Any]:
    return {"Records": [a_record(envelope, n) for n, envelope in enumerate(envelopes)]}


def a_message(
    body: object, *, number: int = 0, receipts: int = 1, sent_ms: int = NOW_MS
) -> dict[str, Any]:
    return {
        "eventSource": "aws:sqs",
        "messageId": f"message-{number}",
        "receiptHandle": f"handle-{number}",
        "body": body if isinstance(body, str) else json.dumps(body),
        "attributes": {
            "ApproximateReceiveCount": str(receipts),
            "SentTimestamp": str(sent_ms),
        },
    }


def taken(around: Surroundings, event: Any, remaining_ms: int = PLENTY_MS) -> Any:
    return take(event, around.validator, around.retry_queue, lambda: remaining_ms)


def failures(answer: Any) -> list[str]:
    assert set(answer) == {"batchItemFailures"}
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


class TestDirect:
    def test_a_payload_is_stored(self) -> None:
        around = Surroundings()
        assert taken(around, a_payload(1)) is None
        assert [line.session for line in around.table.lines()] == [1]

    def test_a_failure_is_raised(self) -> None:
        around = Surroundings(
            table=FakeTable(fault=throttling(1)), retry_queue=FakeQueue(code="AccessDenied")
        )
        with pytest.raises(DeliveryFailed):
            taken(around, a_payload(1))

    @pytest.mark.parametrize(
        "event",
        [None, [], "text", {"Records": []}, {"Records": {}}, {"Records": [1]}, {"Records": [{}]}],
    )
    def test_anything_else_is_a_dead_letter(self, event: object) -> None:
        around = Surroundings()
        assert taken(around, event) is None
        assert len(around.dead_letters.messages) == 1

    def test_it_is_begun_with_whatever_time_there_is(self) -> None:
        around = Surroundings()
        taken(around, a_payload(1), remaining_ms=0)
        (message,) = around.retry_queue.documents
        assert messages_in(message) == [tagged(1, "error")]


class TestKinesis:
    def test_every_record_is_taken(self) -> None:
        around = Surroundings()
        control = an_event(CONTROL_MESSAGE)
        assert failures(taken(around, a_batch(a_payload(1), control, a_payload(2)))) == []
        assert {line.session for line in around.table.lines()} == {1, 2}
        assert around.verdicts() == {Verdict.LINKABLE: 2}

    @pytest.mark.parametrize("hot", [1, 2, 3])
    def test_a_hot_session_does_not_hold_up_the_stream(self, hot: int) -> None:
        around = Surroundings(table=FakeTable(fault=throttling(hot)))
        event = a_batch(a_payload(1), a_payload(2), a_payload(3))
        assert failures(taken(around, event)) == []
        (message,) = around.retry_queue.documents
        assert messages_in(message) == [tagged(hot, "error")]
        assert message["counted"] is True
        assert {line.session for line in around.table.lines()} == {1, 2, 3} - {hot}
        assert around.verdicts() == {Verdict.LINKABLE: 3}
        assert around.metric("LinkedLines") == 2

    def test_nor_does_one_with_others_in_the_same_record(self) -> None:
        around = Surroundings(table=FakeTable(fault=throttling(1)))
        envelope = an_event(a_document(tagged(1, "a"), tagged(2, "b")))
        assert failures(taken(around, a_batch(envelope))) == []
        (message,) = around.retry_queue.documents
        assert messages_in(message) == [tagged(1, "a")]
        assert around.verdicts() == {Verdict.LINKABLE: 2}

    @pytest.mark.parametrize("refusal", [Refusal.DENIED, Refusal.UNAVAILABLE, Refusal.THROTTLED])
    def test_what_cannot_be_stored_at_all_stays_in_the_stream(self, refusal: Refusal) -> None:
        around = Surroundings(table=FakeTable(fault=refusing(refusal)))
        event = a_batch(a_payload(1), a_payload(2))
        assert failures(taken(around, event)) == ["sequence-0", "sequence-1"]
        assert around.retry_queue.messages == []
        assert around.verdicts() == {}

    def test_a_record_fails_alone_where_the_queue_fails_too(self) -> None:
        around = Surroundings(
            table=FakeTable(fault=throttling(2)), retry_queue=FakeQueue(code="AccessDenied")
        )
        event = a_batch(a_payload(1), a_payload(2), a_payload(3))
        assert failures(taken(around, event)) == ["sequence-1"]
        assert {line.session for line in around.table.lines()} == {1, 3}

    def test_what_comes_again_is_counted_once(self) -> None:
        nothing_to_store = an_event(a_document("openReplaySessionToken: x"))
        event = a_batch(nothing_to_store, a_payload(1), nothing_to_store, a_payload(2))
        around = Surroundings(table=FakeTable(fault=refusing(Refusal.UNAVAILABLE)))
        assert failures(taken(around, event)) == ["sequence-1", "sequence-3"]
        assert around.verdicts() == {Verdict.MISSPELLED_TAG: 1}
        around.table.fault = None
        assert failures(taken(around, {"Records": event["Records"][1:]})) == []
        assert around.verdicts() == {Verdict.MISSPELLED_TAG: 2, Verdict.LINKABLE: 2}

    def test_without_time_everything_stays_in_the_stream(self) -> None:
        around = Surroundings()
        event = a_batch(a_payload(1), a_payload(2))
        answer = taken(around, event, remaining_ms=JUDGING_RESERVE_MS - 1)
        assert failures(answer) == ["sequence-0", "sequence-1"]
        assert around.table.calls == []

    def test_what_time_does_not_suffice_for_stays_in_the_stream(self) -> None:
        around = Surroundings()
        event = a_batch(a_payload(1), a_payload(2))
        answer = take(
            event,
            around.validator,
            around.retry_queue,
            lambda: 0 if around.table.calls else PLENTY_MS,
        )
        assert failures(answer) == ["sequence-1"]
        assert [line.session for line in around.table.lines()] == [1]

    def test_what_is_left_of_a_record_that_comes_again_is_counted_once(self) -> None:
        around = Surroundings(table=FakeTable(fault=refusing(Refusal.DENIED)))
        event = a_batch(a_payload(1), an_event(a_document(tagged(2, "a"), tagged(2, "b"))))
        looks: list[int] = []

        def remaining_ms() -> int:
            """Enough until the second record has been begun."""
            if around.table.calls:
                looks.append(1)
                around.table.fault = None
            return PLENTY_MS if len(looks) <= 1 else JUDGING_RESERVE_MS

        answer = take(event, around.validator, around.retry_queue, remaining_ms)
        assert failures(answer) == ["sequence-0"]
        (message,) = around.retry_queue.documents
        assert messages_in(message) == [tagged(2, "b")]
        assert failures(taken(around, event)) == []
        around.validate(message)
        assert around.verdicts() == {Verdict.LINKABLE: 3}

    def test_an_unusable_record_is_a_dead_letter_and_does_not_fail(self) -> None:
        around = Surroundings()
        event = a_batch({"awslogs": {"data": "***"}}, a_payload(2))
        assert failures(taken(around, event)) == []
        (letter,) = around.dead_letters.documents
        assert letter["awslogs"] == {"data": "***"}
        assert len(around.table.lines()) == 1

    def test_unless_the_queue_refuses_it(self) -> None:
        around = Surroundings(dead_letters=FakeQueue(code="AccessDenied"))
        event = a_batch({"awslogs": {"data": None}}, a_payload(2))
        assert failures(taken(around, event)) == ["sequence-0"]


class TestRetryQueue:
    def test_a_message_is_stored(self) -> None:
        around = Surroundings()
        event = {"Records": [a_message({**a_payload(1), "counted": True})]}
        assert failures(taken(around, event)) == []
        assert len(around.table.lines()) == 1
        assert around.verdicts() == {}
        assert around.metric("LinkedLines") == 1

    def test_exactly_the_failed_ones_are_named_and_hidden(self) -> None:
        around = Surroundings(table=FakeTable(fault=throttling(2)))
        event = {"Records": [a_message(a_payload(n), number=n, receipts=3) for n in (1, 2, 3)]}
        assert failures(taken(around, event)) == ["message-2"]
        assert around.retry_queue.hidden == {"handle-2": 120}
        assert around.retry_queue.messages == []

    @pytest.mark.parametrize(
        ("receipts", "pause"),
        [(1, 30), (2, 60), (3, 120), (5, 480), (6, 900), (7, 900), (1000, 900)],
    )
    def test_the_pause_doubles_up_to_15_minutes(self, receipts: int, pause: int) -> None:
        around = Surroundings(table=FakeTable(fault=throttling(1)))
        event = {"Records": [a_message(a_payload(1), receipts=receipts)]}
        assert failures(taken(around, event)) == ["message-0"]
        assert around.retry_queue.hidden == {"handle-0": pause}

    def test_pauses_are_settings(self) -> None:
        settings = replace(SETTINGS, first_pause_seconds=1, max_pause_seconds=3)
        around = Surroundings(settings=settings)
        assert [pause_seconds(around.validator, n) for n in (1, 2, 3)] == [1, 2, 3]

    def test_where_it_cannot_be_hidden_the_queue_keeps_its_pause(self) -> None:
        around = Surroundings(
            table=FakeTable(fault=throttling(1)), retry_queue=FakeQueue(hide_code="AccessDenied")
        )
        assert failures(taken(around, {"Records": [a_message(a_payload(1))]})) == ["message-0"]
        assert (
            around.warnings()[-1]
            == "could not set the pause of a message in the retry queue: AccessDenied"
        )

    def test_without_time_it_comes_again(self) -> None:
        around = Surroundings()
        event = {"Records": [a_message(a_payload(1))]}
        assert failures(taken(around, event, JUDGING_RESERVE_MS - 1)) == ["message-0"]
        assert around.table.calls == []

    def test_one_that_is_no_payload_is_a_dead_letter(self) -> None:
        around = Surroundings()
        bodies = ["not json", "[" * 100_000, "[]", "{}"]
        event = {"Records": [a_message(body, number=n) for n, body in enumerate(bodies)]}
        assert failures(taken(around, event)) == []
        letters = around.dead_letters.documents
        assert all(letter["reason"].startswith("not a usable payload") for letter in letters)
        assert [letter.get("event") for letter in letters] == ["not json", "[" * 100_000, [], None]


class TestRetryQueueAfterADay:
    OLD = NOW_MS - 86_400_000

    @pytest.mark.parametrize("counted", [True, False])
    def test_a_message_becomes_a_dead_letter_with_its_flag(self, counted: bool) -> None:
        around = Surroundings()
        envelope = {**a_payload(1), "counted": counted}
        event = {"Records": [a_message(envelope, sent_ms=self.OLD - 1)]}
        assert failures(taken(around, event)) == []
        reason = "not stored within 86400 seconds"
        assert around.dead_letters.documents == [{**envelope, "reason": reason}]
        assert around.table.calls == []
        assert around.warnings() == [reason]

    def test_until_then_it_is_tried(self) -> None:
        around = Surroundings()
        taken(around, {"Records": [a_message(a_payload(1), sent_ms=self.OLD)]})
        assert len(around.table.lines()) == 1

    def test_the_number_of_receipts_does_not_matter(self) -> None:
        around = Surroundings()
        taken(around, {"Records": [a_message(a_payload(1), receipts=999)]})
        assert len(around.table.lines()) == 1

    def test_where_the_dead_letter_queue_refuses_it_comes_again(self) -> None:
        around = Surroundings(dead_letters=FakeQueue(code="AccessDenied"))
        event = {"Records": [a_message(a_payload(1), sent_ms=self.OLD - 1)]}
        assert failures(taken(around, event)) == ["message-0"]
        assert around.retry_queue.hidden == {"handle-0": 30}
