from __future__ import annotations

import base64
import gzip
import json
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from openreplay_cw_stack.commands.backfill.sending import (
    MAX_EVENTS,
    MAX_MESSAGE_BYTES,
    Sender,
    make_payloads,
)
from openreplay_cw_stack.runtime.validator.subscription import (
    MAX_DECOMPRESSED_BYTES,
    encode_payload,
)
from tests.commands.backfill.support import (
    SOURCE,
    Functions,
    an_event,
)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b", "c"]), st.integers(0, 40), st.sampled_from("xé\u0001😀")
        ),
        max_size=60,
    )
)
def test_every_line_is_in_one_payload_of_its_stream(lines: list[tuple[str, int, str]]) -> None:
    events = [
        an_event(number, character * (size * 20_000), stream=stream)
        for number, (stream, size, character) in enumerate(lines)
    ]
    payloads = list(make_payloads(SOURCE, events))
    sent = [(one.log_stream, event.id) for one in payloads for event in one.events]
    assert sorted(sent) == sorted((one["logStreamName"], one["eventId"]) for one in events)
    for payload in payloads:
        messages = [len(event.message.encode()) for event in payload.events]
        assert sum(messages) <= MAX_MESSAGE_BYTES or len(messages) == 1
        assert [event.id for event in payload.events] == sorted(e.id for e in payload.events)
    firsts = [min(event.timestamp for event in one.events) for one in payloads]
    assert firsts == sorted(firsts)


def test_the_largest_payload_fits_an_invocation_and_the_validator() -> None:
    noise = random.Random(7)
    alphabet = [chr(code) for code in range(0x20)] + [chr(code) for code in range(0x4E00, 0x9FFF)]
    for characters in (alphabet, alphabet[:32]):
        message = "".join(noise.choices(characters, k=MAX_MESSAGE_BYTES // 3))[:262_144]
        events = [an_event(number, message) for number in range(4)]
        (payload, *_) = make_payloads(SOURCE, events)
        body = encode_payload(payload, payload.events, counted=False)
        assert len(body) < 6_000_000
        data = gzip.decompress(base64.b64decode(json.loads(body)["awslogs"]["data"]))
        assert len(data) < MAX_DECOMPRESSED_BYTES / 3
    many = list(make_payloads(SOURCE, [an_event(number, "x") for number in range(MAX_EVENTS + 1)]))
    assert [len(one.events) for one in many] == [MAX_EVENTS, 1]


def test_nothing_is_begun_after_a_failure() -> None:
    functions = Functions({1: {"FunctionError": "Unhandled"}})
    payloads = [
        payload for number in range(6) for payload in make_payloads(SOURCE, [an_event(number)])
    ]
    failures = Sender(functions, "validator", lambda seconds: None).send(payloads)
    assert len(functions.bodies) == 2
    assert [str(one) for one in failures[2:]] == ["not sent"] * 4
