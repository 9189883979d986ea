"""The validator's surroundings in memory, with faults on request."""

from __future__ import annotations

import base64
import gzip
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from openreplay_cw_stack.contract.limits import ITEMS_PER_BATCH_WRITE
from openreplay_cw_stack.contract.linked_line import LinkedLine
from openreplay_cw_stack.contract.session_table import Attributes, read_item
from openreplay_cw_stack.runtime.aws_calls import CallFailed
from openreplay_cw_stack.runtime.validator.queues import MAX_MESSAGE_BYTES, SendFailed
from openreplay_cw_stack.runtime.validator.settings import Settings
from openreplay_cw_stack.runtime.validator.storing import (
    ItemWriter,
    Refusal,
    WriteRefused,
)
from openreplay_cw_stack.runtime.validator.token_secret import SecretUnreadable, TokenSecret
from openreplay_cw_stack.runtime.validator.validator import Validator
from openreplay_cw_stack.tagging import Verdict
from tests.runtime.payloads import NOW_MS
from tests.tagging.tokens import TOKEN_SECRET

SETTINGS = Settings(
    deployment="Shop",
    session_table_arn="arn:aws:dynamodb:eu-west-1:123456789012:table/sessions",
    line_retention_seconds=30 * 86_400,
    retry_queue_url="https://sqs/retry",
    dead_letter_queue_url="https://sqs/dead",
    token_secret_arn="arn:secret",
    accept_unsigned_ids=False,
)
PLENTY_MS = 60_000
"""More time than anything needs."""

Key = tuple[str, str]
Fault = Callable[[Sequence[Attributes]], Iterable[Key] | None]
"""What happens to a call: it may raise, or name the items that are not written."""


def key_of(attributes: Attributes) -> Key:
    return (str(attributes["session"]["S"]), str(attributes["item"]["S"]))


@dataclass
class FakeTable:
    """A session table. It checks what DynamoDB would.

    Attributes:
        items: what it holds, by key.
        fault: asked at every call.
        calls: the keys of each call.
        written_keys: each key of an item as often as it was written.
    """

    items: dict[Key, Attributes] = field(default_factory=dict)
    fault: Fault | None = None
    calls: list[list[Key]] = field(default_factory=list)
    written_keys: list[Key] = field(default_factory=list)

    def write(self, items: Sequence[Attributes]) -> Sequence[Attributes]:
        keys = [key_of(item) for item in items]
        assert 1 <= len(keys) <= ITEMS_PER_BATCH_WRITE
        assert len(set(keys)) == len(keys), "two items of one call have the same key"
        self.calls.append(keys)
        left_out = set((self.fault and self.fault(items)) or ())
        for key, item in zip(keys, items, strict=True):
            if key not in left_out:
                self.put(item)
        return [item for key, item in zip(keys, items, strict=True) if key in left_out]

    def put(self, item: Attributes) -> None:
        self.items[key_of(item)] = item
        self.written_keys.append(key_of(item))

    def lines(self) -> list[LinkedLine]:
        """Every line of every item, doubles included."""
        return [
            line for (session, _), item in self.items.items() for line in read_of(session, item)
        ]

    def lines_of(self, session: int) -> list[LinkedLine]:
        """The lines of a session, each once, as a reader shows them."""
        lines = {line.identity: line for line in self.lines() if line.session == session}
        return sorted(lines.values(), key=lambda line: line.order)


def read_of(session: str, item: Attributes) -> Sequence[LinkedLine]:
    return read_item(int(session), item).lines


def refusing(refusal: Refusal, code: str = "Code") -> Fault:
    """Every call is refused."""

    def fault(items: Sequence[Attributes]) -> None:
        raise WriteRefused(refusal, code)

    return fault


def throttling(*sessions: int) -> Fault:
    """These sessions' items are never written."""
    hot = {str(session) for session in sessions}
    return lambda items: [key_of(item) for item in items if key_of(item)[0] in hot]


def invalidating(*sessions: int) -> Fault:
    """A call with an item of these sessions is refused as invalid."""
    bad = {str(session) for session in sessions}

    def fault(items: Sequence[Attributes]) -> None:
        if any(key_of(item)[0] in bad for item in items):
            raise WriteRefused(Refusal.INVALID, "ValidationException")

    return fault


@dataclass
class FakeQueue:
    """A queue. It checks what SQS would.

    Attributes:
        messages: what it took.
        code: the code of the error with which it refuses messages; None: it takes them.
        hidden: the pause of each receipt handle that was hidden.
        hide_code: the code of the error with which it refuses to hide.
    """

    messages: list[str] = field(default_factory=list)
    code: str | None = None
    hidden: dict[str, int] = field(default_factory=dict)
    hide_code: str | None = None

    def send(self, message: str) -> None:
        assert message.isascii()
        assert len(message) <= MAX_MESSAGE_BYTES
        if self.code:
            raise SendFailed(self.code)
        self.messages.append(message)

    def hide(self, receipt_handle: str, seconds: int) -> None:
        if self.hide_code:
            raise CallFailed(self.hide_code)
        self.hidden[receipt_handle] = seconds

    @property
    def documents(self) -> list[dict[str, Any]]:
        return [json.loads(message) for message in self.messages]


@dataclass
class FakeClock:
    """Seconds, set by hand or by sleeping.

    Attributes:
        now: the time.
        per_look: how much time passes with each look at it.
    """

    now: float = 0.0
    per_look: float = 0.0
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        self.now += self.per_look
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@dataclass
class Surroundings:
    """A validator with everything around it in memory."""

    settings: Settings = SETTINGS
    secret: bytes | None = TOKEN_SECRET
    now_ms: int = NOW_MS
    table: FakeTable = field(default_factory=FakeTable)
    retry_queue: FakeQueue = field(default_factory=FakeQueue)
    dead_letters: FakeQueue = field(default_factory=FakeQueue)
    clock: FakeClock = field(default_factory=FakeClock)
    printed: list[str] = field(default_factory=list)
    validator: Validator = field(init=False)

    def __post_init__(self) -> None:
        checked = self.settings.token_secret_arn is not None
        self.validator = Validator(
            settings=self.settings,
            writer=ItemWriter(self.table, self.clock, self.clock.sleep),
            retry_queue=self.retry_queue,
            dead_letters=self.dead_letters,
            token_secret=TokenSecret(self._read_secret, self.clock) if checked else None,
            clock_ms=lambda: self.now_ms,
            emit=self.printed.append,
        )

    def _read_secret(self) -> tuple[bytes, ...]:
        if self.secret is None:
            raise SecretUnreadable("AccessDeniedException")
        return (self.secret,)

    def validate(self, envelope: object, **options: Any) -> int:
        options = {"remaining_ms": lambda: PLENTY_MS, **options}
        handled = self.validator.validate(envelope, **options)
        self.validator.publish(handled.counts)
        return handled.stored

    def metric(self, name: str, **dimensions: str) -> int:
        """The sum of a metric over the documents with these dimensions."""
        return sum(
            document.get(name, 0)
            for document in map(json.loads, self.printed)
            if all(document.get(key) == value for key, value in dimensions.items())
        )

    def verdicts(self) -> Counter[Verdict]:
        counts: Counter[Verdict] = Counter()
        for document in map(json.loads, self.printed):
            if "Verdict" in document:
                counts[Verdict(document["Verdict"])] += document["Lines"]
        return counts

    def warnings(self) -> list[str]:
        documents = [json.loads(line) for line in self.printed]
        return [one["message"] for one in documents if one.get("level") == "WARN"]


def unsigned(**changes: Any) -> Settings:
    """Settings with which signatures are not checked."""
    return replace(SETTINGS, token_secret_arn=None, accept_unsigned_ids=True, **changes)


def messages_in(envelope: Mapping[str, Any]) -> list[str]:
    """The messages of a payload."""
    data = gzip.decompress(base64.b64decode(envelope["awslogs"]["data"]))
    return [event["message"] for event in json.loads(data)["logEvents"]]
