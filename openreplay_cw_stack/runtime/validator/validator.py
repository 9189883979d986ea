"""One subscription payload through the validator."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable

from openreplay_cw_stack.runtime.linked_line import stream_of
from openreplay_cw_stack.runtime.validator.counting import Counts, metric_documents
from openreplay_cw_stack.runtime.validator.delivery import (
    LogGroupWriter,
    ParkedLinesQueue,
    deliver,
)
from openreplay_cw_stack.runtime.validator.judging import JudgedLines, judge_lines
from openreplay_cw_stack.runtime.validator.known_tags import KnownTags
from openreplay_cw_stack.runtime.validator.settings import Settings
from openreplay_cw_stack.runtime.validator.skimming import skim_payload
from openreplay_cw_stack.runtime.validator.subscription import (
    InvalidPayload,
    Payload,
    decompress,
    parse_payload,
)
from openreplay_cw_stack.tagging import Verdict
from openreplay_cw_stack.tagging import metrics as names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from openreplay_cw_stack.runtime.validator.token_secret import TokenSecret


class Validator:
    """Judges payloads and delivers what is linkable.

    Attributes:
        settings: see :class:`Settings`.
        writer: writes to the linked log group.
        token_secret: None where signatures are not to be checked.
        clock_ms: the time in milliseconds since 1970.
        emit: takes one line for the function's own log.
        known_tags: what earlier payloads had.
        queue: takes the lines that the linked log group does not; None: there is none.
    """

    def __init__(
        self,
        settings: Settings,
        writer: LogGroupWriter,
        token_secret: TokenSecret | None,
        clock_ms: Callable[[], int],
        emit: Callable[[str], None],
        queue: ParkedLinesQueue | None = None,
    ) -> None:
        self.settings = settings
        self.writer = writer
        self.token_secret = token_secret
        self.clock_ms = clock_ms
        self.emit = emit
        self.known_tags = KnownTags()
        self.queue = queue

    def validate(self, event: object) -> None:
        """Take one payload to its end. Returns for whatever a payload or a line contains.

        Raises:
            DeliveryFailed: neither the linked log group nor the queue took the lines. Nothing was
                counted then; Lambda repeats the payload and gives up into the on-failure
                destination.
        """
        try:
            data = decompress(event)
            payload = skim_payload(data) or parse_payload(data)
        except InvalidPayload as invalid:
            self._report(names.INVALID_PAYLOADS, f"not a subscription payload: {invalid}")
            return
        if payload is None:
            return
        subscription = payload.subscription
        if self.settings.refuses(subscription.owner, subscription.log_group):
            self._report(names.REFUSED_PAYLOADS, "refused our own log group: it would make a loop")
            return
        self._publish(self._validate(payload))

    def _validate(self, payload: Payload) -> Counts:
        now_ms = self.clock_ms()
        secret = self.token_secret.get() if self.token_secret else None
        judged = judge_lines(
            payload,
            self.settings.policy,
            self.known_tags,
            token_secret=secret,
            now_ms=now_ms,
        )
        subscription = payload.subscription
        owner, group = subscription.owner, subscription.log_group
        stream = stream_of(owner, group, own_account=self.settings.own_account)
        counts = _count(judged, stream)
        if judged.refused:
            self.say(
                f"refused lines of {stream} that are linked lines already: do not track a linked "
                "log group, or everything goes round for ever"
            )
        if self.token_secret and secret is None:
            unchecked = counts.verdicts[Verdict.LINKABLE]
            counts.totals[names.UNCHECKED_SIGNATURES] = unchecked
            self.say(f"token secret unreadable: {self.token_secret.failure}")
        report = deliver(
            self.writer,
            stream,
            judged.linked,
            arrival_ms=now_ms,
            queue=self.queue,
        )
        if report.failure is not None:
            self.say(f"parked lines that CloudWatch Logs did not take: {report.failure}")
        counts.linked = report.linked
        counts.totals[names.PARKED_LINES] = report.parked
        counts.totals[names.CUT_LINES] = report.cut
        counts.dropped.update(report.dropped)
        return counts

    def _report(self, metric: str, reason: str) -> None:
        self.say(reason)
        self._publish(Counts(totals=Counter({metric: 1})))

    def _publish(self, counts: Counts) -> None:
        for document in metric_documents(
            counts,
            deployment=self.settings.deployment,
            detailed=self.settings.detailed_metrics,
            now_ms=self.clock_ms(),
        ):
            self.emit(document)

    def say(self, message: str) -> None:
        """Write a warning to the function's own log."""
        self.emit(json.dumps({"level": "WARN", "message": message}))


def _count(judged: JudgedLines, log_group: str) -> Counts:
    counts = Counts(log_group=log_group, verdicts=judged.verdicts)
    counts.totals[names.EXPIRED_LINES] = judged.expired
    counts.totals[names.REFUSED_LINES] = judged.refused
    if judged.unreadable:
        counts.dropped["unreadable"] = judged.unreadable
    return counts
