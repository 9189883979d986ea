from __future__ import annotations

import pytest

from openreplay_cw_stack.runtime.aws_calls import CallFailed
from openreplay_cw_stack.runtime.redelivery.aws import SqsVisibility
from tests.runtime.validator.test_aws import Client, client_error


def test_when_a_message_comes_back() -> None:
    client = Client({})
    SqsVisibility("https://sqs/parked", client)("handle", 60)
    assert client.calls == [
        {
            "operation": "change_message_visibility",
            "QueueUrl": "https://sqs/parked",
            "ReceiptHandle": "handle",
            "VisibilityTimeout": 60,
        }
    ]


def test_errors_leave_as_their_code_alone() -> None:
    with pytest.raises(CallFailed, match=r"^RequestThrottled$"):
        SqsVisibility("https://sqs/parked", Client(client_error("RequestThrottled")))("handle", 60)
