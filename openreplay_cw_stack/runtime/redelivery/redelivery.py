"""Messages of parked lines, written to the linked log group or given back to their queue.

Lambda Developer Guide, "Handling errors for an SQS event source in Lambda": the messages whose ids
are in ``batchItemFailures`` stay in the queue and come back when their visibility timeout ends;
the others are deleted. SQS counts every receipt, and gives up into the dead-letter queue.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from openreplay_cw_stack.runtime.aws_calls import CallFailed
from openreplay_cw_stack.runtime.parked_lines import NotParkedLines, ParkedLines
from openreplay_cw_stack.runtime.redelivery.settings import Settings
from openreplay_cw_stack.runtime.validator.counting import Counts, metric_documents
from openreplay_cw_stack.runtime.validator.delivery import DeliveryFailed, LogGroupWriter, deliver
from openreplay_cw_stack.tagging import metrics as names


class Visibility(Protocol):
    """Changes when a received message comes back."""

    def __call__(self, receipt_handle: str, seconds: int) -> None:
        """Have it come back after so many seconds. Raises :class:`CallFailed`."""


@dataclass(frozen=True)
class Redelivery:
    """Writes parked lines.

    Attributes:
        settings: see :class:`Settings`.
        writer: writes to the linked log group.
        visibility: of the queue's messages.
        clock_ms: the time in milliseconds since 1970.
        emit: takes one line for the function's own log.
    """

    settings: Settings
    writer: LogGroupWriter
    visibility: Visibility
    clock_ms: Callable[[], int]
    emit: Callable[[str], None]

    def redeliver(self, event: dict[str, Any]) -> dict[str, Any]:
        """Take a batch of the queue's; the partial batch response.

        Once CloudWatch Logs has not taken a message, the rest of the batch is given back untried:
        a call that fails to its end takes long.
        """
        failure: str | None = None
        given_back: list[str] = []
        for record in event["Records"]:
            if failure is None:
                try:
                    self._write(record["body"])
                    continue
                except NotParkedLines as unreadable:
                    self._say(f"not parked lines: {unreadable}")
                except DeliveryFailed as failed:
                    failure = str(failed)
                    self._say(f"CloudWatch Logs does not take parked lines: {failure}")
            self._hide(record)
            given_back.append(record["messageId"])
        return {"batchItemFailures": [{"itemIdentifier": one} for one in given_back]}

    def _write(self, body: str) -> None:
        parked = ParkedLines.decode(body)
        report = deliver(self.writer, parked.stream, parked.lines, arrival_ms=parked.arrival_ms)
        counts = Counts(
            log_group=parked.log_group,
            dropped=report.dropped,
            totals=Counter({names.REDELIVERED_LINES: report.linked}),
            linked=report.linked,
        )
        for document in metric_documents(
            counts, deployment=self.settings.deployment, detailed=False, now_ms=self.clock_ms()
        ):
            self.emit(document)

    def _hide(self, record: dict[str, Any]) -> None:
        """Have a message come back later, the later the more often it was received.

        Where that fails, it comes back when the queue's own visibility timeout ends.
        """
        failures = int(record["attributes"]["ApproximateReceiveCount"])
        try:
            self.visibility(record["receiptHandle"], self.pause_seconds(failures))
        except CallFailed as failed:
            self._say(f"the queue keeps its own pause: {failed}")

    def pause_seconds(self, failures: int) -> int:
        """How long a message waits after so many failures, from 1."""
        # Doubled no further than an integer needs to be.
        doubled = self.settings.first_pause_seconds << min(failures - 1, 30)
        return min(doubled, self.settings.longest_pause_seconds)

    def _say(self, message: str) -> None:
        self.emit(json.dumps({"level": "WARN", "message": message}))
