from __future__ import annotations

import argparse
import base64
import gzip
import json
import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openreplay_cw_stack.commands import main
from openreplay_cw_stack.commands.backfill import sending
from openreplay_cw_stack.commands.backfill.reading import AHEAD_MS, Reader
from openreplay_cw_stack.commands.backfill.sending import (
    MAX_EVENTS,
    MAX_MESSAGE_BYTES,
    Sender,
    Source,
    payloads_of,
)
from openreplay_cw_stack.commands.backfill.times import parse_time
from openreplay_cw_stack.contract.filter_pattern import FILTER_PATTERN
from openreplay_cw_stack.runtime.validator.subscription import (
    MAX_DECOMPRESSED_BYTES,
    encode_payload,
    read_payload,
)
from openreplay_cw_stack.tagging import token_tag
from tests.commands.check.support import NOW, Client, refusal
from tests.commands.support import deploy
from tests.tagging.tokens import a_token

NOW_MS = int(1000 * NOW)
HOUR_MS = 3_600_000
FILTERED_MS = NOW_MS - HOUR_MS
GROUP = "/app/checkout"
SOURCE = Source("123456789012", GROUP)
FILTER = ("Filter0A1B2C3D", "the-filter", "AWS::Logs::SubscriptionFilter")
TEMPLATE = {
    "Resources": {
        FILTER[0]: {
            "Properties": {
                "LogGroupName": GROUP,
                "DestinationArn": {"Fn::GetAtt": ["OpenReplayValidatorFunction0A1B2C3D", "Arn"]},
            }
        }
    }
}
TAGGED = f"{token_tag(a_token())} a line of a customer"


def an_event(
    number: int, message: str = TAGGED, *, hours_ago: float = 2, stream: str = "web-1", **more: Any
) -> dict[str, Any]:
    at_ms = NOW_MS - int(hours_ago * HOUR_MS) + number
    return {
        "eventId": f"{number:056}",
        "logStreamName": stream,
        "timestamp": at_ms,
        "ingestionTime": at_ms + 5,
        "message": message,
        **more,
    }


@dataclass
class Logs:
    """CloudWatch Logs with one log group, read page by page."""

    pages: list[list[dict[str, Any]]] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    failures: dict[int, Exception] = field(default_factory=dict)
    filters: Any = None

    def filter_log_events(self, **arguments: Any) -> dict[str, Any]:
        self.asked.append(arguments)
        if len(self.asked) in self.failures:
            raise self.failures[len(self.asked)]
        number = int(arguments.get("nextToken", 0))
        page: dict[str, Any] = {"events": self.pages[number] if self.pages else []}
        if number + 1 < len(self.pages):
            page["nextToken"] = str(number + 1)
        return page

    def get_paginator(self, operation: str) -> Any:
        made = {"filterName": "the-filter", "creationTime": FILTERED_MS}
        filters = [made, {"filterName": "datadog", "creationTime": 1}]
        answer = {"subscriptionFilters": filters} if self.filters is None else self.filters
        return Client({operation: answer}).get_paginator(operation)


@dataclass
class Functions:
    """Lambda; an answer other than success by the number of the invocation."""

    answers: dict[int, Any] = field(default_factory=dict)
    bodies: list[bytes] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    _lock: Any = field(default_factory=threading.Lock)

    def invoke(self, *, FunctionName: str, InvocationType: str, Payload: bytes) -> Any:  # noqa: N803
        assert (FunctionName, InvocationType) == ("validator", "RequestResponse")
        with self._lock:
            self.at_once += 1
            self.most_at_once = max(self.at_once, self.most_at_once)
            self.bodies.append(Payload)
            answer = self.answers.get(len(self.bodies), {"StatusCode": 200})
        threading.Event().wait(0.005)
        with self._lock:
            self.at_once -= 1
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def events(self) -> list[tuple[str, str]]:
        """Stream and id of every event that was sent."""
        payloads = [read_payload(json.loads(body)) for body in self.bodies]
        return [(one.log_stream, event.id) for one in payloads if one for event in one.events]


@dataclass
class World:
    logs: Logs
    functions: Functions
    pauses: list[float]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    functions, logs = Functions(), Logs()
    pauses: list[float] = []
    clients = deploy(monkeypatch, FILTER, logs=logs, lambda_={"invoke": functions.invoke})
    clients["cloudformation"].answers["get_template"] = {"TemplateBody": TEMPLATE}
    monkeypatch.setattr("time.time", lambda: NOW)
    monkeypatch.setattr("time.sleep", pauses.append)
    yield World(logs, functions, pauses)
    assert functions.most_at_once <= 2


def backfilled(
    capsys: pytest.CaptureFixture[str], *options: str, since: str = "24h"
) -> tuple[int, list[str], str]:
    arguments = ["--stack", "Shop", "--log-group", GROUP, "--since", since]
    status = main(["backfill", *arguments, *options])
    printed = capsys.readouterr()
    for secret in (a_token(), "customer", "\x1b"):
        assert secret not in printed.out + printed.err
    return status, printed.out.splitlines(), printed.err


def test_lines_from_before_the_filter_are_sent(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.logs.pages = [
        [an_event(1), an_event(2, stream="web-2"), an_event(3)],
        [],
        [
            an_event(4),
            # Its program's clock is behind; CloudWatch Logs received it after the filter.
            an_event(5, ingestionTime=FILTERED_MS),
            # And one whose clock is ahead.
            an_event(6, hours_ago=0, ingestionTime=FILTERED_MS - 1),
        ],
    ]
    status, lines, err = backfilled(capsys)
    assert (status, err) == (0, "")
    assert lines == [
        "/app/checkout: 5 tagged lines read, 2026-11-22T20:00:00.000Z to 2026-11-23T19:00:00.000Z",
        "5 lines sent to the validator in 2 payloads",
    ]
    ids = [f"{number:056}" for number in (1, 3, 4, 6)]
    assert sorted(world.functions.events) == [
        *(("web-1", one) for one in ids),
        ("web-2", f"{2:056}"),
    ]
    payload = read_payload(json.loads(world.functions.bodies[0]))
    assert payload is not None
    assert (payload.owner, payload.log_group, payload.counted) == (*vars(SOURCE).values(), False)
    assert world.logs.asked[0] == {
        "logGroupName": GROUP,
        "startTime": NOW_MS - 24 * HOUR_MS,
        "endTime": FILTERED_MS + AHEAD_MS,
        "filterPattern": FILTER_PATTERN,
    }


def test_a_dry_run_sends_nothing(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.logs.pages = [[an_event(1), an_event(2, "[openReplaySessionToken: x] no")]]
    status, lines, _ = backfilled(capsys, "--dry-run")
    assert (status, world.functions.bodies) == (0, [])
    assert lines[1] == "1 payload would be sent: 1 linkable, 1 misspelled_tag"


@pytest.mark.parametrize(
    ("filters", "options", "until"),
    [
        ({"subscriptionFilters": []}, [], NOW_MS),
        ({"subscriptionFilters": [{"filterName": "x", "creationTime": 1}]}, [], NOW_MS),
        (None, ["--until", "2h"], NOW_MS - 2 * HOUR_MS),
        (None, ["--until", "2026-11-23T12:00:00Z"], 1_795_435_200_000),
    ],
)
def test_until_when(
    world: World,
    capsys: pytest.CaptureFixture[str],
    filters: Any,
    options: list[str],
    until: int,
) -> None:
    world.logs.filters = filters
    assert backfilled(capsys, *options)[0] == 0
    assert world.logs.asked[0]["endTime"] == until + AHEAD_MS


@pytest.mark.parametrize(
    ("since", "options", "said"),
    [
        ("yesterday", [], "'yesterday' is not a time: write 24h, 7d"),
        ("30m", [], "--since must be before 2026-11-23T19:00:00.000Z"),
        ("24h", ["--until", "[red]"], "is not a time"),
        ("24h", ["--deployment", "Staff"], "has no deployment Staff"),
    ],
)
def test_what_cannot_run(
    world: World, capsys: pytest.CaptureFixture[str], since: str, options: list[str], said: str
) -> None:
    status, _, err = backfilled(capsys, *options, since=since)
    assert status == 2
    assert said in err
    assert world.logs.asked == []


def test_a_refused_pattern_is_left_out_and_lines_are_judged_here(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.logs.failures = {1: refusal("FilterLogEvents", "InvalidParameterException")}
    world.logs.pages = [[an_event(1), an_event(2, "GET /health 200")], [an_event(3)]]
    status, lines, _ = backfilled(capsys)
    assert status == 0
    assert "refused the filter pattern" in lines[0]
    assert lines[2] == "2 lines sent to the validator in 1 payload"
    assert all("filterPattern" not in one for one in world.logs.asked[1:])


@pytest.mark.parametrize("code", ["AccessDeniedException", "ResourceNotFoundException"])
def test_a_group_that_cannot_be_read(
    world: World, capsys: pytest.CaptureFixture[str], code: str
) -> None:
    world.logs.failures = {1: refusal("FilterLogEvents", code)}
    status, lines, err = backfilled(capsys)
    assert (status, lines) == (2, [])
    assert err.startswith("cannot read /app/checkout: ")
    assert code in err


def test_a_failed_invocation_stops_it_and_says_how_to_continue(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "MAX_EVENTS", 1)
    world.logs.pages = [[an_event(number) for number in range(9)]]
    world.functions.answers = {3: {"FunctionError": "Unhandled", "Payload": "a customer"}}
    status, lines, _ = backfilled(capsys)
    assert status == 1
    # Two at a time: the fourth was on its way, the others were not begun.
    assert len(world.functions.bodies) == 4
    assert lines[1] == "3 lines sent to the validator in 3 payloads"
    assert lines[2].startswith("Stopped: the validator failed (Unhandled). ")
    resumed = lines[3].split()
    assert resumed[:4] == ["python", "-m", "openreplay_cw_stack", "backfill"]
    since = parse_time(resumed[resumed.index("--since") + 1], NOW)
    taken = {event for _, event in world.functions.events} - {f"{2:056}", f"{3:056}"}
    assert since in (an_event(2)["timestamp"], an_event(3)["timestamp"])
    assert all(int(one) < since - an_event(0)["timestamp"] for one in taken)
    # And the command as it is printed runs.
    world.functions.bodies.clear()
    world.functions.answers = {}
    assert main(resumed[3:]) == 0
    assert capsys.readouterr().out.count("tagged lines read") == 1


def test_reading_that_fails_in_between(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("openreplay_cw_stack.commands.backfill.command.ROUND_BYTES", 1)
    world.logs.pages = [[an_event(1)], [an_event(2)], [an_event(3)]]
    world.logs.failures = {3: refusal("FilterLogEvents", "ThrottlingException")}
    status, lines, _ = backfilled(capsys)
    assert status == 1
    assert lines[1] == "2 lines sent to the validator in 2 payloads"
    assert "--since 2026-11-23T18:00:00.002Z" in lines[3]


def test_throttled_invocations_are_made_again(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    throttled = refusal("Invoke", "TooManyRequestsException")
    world.logs.pages = [[an_event(1)]]
    world.functions.answers = dict.fromkeys(range(1, 5), throttled)
    assert backfilled(capsys)[0] == 0
    assert [one for one in world.pauses if one >= 1] == [1.0, 2.0, 4.0, 8.0]


def test_invocations_that_stay_throttled_or_are_refused(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.logs.pages = [[an_event(1)]]
    for code, number in (("TooManyRequestsException", 10), ("AccessDeniedException", 1)):
        world.functions.bodies.clear()
        world.functions.answers = dict.fromkeys(range(1, 99), refusal("Invoke", code))
        status, lines, _ = backfilled(capsys)
        assert (status, len(world.functions.bodies)) == (1, number)
        assert f"Stopped: the validator cannot be invoked ({code})." in lines[2]


def test_four_calls_a_second() -> None:
    now, slept = [1000.0], []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    class Slow(Logs):
        def filter_log_events(self, **arguments: Any) -> dict[str, Any]:
            now[0] += {2: 0.1, 3: 5.0}.get(len(self.asked), 0.0)
            return super().filter_log_events(**arguments)

    logs = Slow([[]] * 6)
    list(Reader(logs, GROUP, 0, 9, lambda: now[0], sleep).pages())
    assert [round(one, 2) for one in slept] == [0.25, 0.25, 0.15, 0.0, 0.25]


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
    payloads = list(payloads_of(SOURCE, events))
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
        (payload, *_) = payloads_of(SOURCE, events)
        body = encode_payload(payload, payload.events, counted=False)
        assert len(body) < 6_000_000
        data = gzip.decompress(base64.b64decode(json.loads(body)["awslogs"]["data"]))
        assert len(data) < MAX_DECOMPRESSED_BYTES / 3
    many = list(payloads_of(SOURCE, [an_event(number, "x") for number in range(MAX_EVENTS + 1)]))
    assert [len(one.events) for one in many] == [MAX_EVENTS, 1]


def test_nothing_is_begun_after_a_failure() -> None:
    functions = Functions({1: {"FunctionError": "Unhandled"}})
    payloads = [
        payload for number in range(6) for payload in payloads_of(SOURCE, [an_event(number)])
    ]
    failures = Sender(functions, "validator", lambda seconds: None).send(payloads)
    assert len(functions.bodies) == 2
    assert [str(one) for one in failures[2:]] == ["not sent"] * 4


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("90s", NOW_MS - 90_000),
        ("24h", NOW_MS - 24 * HOUR_MS),
        ("7d", NOW_MS - 7 * 24 * HOUR_MS),
        ("2026-11-23T12:00:00Z", 1_795_435_200_000),
        ("2026-11-23T12:00:00.123Z", 1_795_435_200_123),
        ("2026-11-23T13:00:00+01:00", 1_795_435_200_000),
        ("2026-11-23", 1_795_392_000_000),
        ("999999d", 0),
    ],
)
def test_times(text: str, milliseconds: int) -> None:
    assert parse_time(text, NOW) == milliseconds


@pytest.mark.parametrize("text", ["", "24", "h", "-1h", "٢h", "1y", "2026-13-01", "now"])
def test_what_is_not_a_time(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is not a time"):
        parse_time(text, NOW)
