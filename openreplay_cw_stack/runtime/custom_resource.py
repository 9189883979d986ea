"""Custom resources of CloudFormation: the event that a function receives, and its response.

AWS documentation, "Custom resource reference": the event has ``RequestType``, ``ResponseURL``,
``StackId``, ``RequestId``, ``LogicalResourceId``, ``ResourceProperties`` (strings), on updates
``OldResourceProperties`` and, except on creation, ``PhysicalResourceId``. The function sends the
response with PUT to the response URL, a presigned S3 URL. Without a response, the stack waits an
hour.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from openreplay_cw_stack.runtime.aws_calls import error_code

_TIMEOUT_SECONDS = 15


class DeploymentFailed(Exception):
    """The deployment must be rolled back. CloudFormation shows the message; it has no secrets."""


@dataclass(frozen=True)
class DeploymentEvent:
    """An event of CloudFormation.

    Attributes:
        is_delete: whether the resource is deleted.
        stack_id: the stack's ARN.
        properties: the resource's properties.
        physical_id: the resource's id; empty on creation.
        old_properties: the properties before an update; otherwise empty.
    """

    is_delete: bool
    stack_id: str
    properties: Mapping[str, Any]
    physical_id: str = ""
    old_properties: Mapping[str, Any] = field(default_factory=dict)


def is_deployment_event(event: Mapping[str, object]) -> bool:
    """Return whether an event comes from CloudFormation."""
    return "RequestType" in event and "ResponseURL" in event


def answer_deployment(
    event: Mapping[str, Any],
    context: object,
    follow: Callable[[DeploymentEvent], str],
    put: Callable[[str, bytes], None] | None = None,
) -> None:
    """Handle a deployment event and report the outcome to CloudFormation, even after an error.

    Args:
        event: the event from CloudFormation.
        context: the context from AWS Lambda, which names the log stream.
        follow: handles the event and returns the resource's physical id.
        put: sends the response; for tests.
    """
    deployment = DeploymentEvent(
        is_delete=event["RequestType"] == "Delete",
        stack_id=event["StackId"],
        properties=event.get("ResourceProperties", {}),
        physical_id=event.get("PhysicalResourceId", ""),
        old_properties=event.get("OldResourceProperties", {}),
    )
    status, reason = "SUCCESS", ""
    physical_id = deployment.physical_id or f"{event['LogicalResourceId']}-not-made"
    try:
        physical_id = follow(deployment)
    except DeploymentFailed as failed:
        status, reason = "FAILED", str(failed)
    except Exception as error:
        status, reason = "FAILED", error_code(error)
    stream = getattr(context, "log_stream_name", "")
    answer = {
        "Status": status,
        "Reason": f"{reason} (log stream {stream})".strip(),
        "PhysicalResourceId": physical_id,
        **{name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")},
    }
    (put or _put)(event["ResponseURL"], json.dumps(answer).encode())


def _put(url: str, body: bytes) -> None:
    # The signature of the URL covers an empty content type.
    request = urllib.request.Request(  # noqa: S310
        url, data=body, method="PUT", headers={"Content-Type": ""}
    )
    with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS):  # noqa: S310
        pass
