from __future__ import annotations

import json
from typing import Any

import pytest

from openreplay_cw_stack.commands import main
from openreplay_cw_stack.commands.backfill import sending
from openreplay_cw_stack.commands.backfill.reading import AHEAD_MS
from openreplay_cw_stack.commands.backfill.times import parse_time
from openreplay_cw_stack.contract.filter_pattern import FILTER_PATTERN
from openreplay_cw_stack.runtime.validator.subscription import (
    read_payload,
)
from tests.commands.backfill.support import (
    FILTERED_MS,
    GROUP,
    HOUR_MS,
    NOW_MS,
    SOURCE,
    World,
    an_event,
)
from tests.commands.support import NOW, refusal
from tests.tagging.tokens import a_token


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
        ("yesterday", [], "'yesterday' is not a time: give 24h, 7d"),
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


def test_a_group_that_cannot_be_read(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.logs.failures = {1: refusal("FilterLogEvents", "AccessDeniedException")}
    status, lines, err = backfilled(capsys)
    assert (status, lines) == (2, [])
    assert err.startswith("cannot read /app/checkout: ")
    assert "AccessDeniedException" in err


@pytest.mark.parametrize("call", ["filter_log_events", "describe_subscription_filters"])
def test_a_group_that_does_not_exist(
    world: World, capsys: pytest.CaptureFixture[str], call: str
) -> None:
    gone = refusal(call, "ResourceNotFoundException")
    if call == "filter_log_events":
        world.logs.failures = {1: gone}
    else:
        world.logs.filters = gone
    status, lines, err = backfilled(capsys)
    assert (status, lines) == (2, [])
    assert err.startswith("log group /app/checkout does not exist in eu-west-1 ")


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
    assert resumed[:2] == ["openreplay-cw", "backfill"]
    since = parse_time(resumed[resumed.index("--since") + 1], NOW)
    taken = {event for _, event in world.functions.events} - {f"{2:056}", f"{3:056}"}
    assert since in (an_event(2)["timestamp"], an_event(3)["timestamp"])
    assert all(int(one) < since - an_event(0)["timestamp"] for one in taken)
    # And the command as it is printed runs.
    world.functions.bodies.clear()
    world.functions.answers = {}
    assert main(resumed[1:]) == 0
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


def test_the_outcome_as_json(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.logs.pages = [[an_event(1), an_event(2)]]
    status, lines, _ = backfilled(capsys, "--json")
    assert status == 0
    (line,) = lines
    document = json.loads(line)
    assert (document["log_group"], document["read"], document["sent"]) == (GROUP, 2, 2)
    assert (document["failure"], document["resume"], document["dry_run"]) == (None, None, False)
