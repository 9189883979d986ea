"""Unwrap subscription payloads from their three sources, and return the response each expects.

* CloudWatch Logs invokes the function asynchronously with the payload itself. After an error,
  Lambda retries twice and then sends the event to the dead-letter queue.
* A Kinesis record contains the payload's data. Records are delivered again from the first record
  in ``batchItemFailures`` on (Lambda Developer Guide, "Configuring partial batch response with
  Kinesis Data Streams and Lambda").
* A message of the retry queue has the payload as its body. A message in ``batchItemFailures`` is
  delivered again when its visibility timeout ends (Lambda Developer Guide, "Handling errors for an
  SQS event source in Lambda").
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from openreplay_cw_stack.runtime.aws_calls import CallFailed, error_code
from openreplay_cw_stack.runtime.validator.error_events import read_error_events
from openreplay_cw_stack.runtime.validator.queues import Queue, dead_letter
from openreplay_cw_stack.runtime.validator.validator import (
    JUDGING_RESERVE_MS,
    DeliveryFailed,
    Handled,
    Missing,
    Validator,
)


class RetryQueue(Queue, Protocol):
    """The retry queue."""

    def hide(self, receipt_handle: str, seconds: int) -> None:
        """Hide a received message for a number of seconds. Raises :class:`CallFailed`."""


def take(
    event: Any, validator: Validator, retry_queue: RetryQueue, remaining_ms: Callable[[], int]
) -> dict[str, Any] | None:
    """Handle the event of an invocation and return the response that its source expects.

    Raises:
        DeliveryFailed: see :meth:`.Validator.validate`; only for a payload of CloudWatch Logs.
    """
    records = event.get("Records") if isinstance(event, dict) else None
    if isinstance(records, list) and records:
        source = records[0].get("eventSource") if isinstance(records[0], dict) else None
        if source == "aws:kinesis":
            return _take_records(records, validator, remaining_ms)
        if source == "aws:sqs":
            return _take_messages(records, validator, retry_queue, remaining_ms)
    validator.publish(validator.validate(event, remaining_ms=remaining_ms).counts)
    return None


def _take_records(
    records: Sequence[dict[str, Any]], validator: Validator, remaining_ms: Callable[[], int]
) -> dict[str, Any]:
    """Process each record; one failure does not stop the others.

    If nothing can be stored, failed records stay in the stream. If other items were stored, only
    that record's sessions are overloaded, so its events go to the retry queue and do not block
    later records.
    """
    handled: dict[str, Handled] = {}
    stored = _try_records(records, handled, validator, remaining_ms, 0)
    if stored and len(handled) < len(records):
        _try_records(records, handled, validator, remaining_ms, stored)
    failed = []
    for record in records:
        number = record["kinesis"]["sequenceNumber"]
        if number not in handled:
            failed.append({"itemIdentifier": number})
        elif not failed:
            # Records after a failed one are delivered again, and counted then.
            validator.publish(handled[number].counts)
    return {"batchItemFailures": failed}


def _try_records(
    records: Iterable[dict[str, Any]],
    handled: dict[str, Handled],
    validator: Validator,
    remaining_ms: Callable[[], int],
    stored: int,
) -> int:
    """Handle the records that are not handled yet and return the number of stored items."""
    comes_again = False
    for record in records:
        number = record["kinesis"]["sequenceNumber"]
        if number in handled:
            continue
        envelope = {"awslogs": {"data": record["kinesis"].get("data")}}
        missing = Missing.TO_THE_RETRY_QUEUE if stored else Missing.BACK_TO_THE_SOURCE
        try:
            _need_time(remaining_ms)
            # If time runs out during a record, there is no time to retry an earlier one.
            done = validator.validate(
                envelope, remaining_ms=remaining_ms, missing=missing, comes_again=comes_again
            )
        except Exception as error:
            comes_again = True
            stored += error.stored if isinstance(error, DeliveryFailed) else 0
            validator.log.warn(f"a record failed: {error_code(error)}")
        else:
            stored += done.stored
            handled[number] = done
    return stored


def _take_messages(
    messages: Iterable[dict[str, Any]],
    validator: Validator,
    retry_queue: RetryQueue,
    remaining_ms: Callable[[], int],
) -> dict[str, Any]:
    """Handle each message of the retry queue. The pause grows with each failure."""
    failed = []
    for message in messages:
        try:
            _need_time(remaining_ms)
            _take_message(message, validator, remaining_ms)
        except Exception as error:
            validator.log.warn(f"a message failed and will be retried: {error_code(error)}")
            _hide(message, validator, retry_queue)
            failed.append({"itemIdentifier": message["messageId"]})
    return {"batchItemFailures": failed}


def _take_message(
    message: dict[str, Any], validator: Validator, remaining_ms: Callable[[], int]
) -> None:
    envelope = _parsed(message["body"])
    age_ms = validator.clock_ms() - int(message["attributes"]["SentTimestamp"])
    if age_ms > 1000 * validator.settings.retry_seconds:
        # The receive count is not a measure, because throttled invocations increase it too.
        reason = f"not stored within {validator.settings.retry_seconds} seconds"
        validator.log.warn(reason)
        if read_error_events(envelope) is None:
            validator.dead_letters.send(dead_letter(envelope, reason))
        return
    error_events = read_error_events(envelope)
    if error_events is not None:
        handled = validator.publish_again(error_events, remaining_ms=remaining_ms)
    else:
        handled = validator.validate(
            envelope, remaining_ms=remaining_ms, missing=Missing.BACK_TO_THE_SOURCE
        )
    validator.publish(handled.counts)


def _parsed(body: str) -> object:
    try:
        parsed: object = json.loads(body)
    except (ValueError, RecursionError):
        return body
    return parsed


def _hide(message: dict[str, Any], validator: Validator, retry_queue: RetryQueue) -> None:
    """Hide a message for its pause. If that fails, the queue's own timeout applies."""
    failures = int(message["attributes"]["ApproximateReceiveCount"])
    try:
        retry_queue.hide(message["receiptHandle"], pause_seconds(validator, failures))
    except CallFailed as failed:
        validator.log.warn(f"could not set the pause of a message in the retry queue: {failed}")


def pause_seconds(validator: Validator, failures: int) -> int:
    """Return how long a message waits after the given number of failures, at least 1."""
    settings = validator.settings
    # An exponent beyond 30 would make a needlessly long integer.
    doubled = settings.first_pause_seconds << min(failures - 1, 30)
    return min(doubled, settings.max_pause_seconds)


def _need_time(remaining_ms: Callable[[], int]) -> None:
    if remaining_ms() <= JUDGING_RESERVE_MS:
        raise TimeoutError
