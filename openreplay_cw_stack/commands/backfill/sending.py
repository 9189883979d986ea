"""Turns lines into subscription payloads, and invokes the validator with them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from openreplay_cw_stack.commands.attempts import attempts
from openreplay_cw_stack.commands.backfill.reading import Event
from openreplay_cw_stack.runtime.aws_calls import THROTTLED, CallFailed, asked
from openreplay_cw_stack.runtime.validator.subscription import LogEvent, Payload, encode_payload

MAX_MESSAGE_BYTES = 1_048_576
"""The most bytes of the messages in one payload. JSON makes them at most six times as long, and
base64 of data that gzip cannot compress adds a third: below Lambda's 6 MB for a synchronous
invocation."""
MAX_EVENTS = 10_000
"""The most log events of one payload, as in payloads of CloudWatch Logs."""
AT_ONCE = 2
"""How many invocations run at the same time."""

_MAX_ATTEMPTS = 10


class SendingFailed(Exception):
    """The validator did not accept a payload. The message gives the reason and quotes no line."""


@dataclass(frozen=True)
class Source:
    """The origin of lines.

    Attributes:
        owner: the AWS account of the log group.
        log_group: the log group's name.
    """

    owner: str
    log_group: str


def make_payloads(source: Source, events: Iterable[Event]) -> Iterator[Payload]:
    """Group lines by log stream into payloads of a bounded size, the earliest first."""
    streams: defaultdict[str, list[LogEvent]] = defaultdict(list)
    for event in events:
        line = LogEvent(event["eventId"], event["timestamp"], event["message"])
        streams[event["logStreamName"]].append(line)
    payloads = [
        Payload(source.owner, source.log_group, stream, chunk)
        for stream, lines in streams.items()
        for chunk in _chunks(lines)
    ]
    yield from sorted(payloads, key=first_time_ms)


def first_time_ms(payload: Payload) -> int:
    """Return the time of a payload's earliest line."""
    return min(event.timestamp for event in payload.events)


def _chunks(lines: Sequence[LogEvent]) -> Iterator[list[LogEvent]]:
    chunk: list[LogEvent] = []
    size = 0
    for line in lines:
        bytes_ = len(line.message.encode("utf-8", "replace"))
        if chunk and (size + bytes_ > MAX_MESSAGE_BYTES or len(chunk) == MAX_EVENTS):
            yield chunk
            chunk, size = [], 0
        chunk.append(line)
        size += bytes_
    if chunk:
        yield chunk


@dataclass(frozen=True)
class Sender:
    """Invokes the validator and waits for its response.

    Attributes:
        client: a client of Lambda without retries.
        function: the name of the validator's function.
        sleep: waits for a number of seconds.
    """

    client: Any
    function: str
    sleep: Callable[[float], None]

    def send(self, payloads: Sequence[Payload]) -> list[SendingFailed | None]:
        """Send payloads in order, two at a time, and return the failure of each, or None.

        After a failure no further payload is sent; the remaining payloads also count as failed.
        """
        failures: list[SendingFailed | None] = []
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for first in range(0, len(payloads), AT_ONCE):
                if any(failures):
                    failures += [SendingFailed("not sent")] * (len(payloads) - first)
                    break
                failures += pool.map(self._send, payloads[first : first + AT_ONCE])
        return failures

    def _send(self, payload: Payload) -> SendingFailed | None:
        body = encode_payload(payload, payload.events, counted=False).encode()
        try:
            answer = self._invoke(body)
        except SendingFailed as failed:
            return failed
        if answer.get("FunctionError"):
            return SendingFailed(f"the validator failed ({answer['FunctionError']})")
        return None

    def _invoke(self, body: bytes) -> dict[str, Any]:
        code = ""
        for _ in attempts(_MAX_ATTEMPTS, self.sleep, first_pause=1.0, max_pause=30.0):
            try:
                return asked(
                    self.client.invoke,
                    FunctionName=self.function,
                    InvocationType="RequestResponse",
                    Payload=body,
                )
            except CallFailed as failed:
                code = str(failed)
                if code not in THROTTLED:
                    break
        raise SendingFailed(f"the validator cannot be invoked ({code})")
