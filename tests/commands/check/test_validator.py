from __future__ import annotations

from typing import Any

import pytest

from openreplay_cw_stack.commands.check.account import guarded
from openreplay_cw_stack.commands.check.validator import Health, check_validator
from tests.commands.check.support import account, context, metric_data, refusal, resource

QUEUE = resource("ValidatorDeadLetterQueue", "https://sqs/queue", "AWS::SQS::Queue")


LOG_GROUP = resource("RedeliveryLogGroup", "/redelivery", "AWS::Logs::LogGroup")


def checked(
    metrics: dict[str, float], dead_letters: Any = "0", parked: tuple[str, str] = ("0", "0")
) -> tuple[list[tuple[str, str]], Health]:
    def attributes(*, QueueUrl: str, AttributeNames: list[str]) -> Any:  # noqa: N803
        if isinstance(dead_letters, Exception):
            raise dead_letters
        numbers = {"https://sqs/queue": (dead_letters, "0"), "https://sqs/parked": parked}[QueueUrl]
        return {"Attributes": dict(zip(AttributeNames, numbers, strict=True))}

    of = account(
        cloudwatch={"get_metric_data": metric_data(metrics)},
        sqs={"get_queue_attributes": attributes},
    )
    health = Health()
    queues = {"PARKED_LINES_QUEUE": "https://sqs/parked"}
    about = context(of, QUEUE, LOG_GROUP, validator=queues, rooms=["redelivery"])
    findings = guarded("validator", check_validator(about, health))
    return [(one.status.value, one.detail + one.remedy) for one in findings], health


@pytest.mark.parametrize(
    ("metrics", "dead_letters", "status", "said", "cause"),
    [
        ({"Errors": 2.0}, "0", "fail", "/own", "2 invocations of the validator failed"),
        ({}, "1", "fail", "replay --stack Shop", "1 message in the dead-letter queue"),
        ({"DroppedLines/too_old": 3.0}, "0", "fail", "3 too_old", "3 lines dropped"),
        ({"Throttles": 1.0}, "0", "warn", "reserved_concurrency", "1 invocation throttled"),
    ],
)
def test_faults(
    metrics: dict[str, float], dead_letters: str, status: str, said: str, cause: str
) -> None:
    ((found, text),), health = checked(metrics, dead_letters)
    assert found == status
    assert said in text
    assert health.causes() == [cause]


def test_parked_lines_wait_or_are_being_tried() -> None:
    ((status, text),), health = checked({}, parked=("2", "3"))
    assert status == "warn"
    assert "5 messages of parked lines" in text
    assert "log group /redelivery." in text
    assert health.causes() == ["5 messages of parked lines"]


def test_a_validator_without_a_queue_of_parked_lines() -> None:
    health = Health()
    of = account(cloudwatch={"get_metric_data": metric_data({})}, sqs={})
    (finding,) = check_validator(context(of), health)
    assert finding.status.value == "ok"


def test_signatures_that_were_not_checked_keep_no_line_away() -> None:
    ((status, text),), health = checked({"UncheckedSignatures": 4.0})
    assert status == "warn"
    assert "4 lines linked without a check" in text
    assert health.causes() == []


def test_nothing_to_say() -> None:
    ((status, text),), health = checked({})
    assert (status, health) == ("ok", Health())
    assert "in the last hour" in text


def test_a_queue_that_may_not_be_looked_at() -> None:
    ((status, text),), _ = checked({}, refusal("GetQueueAttributes"))
    assert status == "fail"
    assert "GetQueueAttributes" in text
