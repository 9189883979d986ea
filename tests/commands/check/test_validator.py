from __future__ import annotations

from typing import Any

import pytest

from openreplay_cw_stack.commands.check.validator import Health, check_validator
from openreplay_cw_stack.commands.report.findings import guarded
from tests.commands.check.support import context
from tests.commands.support import DEAD_LETTERS, RETRY_QUEUE, account, metric_data, outcome, refusal


def checked(
    metrics: dict[str, float], dead_letters: Any = "0", waiting: Any = ("0", "0", "0")
) -> tuple[list[tuple[str, str]], Health]:
    def attributes(*, QueueUrl: str, AttributeNames: list[str]) -> Any:  # noqa: N803
        if isinstance(dead_letters, Exception):
            raise dead_letters
        numbers = {DEAD_LETTERS: (dead_letters, "0", "0"), RETRY_QUEUE: waiting}[QueueUrl]
        return {"Attributes": dict(zip(AttributeNames, numbers, strict=True))}

    of = account(
        cloudwatch={"get_metric_data": metric_data(metrics)},
        sqs={"get_queue_attributes": attributes},
    )
    queues = {"RETRY_QUEUE_URL": RETRY_QUEUE, "DEAD_LETTER_QUEUE_URL": DEAD_LETTERS}
    about = context(of, validator=queues)
    findings, health = outcome(guarded("validator", check_validator(about), Health()))
    return [(one.status.value, one.detail + one.remedy) for one in findings], health


@pytest.mark.parametrize(
    ("metrics", "dead_letters", "status", "said", "causes"),
    [
        ({"Errors": 2.0}, "0", "fail", "/own", ["2 invocations of the validator failed"]),
        ({}, "1", "fail", "replay --stack Shop", ["1 message in the dead-letter queue"]),
        ({"DroppedLines": 3.0}, "0", "fail", "3 entries of payloads", ["3 unreadable entries"]),
        ({"UnusablePayloads": 1.0}, "0", "fail", "1 payload could not", ["1 unusable payload"]),
        ({"RefusedItems": 1.0}, "0", "fail", "refused 1 item", ["1 item refused by DynamoDB"]),
        ({"Throttles": 1.0}, "0", "warn", "reserved_concurrency", ["1 invocation throttled"]),
        ({"ThrottledWrites": 5.0}, "0", "warn", "throttled 5 writes", []),
        # A signature that was not checked keeps no line away.
        ({"UncheckedSignatures": 4.0}, "0", "warn", "4 lines linked without a signature check", []),
    ],
)
def test_faults(
    metrics: dict[str, float], dead_letters: str, status: str, said: str, causes: list[str]
) -> None:
    ((found, text),), health = checked(metrics, dead_letters)
    assert found == status
    assert said in text
    assert health.causes() == causes


def test_messages_wait_in_the_retry_queue() -> None:
    """Visible, at work, and delayed ones."""
    ((status, text),), health = checked({}, waiting=("2", "3", "4"))
    assert status == "warn"
    assert "9 messages in the retry queue now" in text
    assert health.causes() == ["9 messages in the retry queue"]


def test_nothing_to_say() -> None:
    ((status, text),), health = checked({})
    assert (status, health) == ("ok", Health())
    assert "both queues empty in the last hour" in text


def test_a_queue_that_may_not_be_looked_at() -> None:
    """What the metrics say is found and kept."""
    metrics = {"Errors": 2.0}
    (refused, fault), health = checked(metrics, refusal("GetQueueAttributes"))
    assert refused[0] == "fail"
    assert "GetQueueAttributes" in refused[1]
    assert "2 invocations failed" in fault[1]
    assert health == Health(errors=2)
    (refused,), _ = checked({}, refusal("GetQueueAttributes"))
    assert refused[0] == "fail"
