"""The shared numbers fit each other and AWS's limits, and a stack is deployed with them."""

from __future__ import annotations

import aws_cdk as cdk
import pytest
from aws_cdk import assertions

from openreplay_cw_stack.contract import limits
from openreplay_cw_stack.runtime.rotation.access_key import WORKS_WITHIN_SECONDS
from openreplay_cw_stack.runtime.rotation.deployment import FIRST_KEY_WITHIN_SECONDS
from openreplay_cw_stack.runtime.validator.validator import JUDGING_RESERVE_MS, STORING_RESERVE_MS
from tests.infra.conftest import EVERY_FUNCTION, a_stack, environment_of, only, template_of


@pytest.fixture(scope="module")
def template() -> assertions.Template:
    return template_of(a_stack(**EVERY_FUNCTION))


@pytest.mark.parametrize(
    ("function", "name"),
    [
        ("ValidatorFunction", "FIRST_PAUSE_SECONDS"),
        ("ValidatorFunction", "MAX_PAUSE_SECONDS"),
        ("ValidatorFunction", "RETRY_SECONDS"),
        ("BridgeFunction", "SETTLE_SECONDS"),
        ("BridgeFunction", "SESSION_LIFETIME_SECONDS"),
        ("BridgeFunction", "DEADLINE_SECONDS"),
        ("BridgeFunction", "PREVIOUS_KEY_SECONDS"),
        ("BridgeFunction", "KEY_REFRESH_SECONDS"),
    ],
)
def test_functions_are_deployed_with_them(
    template: assertions.Template, function: str, name: str
) -> None:
    assert environment_of(template, function)[name] == str(getattr(limits, name))


@pytest.mark.parametrize("queue", ["RetryQueue", "DeadLetterQueue"])
def test_queues_are_deployed_with_them(template: assertions.Template, queue: str) -> None:
    retention = only(template, "AWS::SQS::Queue", queue)["MessageRetentionPeriod"]
    assert retention == limits.QUEUE_RETENTION_SECONDS


def test_the_registration_is_deployed_with_them(template: assertions.Template) -> None:
    function = only(template, "AWS::Lambda::Function", "Registrationsopenreplayexample")
    assert function["Timeout"] == limits.REGISTRATION_TIMEOUT_SECONDS


def test_they_fit_each_other() -> None:
    assert 0 < limits.FIRST_PAUSE_SECONDS < limits.MAX_PAUSE_SECONDS < limits.RETRY_SECONDS
    # A message becomes a dead letter before the queue deletes it.
    assert limits.RETRY_SECONDS + limits.MAX_PAUSE_SECONDS < limits.QUEUE_RETENTION_SECONDS
    assert limits.KEY_REFRESH_SECONDS < limits.PREVIOUS_KEY_SECONDS


def test_functions_have_the_time_that_they_count_on(template: assertions.Template) -> None:
    def timeout(within: str) -> float:
        return float(only(template, "AWS::Lambda::Function", within)["Timeout"])

    assert 1000 * timeout("ValidatorFunction") > 2 * JUDGING_RESERVE_MS > 2 * STORING_RESERVE_MS
    assert timeout("BridgeFunction") > limits.DEADLINE_SECONDS
    # The rotation waits for a first key, and for a key that works or that every bridge knows.
    waits = (FIRST_KEY_WITHIN_SECONDS, WORKS_WITHIN_SECONDS, 2 * limits.KEY_REFRESH_SECONDS)
    assert timeout("RotationFunction") > max(waits)


def test_a_rotation_comes_at_most_as_often_as_the_runtime_expects() -> None:
    shortest = cdk.Duration.seconds(limits.MIN_ROTATION_SECONDS)
    a_stack(rotation=shortest, rotation_grace=shortest)
    shorter = cdk.Duration.seconds(limits.MIN_ROTATION_SECONDS - 3600)
    with pytest.raises(ValueError, match="rotation"):
        a_stack(rotation=shorter, rotation_grace=shorter)
