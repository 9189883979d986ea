from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.stream_batches import Batch, Settings, after_attempt, expire, failed_items


def batch(count: int, failures: int = 0) -> Batch:
    records = [
        {"SequenceNumber": f"{number:03d}", "ApproximateArrivalTimestamp": float(number)}
        for number in range(count)
    ]
    return Batch(records, failures)


def numbers(one: Batch | None) -> list[str]:
    return [record["SequenceNumber"] for record in one.records] if one else []


@pytest.mark.parametrize(
    ("body", "failed"),
    [
        (None, set()),
        ("", set()),
        ({}, set()),
        ({"batchItemFailures": []}, set()),
        ({"batchItemFailures": None}, set()),
        ({"batchItemFailures": [{"itemIdentifier": "1"}]}, {"1"}),
        ('{"batchItemFailures": [{"itemIdentifier": "1"}]}', {"1"}),
        ({"batchItemFailures": [{"itemIdentifier": "3"}]}, None),
        ({"batchItemFailures": [{"itemIdentifier": ""}]}, None),
        ({"batchItemFailures": [{"itemIdentifier": None}]}, None),
        ({"batchItemFailures": [{"other": "1"}]}, None),
        ({"batchItemFailures": ["1"]}, None),
        ({"batchItemFailures": "1"}, None),
        ("not JSON", None),
    ],
)
def test_what_an_answer_reports(body: Any, failed: set[str] | None) -> None:
    assert failed_items(body, ["1", "2"]) == failed


def test_an_error_is_tried_again_until_retries_are_used_up() -> None:
    settings = Settings(maximum_retries=1)
    again = after_attempt(batch(2), settings, error=True, body=None)
    assert [(numbers(one), one.failures) for one in again.again] == [(["000", "001"], 1)]
    given_up = after_attempt(again.again[0], settings, error=True, body=None)
    assert given_up.again == []
    assert numbers(given_up.discarded) == ["000", "001"]


def test_splitting_uses_up_no_retry() -> None:
    settings = Settings(maximum_retries=0, bisect=True)
    halves = after_attempt(batch(3), settings, error=True, body=None).again
    assert [(numbers(one), one.failures) for one in halves] == [(["000"], 0), (["001", "002"], 0)]
    assert numbers(after_attempt(halves[0], settings, error=True, body=None).discarded) == ["000"]


@pytest.mark.parametrize("bisect", [False, True])
def test_records_before_the_checkpoint_are_done(bisect: bool) -> None:
    settings = Settings(bisect=bisect, report_items=True)
    body = {"batchItemFailures": [{"itemIdentifier": "003"}, {"itemIdentifier": "002"}]}
    outcome = after_attempt(batch(5), settings, error=False, body=body)
    assert [numbers(one) for one in outcome.again] == [["002", "003", "004"]]
    assert not after_attempt(batch(5), Settings(), error=False, body=body).again


def test_records_that_are_too_old_are_given_up() -> None:
    outcome = expire(batch(4), Settings(maximum_age=10), now=12.0)
    assert numbers(outcome.discarded) == ["000", "001"]
    assert [numbers(one) for one in outcome.again] == [["002", "003"]]
    assert expire(batch(4), Settings(), now=1e12).discarded is None
    assert expire(batch(4), Settings(maximum_age=10), now=1e12).again == []


def test_minus_one_is_without_limit() -> None:
    settings = Settings.of({"MaximumRetryAttempts": -1, "MaximumRecordAgeInSeconds": -1})
    assert settings == Settings()
    assert Settings.of({"MaximumRetryAttempts": 0}).maximum_retries == 0


@given(
    count=st.integers(1, 40),
    poison=st.sets(st.integers(0, 39), max_size=5),
    retries=st.integers(0, 3),
    report=st.booleans(),
)
def test_bisecting_gives_up_poison_alone(
    count: int, poison: set[int], retries: int, report: bool
) -> None:
    """Every record is done or given up once, in order; of the good ones all are done."""
    settings = Settings(maximum_retries=retries, bisect=True, report_items=report)
    bad = {f"{number:03d}" for number in poison}
    waiting, done, given_up, attempts = [batch(count)], list[str](), list[str](), 0
    while waiting:
        attempts += 1
        assert attempts < 2000
        one = waiting.pop(0)
        failed = sorted(bad & set(numbers(one)))
        body = {"batchItemFailures": [{"itemIdentifier": number} for number in failed]}
        error = bool(failed) and not report
        outcome = after_attempt(one, settings, error=error, body=body)
        remaining = {number for rest in outcome.again for number in numbers(rest)}
        lost = numbers(outcome.discarded)
        done += [number for number in numbers(one) if number not in remaining | set(lost)]
        given_up += lost
        waiting = outcome.again + waiting
    assert sorted(done + given_up) == numbers(batch(count))
    assert set(given_up) <= bad
