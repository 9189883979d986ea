"""Read, judge, store and count one subscription payload."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property

from openreplay_cw_stack.contract import metrics as names
from openreplay_cw_stack.contract.error_event import ErrorEvent
from openreplay_cw_stack.contract.session_table import SessionItem, pack_items
from openreplay_cw_stack.runtime.aws_calls import CallFailed
from openreplay_cw_stack.runtime.function_log import FunctionLog
from openreplay_cw_stack.runtime.validator.counting import Counts, metric_documents
from openreplay_cw_stack.runtime.validator.error_events import ErrorEvents, send_error_events
from openreplay_cw_stack.runtime.validator.judging import JudgedLines, TokenMemo, judge_lines
from openreplay_cw_stack.runtime.validator.linking import Policy
from openreplay_cw_stack.runtime.validator.queues import Queue, SendFailed, dead_letter, send_events
from openreplay_cw_stack.runtime.validator.settings import Settings
from openreplay_cw_stack.runtime.validator.storing import ItemWriter, StoringReport
from openreplay_cw_stack.runtime.validator.subscription import (
    LogEvent,
    Payload,
    UnusablePayload,
    read_payload,
)
from openreplay_cw_stack.runtime.validator.token_secret import TokenSecret
from openreplay_cw_stack.tagging import Verdict

JUDGING_RESERVE_MS = 25_000
"""The remaining time below which no more lines are judged."""
STORING_RESERVE_MS = 15_000
"""The remaining time below which no more items are written. One call takes at most 7 seconds, and
the rest is for the retry queue."""


class DeliveryFailed(CallFailed):
    """Lines were neither stored nor queued. The message is only an error's code.

    Attributes:
        stored: the number of items of the same payload that were stored.
    """

    def __init__(self, code: str, stored: int = 0) -> None:
        super().__init__(code)
        self.stored = stored


class Missing(Enum):
    """The destination of events that could not be stored."""

    TO_THE_RETRY_QUEUE = "to the retry queue"
    """The source does not keep them: CloudWatch Logs invoked the function."""
    BACK_TO_THE_SOURCE = "back to the source"
    """The source delivers them again: a stream, or the retry queue itself."""


@dataclass(frozen=True)
class Handled:
    """The result of handling a payload.

    Attributes:
        counts: the counts of the payload.
        stored: the number of stored items.
    """

    counts: Counts
    stored: int = 0


@dataclass(frozen=True)
class Validator:
    """Judges payloads and stores linkable lines.

    Attributes:
        settings: see :class:`Settings`.
        writer: writes to the session table.
        retry_queue: takes events that could not be stored yet.
        dead_letters: takes events that can never be stored.
        token_secret: the token secret; None if signatures are not checked.
        error_events: publishes error events; None publishes none.
        clock_ms: returns the time in milliseconds since 1970.
        emit: prints one line of the function's own log.
        memo: judges session tokens.
    """

    settings: Settings
    writer: ItemWriter
    retry_queue: Queue
    dead_letters: Queue
    token_secret: TokenSecret | None
    clock_ms: Callable[[], int]
    emit: Callable[[str], None]
    error_events: ErrorEvents | None = None
    memo: TokenMemo = field(default_factory=TokenMemo)

    @cached_property
    def log(self) -> FunctionLog:
        """The function's own log."""
        return FunctionLog(self.settings.deployment, self.clock_ms, self.emit)

    def validate(
        self,
        envelope: object,
        *,
        remaining_ms: Callable[[], int],
        missing: Missing = Missing.TO_THE_RETRY_QUEUE,
        comes_again: bool = False,
    ) -> Handled:
        """Handle one payload. The caller publishes its counts.

        The content of a payload or a line never causes an exception.

        Args:
            envelope: the payload, as CloudWatch Logs sends it to a function.
            remaining_ms: returns the function's remaining time.
            missing: the destination of events that cannot be stored.
            comes_again: whether the payload is delivered again in any case. Its lines are counted
                at that delivery.

        Raises:
            DeliveryFailed: some events were neither stored nor queued. Their source delivers the
                payload again, and a repeated write replaces the same item.
        """
        try:
            payload = read_payload(envelope)
        except UnusablePayload as unusable:
            self._give_up(envelope, f"not a usable payload: {unusable}")
            return Handled(Counts(totals=Counter({names.UNUSABLE_PAYLOADS: 1})))
        if payload is None:
            return Handled(Counts())
        return self._validate(payload, remaining_ms, missing, comes_again)

    def _validate(
        self,
        payload: Payload,
        remaining_ms: Callable[[], int],
        missing: Missing,
        comes_again: bool,
    ) -> Handled:
        now_ms = self.clock_ms()
        secret = self.token_secret.get() if self.token_secret else None
        self.memo.judge_with(secret)
        judged = judge_lines(
            payload,
            Policy(self.memo.judge, self.settings.accept_unsigned_ids),
            now_ms=now_ms,
            has_time=lambda: remaining_ms() > JUDGING_RESERVE_MS,
        )
        report = self.writer.store(
            [item for lines in judged.by_session.values() for item in pack_items(lines)],
            arrived_ms=now_ms,
            retention_seconds=self.settings.line_retention_seconds,
            has_time=lambda: remaining_ms() > STORING_RESERVE_MS,
        )
        if report.missing:
            self.log.warn(f"the session table did not store all items: {report.failure}")
            if missing is Missing.BACK_TO_THE_SOURCE:
                raise DeliveryFailed(report.failure or "not stored", len(report.stored))
        self._queue_missing(payload, judged, report, rest_counted=payload.counted or comes_again)
        counts = _count(payload, judged, report)
        if self.error_events is not None:
            events = self.error_events.of(judged.by_session, report.stored)
            counts.totals += self._publish_errors(self.error_events, events, remaining_ms)
        if self.token_secret is not None and secret is None:
            counts.totals[names.UNCHECKED_SIGNATURES] = judged.verdicts[Verdict.LINKABLE]
            self.log.warn(f"the token secret cannot be read: {self.token_secret.failure}")
        return Handled(counts, len(report.stored))

    def _queue_missing(
        self, payload: Payload, judged: JudgedLines, report: StoringReport, *, rest_counted: bool
    ) -> None:
        """Send events to a queue because they were not stored."""
        try:
            for code in {code: None for _, code in report.invalid}:
                reason = f"DynamoDB refused the item: {code}"
                self.log.warn(reason)
                refused = [item for item, its_code in report.invalid if its_code == code]
                events = _events_of(payload, refused)
                send_events(self.dead_letters, payload, events, counted=True, reason=reason)
            events = _events_of(payload, report.missing)
            send_events(self.retry_queue, payload, events, counted=True)
            send_events(self.retry_queue, payload, judged.rest, counted=rest_counted)
        except SendFailed as failed:
            raise DeliveryFailed(f"not queued: {failed}") from None

    def publish_again(
        self, events: Sequence[ErrorEvent], *, remaining_ms: Callable[[], int]
    ) -> Handled:
        """Publish error events that could not be published before.

        Raises:
            DeliveryFailed: some events were not published, and are delivered again.
        """
        if self.error_events is None:
            return Handled(Counts())
        outcome = self.error_events.publish(events, lambda: remaining_ms() > STORING_RESERVE_MS)
        if outcome.failed:
            self.publish(Counts(totals=Counter({names.FAILED_ERROR_EVENTS: len(outcome.failed)})))
            raise DeliveryFailed(outcome.failure)
        return Handled(Counts(totals=Counter({names.ERROR_EVENTS: outcome.published})))

    def _publish_errors(
        self,
        error_events: ErrorEvents,
        events: Sequence[ErrorEvent],
        remaining_ms: Callable[[], int],
    ) -> Counter[str]:
        """Publish error events, and queue the ones that cannot be published. Never raises."""
        outcome = error_events.publish(events, lambda: remaining_ms() > STORING_RESERVE_MS)
        if outcome.failed:
            self.log.warn(f"error events were not published: {outcome.failure}")
            try:
                send_error_events(self.retry_queue, outcome.failed)
            except SendFailed as failed:
                # The lines are stored, so they must not be delivered again for an event.
                self.log.error(f"error events are lost: {failed}")
        return Counter(
            {
                names.ERROR_EVENTS: outcome.published,
                names.FAILED_ERROR_EVENTS: len(outcome.failed),
            }
        )

    def _give_up(self, envelope: object, reason: str) -> None:
        self.log.warn(reason)
        try:
            self.dead_letters.send(dead_letter(envelope, reason))
        except SendFailed as failed:
            raise DeliveryFailed(f"dead-letter queue: {failed}") from None

    def publish(self, counts: Counts) -> None:
        """Publish counts as metrics."""
        self.log.metrics(*metric_documents(counts, detailed=self.settings.detailed_metrics))


def _events_of(payload: Payload, items: Sequence[SessionItem]) -> list[LogEvent]:
    ids = {identifier for item in items for identifier in item.event_ids}
    return [event for event in payload.events if event.id in ids]


def _count(payload: Payload, judged: JudgedLines, report: StoringReport) -> Counts:
    counts = Counts(
        log_group=payload.log_group, linked=sum(len(item.event_ids) for item in report.stored)
    )
    counts.totals[names.THROTTLED_WRITES] = report.throttled
    counts.totals[names.QUEUED_LINES] = sum(len(item.event_ids) for item in report.missing)
    counts.totals[names.REFUSED_ITEMS] = len(report.invalid)
    if payload.counted:
        # The lines themselves were counted before they were queued.
        return counts
    counts.verdicts = judged.verdicts
    counts.totals[names.EXPIRED_LINES] = judged.expired
    counts.totals[names.CUT_LINES] = judged.cut
    if payload.unreadable:
        counts.dropped["unreadable"] = payload.unreadable
    return counts
