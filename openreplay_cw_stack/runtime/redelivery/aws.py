"""The one AWS call of the redelivery's own. Errors leave here as their code alone."""

from __future__ import annotations

import functools
from typing import Any

from openreplay_cw_stack.runtime.aws_calls import asked, aws_client


class SqsVisibility:
    """When the messages of one queue that were received come back."""

    def __init__(self, url: str, client: Any = None) -> None:
        self._url = url
        self._given_client = client

    @functools.cached_property
    def _client(self) -> Any:
        return self._given_client or aws_client("sqs", attempts=2, read_timeout=5)

    def __call__(self, receipt_handle: str, seconds: int) -> None:
        """Have a message come back after so many seconds; raises CallFailed."""
        asked(
            self._client.change_message_visibility,
            QueueUrl=self._url,
            ReceiptHandle=receipt_handle,
            VisibilityTimeout=seconds,
        )
