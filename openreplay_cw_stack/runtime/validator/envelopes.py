"""The three envelopes of a subscription payload, and the answer that each expects.

* CloudWatch Logs invokes the function asynchronously with the payload itself. An error makes Lambda
  try again, twice, and then give up into the dead-letter queue.
* A Kinesis record has the payload's data. Records are delivered again from the first one on that
  ``batchItemFailures`` names (Lambda Developer Guide, "Configuring partial batch response with
  Kinesis Data Streams and Lambda").
* A message of the retry queue has the payload as its body. A message that ``batchItemFailures``
  names comes back when its visibility timeout ends (Lambda Developer Guide, "Handling errors for
  an SQS event source in Lambda").
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
        """Hide a received message for so many seconds. Raises :class:`CallFailed`."""


def take(
    event: Any, validator: Validator, retry_queue: RetryQueue, remaining_ms: Callable[[], int]
) -> dict[str, Any] | None:
    """Handle the event of an invocation and return the answer that its source expects.

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
    """Handle each record of a stream. A record that fails does not stop the others.

    A record whose events cannot be stored stays in the stream if nothing can be stored. If other
    items can, then only its sessions have too many lines, and its events go to the retry queue:
    they must not hold up the records behind them.
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
            # Those behind a failed one come again, and are counted then.
            validator.publish(handled[number].counts)
    return {"batchItemFailures": failed}


def _try_records(
    records: Iterable[dict[str, Any]],
    handled: dict[str, Handled],
    validator: Validator,
    remaining_ms: Callable[[], int],
    stored: int,
) -> int:
    """Handle the records that are not handled yet and return how many items are stored."""
    comes_again = False
    for record in records:
        number = record["kinesis"]["sequenceNumber"]
        if number in handled:
            continue
        envelope = {"awslogs": {"data": record["kinesis"].get("data")}}
        missing = Missing.TO_THE_RETRY_QUEUE if stored else Missing.BACK_TO_THE_SOURCE
        try:
            _need_time(remaining_ms)
            # A record that has no time to be judged whole leaves none to try an earlier one again.
            done = validator.validate(
                envelope, remaining_ms=remaining_ms, missing=missing, comes_again=comes_again
            )
        except Exception as error:
            comes_again = True
            stored += error.stored if isinstance(error, DeliveryFailed) else 0
            validator.log.warn(f"a record was not taken: {error_code(error)}")
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
            validator.log.warn(f"a message was not taken and comes again: {error_code(error)}")
            _hide(message, validator, retry_queue)
            failed.append({"itemIdentifier": message["messageId"]})
    return {"batchItemFailures": failed}


def _take_message(
    message: dict[str, Any], validator: Validator, remaining_ms: Callable[[], int]
) -> None:
    envelope = _parsed(message["body"])
    age_ms = validator.clock_ms() - int(message["attributes"]["SentTimestamp"])
    if age_ms > 1000 * validator.settings.retry_seconds:
        # Receipts are no measure: throttled invocations count as receipts, too.
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
        validator.log.warn(f"the retry queue keeps its own pause: {failed}")


def pause_seconds(validator: Validator, failures: int) -> int:
    """Return how long a message waits after so many failures, counted from 1."""
    settings = validator.settings
    # An exponent beyond 30 would make a needlessly long integer.
    doubled = settings.first_pause_seconds << min(failures - 1, 30)
    return min(doubled, settings.max_pause_seconds)


def _need_time(remaining_ms: Callable[[], int]) -> None:
    if remaining_ms() <= JUDGING_RESERVE_MS:
        raise TimeoutError
