"""Every linkable line reaches the session table, whatever fails on its way.

Around the validator there are a table, a retry queue with visibility, a dead-letter queue, a stream
with a checkpoint, and Lambda's asynchronous retries. Every call to one of them may meet a fault.
The world is driven until nothing is on its way any more, and its dead letters are replayed. What
the table holds then is read as the bridge reads it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openreplay_cw_stack.contract import session_table
from openreplay_cw_stack.contract.session_table import Attributes
from openreplay_cw_stack.runtime.aws_calls import CallFailed
from openreplay_cw_stack.runtime.bridge.hits import make_hits
from openreplay_cw_stack.runtime.bridge.session_lines import read_session
from openreplay_cw_stack.runtime.validator import queues, storing
from openreplay_cw_stack.runtime.validator.envelopes import take
from openreplay_cw_stack.runtime.validator.queues import SendFailed
from openreplay_cw_stack.runtime.validator.storing import ItemWriter, Refusal, WriteRefused
from openreplay_cw_stack.runtime.validator.subscription import read_payload
from openreplay_cw_stack.runtime.validator.token_secret import TokenSecret
from openreplay_cw_stack.runtime.validator.validator import JUDGING_RESERVE_MS, Validator
from openreplay_cw_stack.tagging import Verdict, token_tag
from tests.runtime.bridge.support import MemoryTable
from tests.runtime.payloads import NOW_MS, a_document, an_event
from tests.runtime.validator.fakes import SETTINGS, FakeClock, FakeTable, key_of
from tests.tagging.tokens import TOKEN_SECRET, a_token

SESSIONS = (11, 12, 13)
TAGS = {session: token_tag(a_token(session_id=session)) for session in SESSIONS}
FORGED = token_tag(a_token(session_id=11, token_secret=b"forged"))
ASYNCHRONOUS_ATTEMPTS = 3
STREAM_ATTEMPTS = 6
VISIBILITY_MS = 360_000
MAX_STEPS = 500

TABLE_FAULTS = [
    "throttled",
    "unprocessed",
    "unavailable",
    "timeout that did write",
    "denied",
    "invalid",
    "slow",
]
OTHER_FAULTS = [
    "refused",
    "refused but sent",
    "killed before",
    "killed after",
]


class Killed(BaseException):
    """The function was ended: it ran out of time or memory."""


@dataclass
class Message:
    body: str
    sent_ms: int
    visible_ms: int
    receipts: int = 0


@dataclass(frozen=True)
class Event:
    """A log event: of a session; None for one with a forged token, 0 for one without any."""

    number: int
    session: int | None

    @property
    def document(self) -> dict[str, Any]:
        tag = {None: f"{FORGED} ", 0: ""}.get(self.session) if not self.session else None
        tag = f"{TAGS[self.session]} " if self.session else tag
        return {
            "id": f"{self.number:056}",
            "timestamp": NOW_MS + self.number // 2,
            "message": f"{tag}{self.text}",
        }

    @property
    def text(self) -> str:
        return f"line {self.number} {'x' * (self.number % 3 * 60)}"

    @property
    def verdict(self) -> Verdict:
        if self.session:
            return Verdict.LINKABLE
        return Verdict.UNTAGGED if self.session == 0 else Verdict.BAD_SIGNATURE


@dataclass
class World:
    """Everything that is on its way."""

    faults: Iterator[str]
    retry_seconds: int
    now_ms: int = NOW_MS
    remaining_ms: int = 0
    table: FakeTable = field(default_factory=FakeTable)
    clock: FakeClock = field(default_factory=FakeClock)
    invocations: list[tuple[dict[str, Any], int]] = field(default_factory=list)
    stream: list[dict[str, Any]] = field(default_factory=list)
    stream_attempts: int = 0
    retries: list[Message] = field(default_factory=list)
    letters: list[str] = field(default_factory=list)
    printed: list[str] = field(default_factory=list)
    in_hand: dict[str, Message] = field(default_factory=dict)
    ambiguous: bool = False
    """Whether something was counted or sent, and its source could not know."""

    def fault(self) -> str:
        fault = next(self.faults, "")
        if fault == "slow":
            self.remaining_ms -= 20_000
        if fault in OTHER_FAULTS:
            self.ambiguous = True
        if fault == "killed before":
            raise Killed
        return fault

    def write(self, items: Sequence[Attributes]) -> Sequence[Attributes]:
        fault = self.fault()
        refusals = {
            "throttled": Refusal.THROTTLED,
            "unavailable": Refusal.UNAVAILABLE,
            "denied": Refusal.DENIED,
            "invalid": Refusal.INVALID,
        }
        if fault in refusals:
            raise WriteRefused(refusals[fault], fault)
        if fault == "unprocessed":
            left_out = {key_of(item) for item in items[::2]}
            self.table.fault = lambda _: left_out
        unwritten = self.table.write(items)
        self.table.fault = None
        if fault == "killed after":
            raise Killed
        if fault == "timeout that did write":
            raise WriteRefused(Refusal.UNAVAILABLE, "ReadTimeoutError")
        return unwritten

    def send_to(self, deliver: Callable[[str], None], message: str) -> None:
        assert len(message) <= queues.MAX_MESSAGE_BYTES
        fault = self.fault()
        if fault == "refused":
            raise SendFailed(fault)
        deliver(message)
        if fault == "killed after":
            raise Killed
        if fault == "refused but sent":
            raise SendFailed(fault)

    def hide(self, receipt_handle: str, seconds: int) -> None:
        if self.fault() == "refused":
            raise CallFailed("refused")
        assert 0 <= seconds <= 900
        self.in_hand[receipt_handle].visible_ms = self.now_ms + seconds * 1000

    def validator(self) -> Validator:
        return Validator(
            settings=replace(SETTINGS, retry_seconds=self.retry_seconds),
            writer=ItemWriter(self, self.clock, self.clock.sleep),
            retry_queue=RetryQueue(self),
            dead_letters=DeadLetters(self),
            token_secret=TokenSecret(lambda: (TOKEN_SECRET,), self.clock),
            clock_ms=lambda: self.now_ms,
            emit=self.printed.append,
        )

    def call(self, event: Any) -> Any:
        """Invoke the function; None if it was killed or raised."""
        self.remaining_ms = 60_000

        def remaining_ms() -> int:
            self.remaining_ms -= 100
            return self.remaining_ms

        try:
            if self.fault() == "slow":
                self.remaining_ms = JUDGING_RESERVE_MS + 450
            return take(event, self.validator(), RetryQueue(self), remaining_ms) or {}
        except (Killed, CallFailed):
            return None

    def invoke_directly(self) -> None:
        envelope, attempts = self.invocations.pop(0)
        if self.call(envelope) is not None:
            return
        if attempts + 1 < ASYNCHRONOUS_ATTEMPTS:
            self.invocations.append((envelope, attempts + 1))
        else:
            self.letters.append(json.dumps(envelope))

    def read_the_stream(self) -> None:
        size = max(1, 4 >> self.stream_attempts)
        batch = [
            {
                "eventSource": "aws:kinesis",
                "kinesis": {"data": envelope["awslogs"]["data"], "sequenceNumber": str(number)},
            }
            for number, envelope in enumerate(self.stream[:size])
        ]
        answer = self.call({"Records": batch})
        failed = [] if answer is None else answer["batchItemFailures"]
        done = 0 if answer is None else len(batch)
        if failed:
            done = min(int(failure["itemIdentifier"]) for failure in failed)
        self.stream_attempts = 0 if done else self.stream_attempts + 1
        if self.stream_attempts > STREAM_ATTEMPTS:
            # Its age is over: Lambda's destination gets where it stands in the stream.
            self.letters.append(json.dumps(self.stream[0]))
            self.stream_attempts, done = 0, 1
        del self.stream[:done]

    def receive(self) -> None:
        message = min(self.retries, key=lambda message: message.visible_ms)
        self.now_ms = max(self.now_ms, message.visible_ms)
        message.receipts += 1
        message.visible_ms = self.now_ms + VISIBILITY_MS
        self.in_hand = {"handle": message}
        record = {
            "eventSource": "aws:sqs",
            "messageId": "message",
            "receiptHandle": "handle",
            "body": message.body,
            "attributes": {
                "ApproximateReceiveCount": str(message.receipts),
                "SentTimestamp": str(message.sent_ms),
            },
        }
        if self.call({"Records": [record]}) == {"batchItemFailures": []}:
            self.retries.remove(message)

    def replay(self) -> None:
        for letter in self.letters:
            document = json.loads(letter)
            envelope = {name: document[name] for name in ("awslogs", "counted") if name in document}
            self.invocations.append((envelope, 0))
        self.letters.clear()

    def run(self) -> None:
        """Until nothing is on its way."""
        for _ in range(MAX_STEPS):
            if self.invocations:
                self.invoke_directly()
            elif self.stream:
                self.read_the_stream()
            elif self.retries:
                self.receive()
            elif self.letters:
                self.replay()
            else:
                return
        raise AssertionError("it does not end")

    def counted(self) -> Counter[Verdict]:
        counts: Counter[Verdict] = Counter()
        for document in map(json.loads, self.printed):
            if "Verdict" in document:
                counts[Verdict(document["Verdict"])] += document["Lines"]
        return counts

    def shown(self, session: int) -> list[str]:
        """The messages of the hits that the bridge has for a session."""
        table = MemoryTable(page_items=2)
        for (stored_session, _), item in self.table.items.items():
            table.put_item(int(stored_session), item)
        reading = read_session(
            table, session, wanted=1000, now_ms=self.now_ms, time_left=lambda: 1.0
        )
        assert reading.to_the_end
        assert not reading.skipped
        hits = make_hits(reading.lines, size=1000, with_log_group=False, all_read=True)
        assert len({hit["_id"] for hit in hits}) == len(hits)
        return [hit["_source"]["message"] for hit in hits]

    def linked(self) -> int:
        return sum(json.loads(line).get("LinkedLines", 0) for line in self.printed)


@dataclass
class RetryQueue:
    world: World

    def send(self, message: str) -> None:
        world = self.world
        world.send_to(
            lambda body: world.retries.append(Message(body, world.now_ms, world.now_ms)), message
        )

    def hide(self, receipt_handle: str, seconds: int) -> None:
        self.world.hide(receipt_handle, seconds)


@dataclass
class DeadLetters:
    world: World

    def send(self, message: str) -> None:
        self.world.send_to(self.world.letters.append, message)


EVENTS = 12
deliveries = st.lists(
    st.tuples(
        st.sampled_from(["direct", "stream", "retry"]),
        st.lists(st.integers(0, EVENTS - 1), min_size=1, max_size=8, unique=True),
    ),
    min_size=1,
    max_size=5,
)


def run(
    sessions: list[int | None],
    delivered: list[tuple[str, list[int]]],
    faults: list[str],
    retry_seconds: int,
) -> None:
    events = [Event(number, session) for number, session in enumerate(sessions)]
    world = World(iter(()), retry_seconds)
    expected: Counter[Verdict] = Counter()
    for way, numbers in delivered:
        chosen = [events[number] for number in numbers]
        expected += Counter(event.verdict for event in chosen)
        envelope = an_event(a_document(logEvents=[event.document for event in chosen]))
        if way == "direct":
            world.invocations.append((envelope, 0))
        elif way == "stream":
            world.stream.append(envelope)
        else:
            payload = read_payload(envelope)
            assert payload is not None
            queues.send_events(RetryQueue(world), payload, payload.events, counted=False)
    world.faults = iter(faults)
    world.run()
    arrived = {number for _, numbers in delivered for number in numbers}
    for session in SESSIONS:
        assert world.shown(session) == [
            event.text for event in events if event.session == session and event.number in arrived
        ]
    assert {line.session for line in world.table.lines()} <= set(SESSIONS)
    everything = "\n".join(world.printed)
    assert not any(word in everything for word in (*TAGS.values(), a_token(), "line 1"))
    counted = world.counted()
    if world.ambiguous:
        assert all(counted[verdict] >= expected[verdict] for verdict in expected)
    else:
        assert counted == expected
        if all(way != "stream" for way, _ in delivered):
            assert world.linked() == expected[Verdict.LINKABLE]


@pytest.fixture(autouse=True, scope="module")
def small_limits() -> Iterator[None]:
    """Limits that a few short lines reach."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session_table, "MAX_INFLATED_BYTES", 320)
        patch.setattr(storing, "ITEMS_PER_BATCH_WRITE", 3)
        patch.setattr("tests.runtime.validator.fakes.ITEMS_PER_BATCH_WRITE", 3)
        patch.setattr(queues, "MAX_PAYLOAD_BYTES", 600)
        patch.setattr(queues, "MAX_MESSAGE_BYTES", 700)
        yield


kinds = st.lists(st.sampled_from([*SESSIONS, *SESSIONS, None, 0]), min_size=EVENTS, max_size=EVENTS)


@settings(max_examples=400, deadline=None)
@given(
    kinds,
    deliveries,
    st.lists(st.sampled_from(["", "", *TABLE_FAULTS]), max_size=30),
    st.sampled_from([100, 86_400]),
)
def test_the_table_fails(
    sessions: list[int | None],
    delivered: list[tuple[str, list[int]]],
    faults: list[str],
    retry_seconds: int,
) -> None:
    run(sessions, delivered, faults, retry_seconds)


@settings(max_examples=400, deadline=None)
@given(
    kinds,
    deliveries,
    st.lists(st.sampled_from(["", *TABLE_FAULTS, *OTHER_FAULTS]), max_size=40),
    st.sampled_from([100, 86_400]),
)
def test_everything_fails(
    sessions: list[int | None],
    delivered: list[tuple[str, list[int]]],
    faults: list[str],
    retry_seconds: int,
) -> None:
    run(sessions, delivered, faults, retry_seconds)
