from __future__ import annotations

import base64
import gzip
import json
import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openreplay_cw_stack.runtime.validator.queues import MAX_MESSAGE_BYTES, dead_letter
from openreplay_cw_stack.runtime.validator.storing import Refusal
from openreplay_cw_stack.runtime.validator.validator import (
    JUDGING_RESERVE_MS,
    STORING_RESERVE_MS,
    DeliveryFailed,
    Missing,
)
from openreplay_cw_stack.tagging import Verdict, id_tag, token_tag
from tests.runtime.payloads import CONTROL_MESSAGE, LOG_GROUP, NOW_MS, a_document, an_event
from tests.runtime.validator.fakes import (
    SETTINGS,
    FakeQueue,
    FakeTable,
    Surroundings,
    invalidating,
    messages_in,
    refusing,
    throttling,
    unsigned,
)
from tests.tagging.tokens import SESSION_ID, a_token, minted_tokens

GOOD = token_tag(a_token())
OTHER = token_tag(a_token(session_id=77))
FORGED = token_tag(a_token(token_secret=b"forged"))
TWO_SESSIONS = an_event(a_document(f"{GOOD} a", "b", f"{OTHER} c", f"{GOOD} d", f"{FORGED} e"))


def with_fault(fault: Any, **options: Any) -> Surroundings:
    return Surroundings(table=FakeTable(fault=fault), **options)


def test_a_mixed_payload() -> None:
    around = Surroundings()
    stored = around.validate(
        an_event(
            a_document(
                f"{GOOD} error",
                f"{FORGED} error",
                "openReplaySessionToken: x",
                f"{id_tag(12)} error",
                f"{GOOD} fine",
                f"{OTHER} fine",
                "openReplaySessionToken missing",
            )
        )
    )
    assert stored == 2
    assert [line.message for line in around.table.lines_of(SESSION_ID)] == ["error", "fine"]
    assert [line.message for line in around.table.lines_of(77)] == ["fine"]
    assert around.verdicts() == {
        Verdict.LINKABLE: 3,
        Verdict.BAD_SIGNATURE: 1,
        Verdict.MISSPELLED_TAG: 1,
        Verdict.UNSIGNED: 1,
        Verdict.UNTAGGED: 1,
    }
    assert around.metric("LinkedLines", LogGroup=LOG_GROUP) == 3
    assert around.metric("RejectedLines", LogGroup=LOG_GROUP) == 3
    assert around.retry_queue.messages == around.dead_letters.messages == []


def test_items_arrive_now_and_expire_after_the_retention() -> None:
    around = Surroundings()
    around.validate(an_event(a_document(GOOD)))
    (item,) = around.table.items.values()
    assert item["arrived"] == {"N": str(NOW_MS)}
    assert item["expires"] == {"N": str(NOW_MS // 1000 + SETTINGS.line_retention_seconds)}


def test_a_payload_that_comes_twice_is_stored_once() -> None:
    around = Surroundings()
    for _ in range(2):
        around.validate(TWO_SESSIONS)
    assert len(around.table.lines()) == 3


def test_nothing_more_is_printed_for_more_lines() -> None:
    one, many = Surroundings(), Surroundings()
    one.validate(an_event(a_document(f"{GOOD} error")))
    many.validate(an_event(a_document(*[f"{GOOD} error"] * 300)))
    assert len(one.printed) == len(many.printed)
    assert sum(len(line) + 1 for line in many.printed) < 600


def test_control_messages_do_nothing() -> None:
    around = Surroundings()
    assert around.validate(an_event(CONTROL_MESSAGE)) == 0
    assert (around.printed, around.table.calls) == ([], [])


def test_entries_that_are_no_events_are_counted() -> None:
    around = Surroundings()
    document = a_document(f"{GOOD} a")
    document["logEvents"].append("a line")
    around.validate(an_event(document))
    assert around.metric("DroppedLines", Reason="unreadable") == 1
    assert len(around.table.lines()) == 1


class TestUnusablePayloads:
    def test_they_are_dead_letters_at_once_with_their_reason(self) -> None:
        around = Surroundings()
        envelope = {"awslogs": {"data": "***"}}
        assert around.validate(envelope) == 0
        reason = "not a usable payload: its data is not base64"
        assert around.dead_letters.documents == [{**envelope, "reason": reason}]
        assert around.metric("UnusablePayloads") == 1
        assert around.warnings() == [reason]
        assert around.retry_queue.messages == []

    @pytest.mark.parametrize("envelope", [None, [], "text", 5])
    def test_whatever_came(self, envelope: object) -> None:
        around = Surroundings()
        around.validate(envelope)
        (letter,) = around.dead_letters.documents
        assert letter["event"] == envelope

    def test_one_that_is_too_long_for_the_queue(self) -> None:
        around = Surroundings()
        around.validate({"awslogs": {"data": "*" * MAX_MESSAGE_BYTES}})
        (letter,) = around.dead_letters.documents
        assert set(letter) == {"reason", "left_out"}

    def test_one_that_the_queue_refuses_comes_again(self) -> None:
        around = Surroundings(dead_letters=FakeQueue(code="AccessDenied"))
        with pytest.raises(DeliveryFailed, match=r"^dead-letter queue: AccessDenied$"):
            around.validate(None)
        assert around.metric("UnusablePayloads") == 0

    def test_a_dead_letter_that_is_read_again_keeps_its_form(self) -> None:
        once = dead_letter({"awslogs": {"data": "x"}, "counted": True}, "first")
        assert json.loads(dead_letter(json.loads(once), "second")) == {
            "awslogs": {"data": "x"},
            "counted": True,
            "reason": "second",
        }


class TestMissingItems:
    def test_the_events_of_the_missing_sessions_are_queued_and_no_others(self) -> None:
        around = with_fault(throttling(77))
        assert around.validate(TWO_SESSIONS) == 1
        assert [line.message for line in around.table.lines()] == ["a", "d"]
        (message,) = around.retry_queue.documents
        assert messages_in(message) == [f"{OTHER} c"]
        assert message["counted"] is True
        assert around.metric("QueuedLines") == 1
        assert around.metric("ThrottledWrites") == 5
        assert around.metric("LinkedLines") == 2
        assert around.verdicts()[Verdict.LINKABLE] == 3

    def test_they_are_counted_once(self) -> None:
        around = with_fault(throttling(77))
        around.validate(TWO_SESSIONS)
        around.table.fault = None
        around.printed.clear()
        around.validate(around.retry_queue.documents[0])
        assert around.verdicts() == {}
        assert around.metric("LinkedLines") == 1
        assert around.metric("RejectedLines") == 0
        assert [line.message for line in around.table.lines_of(77)] == ["c"]

    def test_a_queue_that_refuses_fails_and_counts_nothing(self) -> None:
        around = with_fault(throttling(77), retry_queue=FakeQueue(code="RequestThrottled"))
        with pytest.raises(DeliveryFailed, match=r"^not queued: RequestThrottled$"):
            around.validate(TWO_SESSIONS)
        assert around.warnings() == ["the session table did not store all items: UnprocessedItems"]
        assert len(around.printed) == 1

    def test_back_to_the_source(self) -> None:
        around = with_fault(throttling(77))
        with pytest.raises(DeliveryFailed, match=r"^UnprocessedItems$") as failed:
            around.validate(TWO_SESSIONS, missing=Missing.BACK_TO_THE_SOURCE)
        assert failed.value.stored == 1
        assert around.retry_queue.messages == []
        assert len(around.printed) == 1

    @pytest.mark.parametrize("missing", list(Missing))
    def test_a_table_that_is_gone(self, missing: Missing) -> None:
        around = with_fault(refusing(Refusal.DENIED, "ResourceNotFoundException"))
        if missing is Missing.BACK_TO_THE_SOURCE:
            with pytest.raises(DeliveryFailed, match="ResourceNotFoundException") as failed:
                around.validate(TWO_SESSIONS, missing=missing)
            assert failed.value.stored == 0
        else:
            assert around.validate(TWO_SESSIONS, missing=missing) == 0
            (message,) = around.retry_queue.documents
            assert messages_in(message) == [f"{GOOD} a", f"{OTHER} c", f"{GOOD} d"]

    def test_many_events_are_queued_in_several_messages(self) -> None:
        around = with_fault(throttling(SESSION_ID))
        chance = random.Random(1)
        lines = [f"{GOOD} {chance.randbytes(150_000).hex()}" for _ in range(12)]
        around.validate(an_event(a_document(*lines)))
        assert len(around.retry_queue.messages) > 1
        assert [
            line for message in around.retry_queue.documents for line in messages_in(message)
        ] == lines


class TestInvalidItems:
    def test_they_are_dead_letters_and_the_others_are_stored(self) -> None:
        around = with_fault(invalidating(77))
        assert around.validate(TWO_SESSIONS) == 1
        (letter,) = around.dead_letters.documents
        assert letter["reason"] == "DynamoDB refused the item: ValidationException"
        assert messages_in(letter) == [f"{OTHER} c"]
        assert letter["counted"] is True
        assert around.metric("RefusedItems") == 1
        assert around.retry_queue.messages == []

    def test_many_are_one_dead_letter(self) -> None:
        around = with_fault(invalidating(*range(2000)))
        lines = [f"{token_tag(a_token(session_id=session))} x" for session in range(2000)]
        around.validate(an_event(a_document(*lines)))
        (letter,) = around.dead_letters.documents
        assert messages_in(letter) == lines
        assert around.metric("RefusedItems") == 2000

    def test_one_may_need_several_dead_letters(self) -> None:
        around = with_fault(invalidating(SESSION_ID))
        chance = random.Random(1)
        # Cut to 256 KiB, three of them are one item.
        filler = "a" * 300_000
        lines = [f"{GOOD} {filler}{chance.randbytes(290_000).hex()}" for _ in range(3)]
        around.validate(an_event(a_document(*lines)))
        assert around.metric("RefusedItems") == 1
        letters = around.dead_letters.documents
        assert len(letters) > 1
        assert [line for letter in letters for line in messages_in(letter)] == lines

    def test_a_queue_that_refuses_fails_and_counts_nothing(self) -> None:
        around = with_fault(invalidating(77), dead_letters=FakeQueue(code="AccessDenied"))
        with pytest.raises(DeliveryFailed, match=r"^not queued: AccessDenied$"):
            around.validate(TWO_SESSIONS)
        assert around.verdicts() == {}


class TestTime:
    @pytest.mark.parametrize("missing", list(Missing))
    def test_lines_for_which_there_is_no_time_are_queued_uncounted(self, missing: Missing) -> None:
        around = Surroundings()
        around.validate(TWO_SESSIONS, remaining_ms=lambda: JUDGING_RESERVE_MS, missing=missing)
        assert [line.message for line in around.table.lines()] == ["a"]
        (message,) = around.retry_queue.documents
        assert message["counted"] is False
        assert messages_in(message) == ["b", f"{OTHER} c", f"{GOOD} d", f"{FORGED} e"]
        assert around.verdicts() == {Verdict.LINKABLE: 1}
        around.validate(message)
        assert sum(around.verdicts().values()) == 5
        assert len(around.table.lines()) == 3

    def test_the_rest_of_what_was_counted_is_not_counted_again(self) -> None:
        around = Surroundings()
        around.validate({**TWO_SESSIONS, "counted": True}, remaining_ms=lambda: JUDGING_RESERVE_MS)
        assert around.retry_queue.documents[0]["counted"] is True
        assert around.verdicts() == {}

    def test_without_time_to_store_nothing_is_stored(self) -> None:
        around = Surroundings()
        around.validate(TWO_SESSIONS, remaining_ms=lambda: STORING_RESERVE_MS)
        assert around.table.calls == []
        counted, uncounted = around.retry_queue.documents
        assert messages_in(counted) == [f"{GOOD} a"]
        assert len(messages_in(uncounted)) == 4
        assert around.verdicts() == {Verdict.LINKABLE: 1}

    def test_a_rest_that_cannot_be_queued_fails(self) -> None:
        around = Surroundings(retry_queue=FakeQueue(code="AccessDenied"))
        with pytest.raises(DeliveryFailed, match=r"^not queued: AccessDenied$"):
            around.validate(TWO_SESSIONS, remaining_ms=lambda: JUDGING_RESERVE_MS)
        assert around.verdicts() == {}


class TestTokenSecret:
    def test_one_that_cannot_be_read_leaves_signatures_unchecked_and_says_so(self) -> None:
        around = Surroundings(secret=None)
        around.validate(TWO_SESSIONS)
        assert around.metric("UncheckedSignatures") == 4
        assert around.warnings() == ["the token secret cannot be read: AccessDeniedException"]
        around.validate(an_event(a_document(id_tag(12))))
        assert around.verdicts()[Verdict.UNSIGNED] == 1

    def test_without_one_nothing_is_said(self) -> None:
        around = Surroundings(settings=unsigned())
        around.validate(an_event(a_document(FORGED, id_tag(12))))
        assert around.verdicts() == {Verdict.LINKABLE: 2}
        assert (around.metric("UncheckedSignatures"), around.warnings()) == (0, [])

    def test_another_one_is_taken_up(self) -> None:
        around = Surroundings()
        around.validate(an_event(a_document(GOOD)))
        around.secret, around.clock.now = b"forged", 301.0
        around.validate(an_event(a_document(GOOD, FORGED)))
        assert around.verdicts() == {Verdict.LINKABLE: 2, Verdict.BAD_SIGNATURE: 1}


def test_the_full_cross_of_metrics_on_request() -> None:
    around = Surroundings(settings=replace(SETTINGS, detailed_metrics=True))
    around.validate(an_event(a_document(GOOD)))
    assert around.metric("Lines", Verdict="linkable", LogGroup=LOG_GROUP) == 1


FAULTS = [
    None,
    throttling(SESSION_ID),
    invalidating(SESSION_ID),
    refusing(Refusal.THROTTLED, "ThrottlingException"),
    refusing(Refusal.DENIED, "AccessDeniedException"),
]
WORDS = ["confidential-line", "7gfjq34mx2"]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["[openReplaySessionToken={}]", "token: {}", "{}"]), minted_tokens
        ),
        min_size=1,
        max_size=4,
    ),
    st.sampled_from(FAULTS),
    st.sampled_from(list(Missing)),
    st.sampled_from([None, "AccessDenied"]),
    st.sampled_from([60_000, JUDGING_RESERVE_MS, STORING_RESERVE_MS]),
    st.booleans(),
)
def test_nothing_of_a_line_is_in_anything_that_is_printed_or_raised(
    lines: list[tuple[str, str]],
    fault: Any,
    missing: Missing,
    code: str | None,
    remaining_ms: int,
    usable: bool,
) -> None:
    around = with_fault(
        fault,
        settings=unsigned(detailed_metrics=True),
        retry_queue=FakeQueue(code=code),
        dead_letters=FakeQueue(code=code),
    )
    messages = [f"{GOOD} {form.format(token)} {' '.join(WORDS)}" for form, token in lines]
    document = a_document(*messages, logStream=lines[0][1])
    text = json.dumps(document if usable else {**document, "logEvents": WORDS[0]})
    envelope = {"awslogs": {"data": base64.b64encode(gzip.compress(text.encode())).decode()}}
    raised = ""
    try:
        around.validate(envelope, missing=missing, remaining_ms=lambda: remaining_ms)
    except DeliveryFailed as failed:
        raised = str(failed)
    everything = "\n".join([*around.printed, raised])
    for secret in (*WORDS, a_token(), str(SESSION_ID), *(token for _, token in lines)):
        assert secret not in everything
    reasons = [letter["reason"] for letter in around.dead_letters.documents]
    assert not any(word in reason for reason in reasons for word in WORDS)


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(json_values, st.dictionaries(st.sampled_from(list(a_document())), json_values))
def test_whatever_comes_it_does_not_raise(event: Any, changes: dict[str, Any]) -> None:
    around = Surroundings()
    for candidate in (event, an_event(event), an_event({**a_document(GOOD), **changes})):
        around.validate(candidate)


def test_an_event_of_any_depth_becomes_a_dead_letter() -> None:
    around = Surroundings()
    for depth in (10, 500, 990, 5_000):
        event: Any = None
        for _ in range(depth):
            event = {"a": event}
        around.validate(event)
    assert len(around.dead_letters.messages) == 4
