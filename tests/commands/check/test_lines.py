from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from openreplay_cw_stack.commands.check.lines import MAX_LINES, Sample, check_lines
from openreplay_cw_stack.commands.report.findings import Finding
from openreplay_cw_stack.tagging import Verdict, id_tag, token_tag
from openreplay_cw_stack.tagging.advice import ADVICE
from tests.commands.check.support import context, event
from tests.commands.support import NOW, account, days_ago, metric_data, outcome, refusal, statuses
from tests.tagging.tokens import SESSION_ID, TOKEN_SECRET, a_token

GOOD = f"{token_tag(a_token())} ERROR"
MISSPELLED = f"openReplaySessionToken: {a_token()}"
EMPTY = "[openReplaySessionToken=] ERROR"
UNSIGNED = f"{id_tag(SESSION_ID)} ERROR"


def checked(
    *messages: str,
    counted: dict[str, float] | None = None,
    seconds_ago: float = 1000,
    secret: Any = None,
    validator: dict[str, str] | None = None,
    subscribed_ago: float = 1e6,
) -> tuple[list[Finding], Sequence[Sample]]:
    events = [event(message, seconds_ago=seconds_ago) for message in messages]
    of = account(
        logs={"filter_log_events": {"events": events}},
        secretsmanager={
            "get_secret_value": {"CreatedDate": days_ago(9), **secret}
            if isinstance(secret, dict)
            else secret
        },
        cloudwatch={"get_metric_data": metric_data(counted or {})},
    )
    subscribed_ms = {"/app/checkout": int(1000 * (NOW - subscribed_ago))}
    findings, samples = outcome(check_lines(context(of, validator=validator), subscribed_ms))
    assert not any(a_token() in one.detail + one.remedy for one in findings)
    return findings, samples


ALL = {"Lines/linkable": 9.0, "Lines/misspelled_tag": 9.0}


@pytest.mark.parametrize(
    ("messages", "status", "said"),
    [
        ([GOOD], "ok", "1 line with a tag: 1 linkable (signatures not checked)"),
        ([], "ok", "/app/checkout: no tagged line"),
        ([GOOD, GOOD, MISSPELLED], "warn", "2 linkable, 1 misspelled_tag"),
        ([GOOD, MISSPELLED], "fail", "1 linkable, 1 misspelled_tag"),
        ([EMPTY, EMPTY, MISSPELLED], "fail", "2 empty_token, 1 misspelled_tag"),
        # Mentions the tag: not a fault.
        (["openReplaySessionToken is a name"], "ok", "no tagged line; 1 line only names a tag"),
        (
            [GOOD, *["openReplaySessionToken is a name"] * 2],
            "ok",
            "1 line with a tag: 1 linkable (signatures not checked); 2 lines only name a tag",
        ),
    ],
)
def test_verdicts_of_a_log_group(messages: list[str], status: str, said: str) -> None:
    findings, _ = checked(*messages, counted=ALL)
    assert (findings[0].name, findings[0].status.value) == ("lines", status)
    assert said in findings[0].detail


def test_each_fault_is_explained_the_most_frequent_first() -> None:
    findings, _ = checked(MISSPELLED, EMPTY, GOOD, EMPTY, "openReplaySessionToken", counted=ALL)
    assert findings[0].remedy.split("\n") == [
        f"empty_token (2): {ADVICE[Verdict.EMPTY_TOKEN]}",
        f"misspelled_tag (1): {ADVICE[Verdict.MISSPELLED_TAG]}",
    ]


def test_more_lines_than_are_looked_at() -> None:
    findings, (sample,) = checked(*[GOOD] * (MAX_LINES + 1), counted=ALL)
    assert (sample.cut, sample.verdicts[Verdict.LINKABLE]) == (True, MAX_LINES)
    assert f"the first {MAX_LINES} lines with a tag" in findings[0].detail
    findings, (sample,) = checked(*[GOOD] * MAX_LINES, counted=ALL)
    assert not sample.cut


@pytest.mark.parametrize(
    ("secret", "said"),
    [
        ({"SecretString": TOKEN_SECRET.decode() + "\n"}, "1 linkable (signatures checked)"),
        ({"SecretBinary": TOKEN_SECRET}, "1 linkable (signatures checked)"),
        (
            {"SecretString": "\n"},
            "(signatures not checked, since the token secret cannot be read: the secret is empty)",
        ),
        ({"SecretString": "another"}, "1 bad_signature (signatures checked)"),
        (
            refusal("GetSecretValue"),
            "(signatures not checked, since the token secret cannot be read: AccessDenied)",
        ),
    ],
)
def test_signatures(secret: Any, said: str) -> None:
    findings, _ = checked(GOOD, secret=secret, validator={"TOKEN_SECRET_ARN": "arn"})
    assert said in findings[0].detail


@pytest.mark.parametrize(("accept", "verdict"), [("true", "linkable"), ("false", "unsigned")])
def test_ids_that_nobody_signed(accept: str, verdict: str) -> None:
    settings = {"TOKEN_SECRET_ARN": "arn", "ACCEPT_UNSIGNED_IDS": accept}
    findings, _ = checked(UNSIGNED, secret={"SecretString": "x"}, validator=settings)
    assert f"1 {verdict}" in findings[0].detail


@pytest.mark.parametrize(
    ("there", "seconds_ago", "counted", "status"),
    [
        (3, 1000, 3, "ok"),
        (3, 1000, 4, "ok"),
        (3, 1000, 2, "warn"),
        (3, 1000, 0, "fail"),
        (3, 10, 0, "warn"),
        (3, 10, 1, "ok"),
        (0, 0, 0, "ok"),
        (0, 0, 5, "ok"),
    ],
)
def test_what_was_counted_against_what_is_there(
    there: int, seconds_ago: float, counted: int, status: str
) -> None:
    findings, _ = checked(
        *[GOOD] * there, counted={"Lines/linkable": counted}, seconds_ago=seconds_ago
    )
    assert (findings[-1].name, findings[-1].status.value) == ("lines counted", status)


def test_lines_from_before_the_filter_are_not_waited_for() -> None:
    findings, (sample,) = checked(GOOD, MISSPELLED, GOOD, seconds_ago=1000, subscribed_ago=900)
    assert "3 lines with a tag" in findings[0].detail
    assert findings[0].detail.endswith("; 3 from before the filter, which are not delivered")
    assert (sum(sample.expected.values()), sum(sample.settled.values())) == (0, 0)
    assert (findings[-1].name, findings[-1].status.value) == ("lines counted", "ok")


def test_no_line_at_all_is_a_reason_to_look() -> None:
    findings, _ = checked()
    assert statuses(findings) == [("lines", "ok"), ("lines", "warn"), ("lines counted", "ok")]


def test_lines_that_only_name_the_tag_are_no_lines_with_a_tag() -> None:
    findings, _ = checked("openReplaySessionToken is a name", counted=ALL)
    assert statuses(findings) == [("lines", "ok"), ("lines", "warn"), ("lines counted", "ok")]


def test_a_pattern_that_is_refused_is_said_once() -> None:
    def read(*, logGroupName: str, filterPattern: str = "", **more: Any) -> Any:  # noqa: N803
        if filterPattern:
            raise refusal("FilterLogEvents", "InvalidParameterException", "Invalid filter pattern")
        return {"events": [event(GOOD), event("of no visitor")]}

    of = account(logs={"filter_log_events": read}, cloudwatch={"get_metric_data": metric_data(ALL)})
    findings, _ = outcome(check_lines(context(of, tracked=("/app/a", "/app/b")), {}))
    assert statuses(findings) == [
        ("lines", "ok"),
        ("lines", "ok"),
        ("lines", "warn"),
        ("lines counted", "ok"),
    ]
    assert "1 line with a tag: 1 linkable" in findings[0].detail
    assert "FilterLogEvents refuses the filter pattern" in findings[2].detail


def test_a_log_group_that_may_not_be_read_does_not_stop_the_others() -> None:
    def read(*, logGroupName: str, **more: Any) -> Any:  # noqa: N803
        if logGroupName == "/app/a":
            raise refusal("FilterLogEvents")
        return {"events": [event(GOOD)]}

    of = account(logs={"filter_log_events": read}, cloudwatch={"get_metric_data": metric_data(ALL)})
    findings, samples = outcome(check_lines(context(of, tracked=("/app/a", "/app/b")), {}))
    assert statuses(findings) == [("lines", "fail"), ("lines", "ok"), ("lines counted", "ok")]
    assert [sample.log_group for sample in samples] == ["/app/b"]


def test_without_a_tracked_log_group() -> None:
    assert statuses(check_lines(context(account(), tracked=()), {})) == [("lines", "skip")]


def test_the_newest_linkable_line_names_the_session_whose_replay_is_shown() -> None:
    older, newer = token_tag(a_token(session_id=7)), token_tag(a_token(session_id=8))
    _, (sample,) = checked(f"{older} a", f"{newer} b", MISSPELLED)
    assert sample.newest is not None
    assert sample.newest[1] == 8
    _, (sample,) = checked(MISSPELLED)
    assert sample.newest is None
