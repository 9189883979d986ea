"""What collectors make of an application's lines, and what a wrong configuration does to them.

Fluent Bit's events were captured (``capture_events.py``), and so were the log records of
OpenTelemetry's SDK. The events of the CloudWatch agent and of the OpenTelemetry Collector are in
the form of their source code, which is named where it is followed; these were not captured.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

import pytest

from openreplay_cw_stack.tagging import Verdict, judge
from tests.examples.collector_lines import (
    ANNAS,
    BERTS,
    CAPTURED,
    COLLECTORS,
    LINES,
    LONG_LINE,
    settings_of_fluent_bit,
)

CAPTURE: dict[str, Any] = json.loads((CAPTURED / "fluent_bit.json").read_text())
FLUENT_BIT: dict[str, list[str]] = CAPTURE["events"]
PHP_FPM: dict[str, list[str]] = json.loads((CAPTURED / "php_fpm.json").read_text())["events"]
OTLP: list[dict[str, Any]] = json.loads((CAPTURED / "otlp.json").read_text())["requests"]
WHOSE = {
    "anna": judge(f"openReplaySessionToken={ANNAS}").session_id,
    "bert": judge(f"openReplaySessionToken={BERTS}").session_id,
    "nobody": None,
}


def owners(text: str) -> list[str]:
    return re.findall(r"\((anna|bert|nobody)\)", text)


def assert_each_is_its_own(events: list[str], lines: list[str]) -> None:
    """No line is lost, and every event is that of the visitor whose lines it holds."""
    for event in events:
        judgement = judge(event)
        assert len(set(owners(event))) == 1, event
        assert judgement.session_id == WHOSE[owners(event)[0]], event
        assert judgement.verdict in (Verdict.LINKABLE, Verdict.UNTAGGED), event
    found = Counter(owner for event in events for owner in owners(event))
    assert found >= Counter(owner for line in lines for owner in owners(line))


def verdicts(events: list[str]) -> Counter[Verdict]:
    return Counter(judge(event).verdict for event in events)


def test_the_events_were_captured_with_the_examples() -> None:
    """After a change of a configuration: ``python -m tests.examples.capture_events``."""
    assert CAPTURE["settings"] == settings_of_fluent_bit()


@pytest.mark.parametrize(
    ("name", "lines", "number"),
    [
        ("firelens", [*LINES, LONG_LINE], 9),
        ("firelens, whole records", [*LINES, LONG_LINE], 9),
        ("firelens, joined", LINES, 4),
        ("firelens, every line tagged and joined", LINES, 4),
        ("eks", [*LINES, LONG_LINE], 9),
        ("eks, merged", LINES, 8),
    ],
)
def test_what_fluent_bit_sends_is_linked(name: str, lines: list[str], number: int) -> None:
    assert len(FLUENT_BIT[name]) == number
    assert_each_is_its_own(FLUENT_BIT[name], lines)


@pytest.mark.parametrize(
    ("name", "lost"),
    [
        # The last part of the long line; the first has no tag at all.
        ("firelens, not included", 1),
        ("eks, merged without the line", 1),
        # Both JSON lines of Bert's have a prefix, and one is cut besides.
        ("eks, no parser", 2),
    ],
)
def test_what_a_wrong_configuration_loses(name: str, lost: int) -> None:
    events = FLUENT_BIT[name]
    assert verdicts(events)[Verdict.MISSPELLED_TAG] == lost
    for event in events:
        if judge(event).verdict is Verdict.LINKABLE:
            assert {WHOSE[owner] for owner in owners(event)} == {judge(event).session_id}
    with pytest.raises(AssertionError):
        assert_each_is_its_own(events, [*LINES, LONG_LINE])


@pytest.mark.parametrize(
    "name", ["firelens, joined by the tag", "firelens, joined, another first line"]
)
def test_what_is_joined_wrongly_is_linked_wrongly(name: str) -> None:
    """Worse than a lost line, and no verdict can tell: hence the warnings in the examples."""
    mixed = [event for event in FLUENT_BIT[name] if len(set(owners(event))) > 1]
    assert [judge(event).session_id for event in mixed] == [WHOSE["anna"]]
    assert "nobody" in owners(mixed[0])


def test_what_php_fpm_prints() -> None:
    """A collector of its own kind: it takes the lines of its workers, and prints them."""
    assert verdicts(PHP_FPM["php-fpm"]) == {Verdict.LINKABLE: 6}
    assert verdicts(PHP_FPM["php-fpm, decorated"]) == {Verdict.MISSPELLED_TAG: 6}
    # Two of the six lines are longer than 1024 bytes.
    assert verdicts(PHP_FPM["php-fpm, cut"])[Verdict.LINKABLE] == 4


def agent_events(lines: list[str], start_pattern: str = r"^\S") -> list[str]:
    """As the CloudWatch agent joins lines: ``plugins/inputs/logfile/tailersrc.go``.

    The default pattern is that of ``fileconfig.go``.
    """
    events: list[str] = []
    for line in lines:
        if events and not re.search(start_pattern, line):
            events[-1] += f"\n{line}"
        else:
            events.append(line)
    return events


def test_what_the_cloudwatch_agent_sends_is_linked() -> None:
    configuration = json.loads(
        (COLLECTORS / "cloudwatch-agent" / "amazon-cloudwatch-agent.json").read_text()
    )
    (file,) = configuration["logs"]["logs_collected"]["files"]["collect_list"]
    assert "multi_line_start_pattern" not in file
    lines = [*LINES, LONG_LINE]
    events = agent_events(lines)
    assert len(events) == len(lines) - 1
    assert_each_is_its_own(events, lines)


def test_a_start_pattern_of_the_tag_alone_mixes_visitors() -> None:
    events = agent_events(LINES, r"^\[openReplaySessionToken=")
    (mixed,) = (event for event in events if len(set(owners(event))) > 1)
    assert judge(mixed).session_id == WHOSE["anna"]


def collector_events(raw_log: bool = False, session_in: str = "attributes") -> list[str]:
    """As the OpenTelemetry Collector's exporter ``awscloudwatchlogs`` writes them.

    opentelemetry-collector-contrib, ``exporter/awscloudwatchlogsexporter/exporter.go``,
    ``logToCWLog``.
    """
    return [
        body if raw_log else json.dumps({"body": body, **rest})
        for request in OTLP
        for resource in request["resourceLogs"]
        for scope in resource["scopeLogs"]
        for record in scope["logRecords"]
        for body, rest in [_body_and_rest(record, resource["resource"], session_in)]
    ]


def _body_and_rest(
    record: dict[str, Any], resource: dict[str, Any], session_in: str
) -> tuple[str, dict[str, Any]]:
    attributes = _plain(record["attributes"])
    rest: dict[str, Any] = {"attributes": attributes, "resource": _plain(resource["attributes"])}
    if session_in == "resource" and "openReplaySessionToken" in attributes:
        rest["resource"]["openReplaySessionToken"] = attributes.pop("openReplaySessionToken")
    return record["body"]["stringValue"], {"severity_text": record["severityText"], **rest}


def _plain(attributes: list[dict[str, Any]]) -> dict[str, Any]:
    return {one["key"]: next(iter(one["value"].values())) for one in attributes}


def test_what_the_opentelemetry_collector_sends_is_linked() -> None:
    events = collector_events()
    assert [judge(event).session_id for event in events] == [WHOSE["anna"], None]
    assert "Traceback" in events[0]
    assert "raw_log: false" in (COLLECTORS / "opentelemetry" / "collector.yaml").read_text()


def test_what_the_opentelemetry_collector_loses() -> None:
    assert verdicts(collector_events(raw_log=True)) == {Verdict.UNTAGGED: 2}
    in_the_resource = verdicts(collector_events(session_in="resource"))
    assert in_the_resource == {Verdict.MISSPELLED_TAG: 1, Verdict.UNTAGGED: 1}
