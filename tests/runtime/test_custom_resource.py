from __future__ import annotations

import json
from typing import Any

import pytest

from openreplay_cw_stack.runtime.aws_calls import CallFailed
from openreplay_cw_stack.runtime.custom_resource import (
    DeploymentEvent,
    DeploymentFailed,
    answer_deployment,
    is_deployment_event,
)

EVENT: dict[str, Any] = {
    "RequestType": "Update",
    "ResponseURL": "https://bucket.example/answer?signature=x",
    "StackId": "arn:stack",
    "RequestId": "request-1",
    "LogicalResourceId": "Keys",
    "PhysicalResourceId": "before",
    "ResourceProperties": {"UserName": "a"},
    "OldResourceProperties": {"UserName": "b"},
}


class Context:
    log_stream_name = "2026/11/24/[$LATEST]0"


def answer(follow: Any, **changes: Any) -> dict[str, Any]:
    sent: list[tuple[str, bytes]] = []
    event = {**EVENT, **changes}
    answer_deployment(event, Context(), follow, lambda url, body: sent.append((url, body)))
    ((url, body),) = sent
    assert url == EVENT["ResponseURL"]
    document: dict[str, Any] = json.loads(body)
    return document


def test_success() -> None:
    seen: list[DeploymentEvent] = []

    def follow(event: DeploymentEvent) -> str:
        seen.append(event)
        return "after"

    assert answer(follow) == {
        "Status": "SUCCESS",
        "Reason": "(log stream 2026/11/24/[$LATEST]0)",
        "PhysicalResourceId": "after",
        "StackId": "arn:stack",
        "RequestId": "request-1",
        "LogicalResourceId": "Keys",
    }
    assert seen == [
        DeploymentEvent(False, "arn:stack", {"UserName": "a"}, "before", {"UserName": "b"})
    ]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (DeploymentFailed("deploy without rotation first"), "deploy without rotation first"),
        (CallFailed("AccessDenied"), "AccessDenied"),
        (ValueError("a secret text"), "ValueError"),
    ],
)
def test_failure_is_answered_too_and_tells_no_secret(error: Exception, reason: str) -> None:
    def follow(event: DeploymentEvent) -> str:
        raise error

    document = answer(follow)
    assert document["Status"] == "FAILED"
    assert document["Reason"] == f"{reason} (log stream 2026/11/24/[$LATEST]0)"
    assert document["PhysicalResourceId"] == "before"


def test_a_creation_that_fails_has_an_id_all_the_same() -> None:
    """CloudFormation sends a Delete for it while it rolls back."""

    def follow(event: DeploymentEvent) -> str:
        raise CallFailed("AccessDenied")

    document = answer(follow, RequestType="Create", PhysicalResourceId="")
    assert document["PhysicalResourceId"] == "Keys-not-made"


def test_which_events_are_cloudformations() -> None:
    assert is_deployment_event(EVENT)
    assert not is_deployment_event({"Step": "createSecret"})
    assert not is_deployment_event({"task": "look"})
