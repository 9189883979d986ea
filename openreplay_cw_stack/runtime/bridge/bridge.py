"""Answer one request.

OpenReplay caches the first response with hits for a session forever, and does not show errors. It
retries a failed request four times, or sixteen times after 502 to 504. The bridge therefore never
responds with 5xx. A search that it cannot answer now gets no hits, and OpenReplay neither caches
nor shows such a response.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from openreplay_cw_stack.contract import metrics as names
from openreplay_cw_stack.runtime.bridge.credentials import (
    ApiKeys,
    KeysUnavailable,
    parse_authorization,
)
from openreplay_cw_stack.runtime.bridge.hits import MAX_HITS, make_hits, remark_hit, timestamp
from openreplay_cw_stack.runtime.bridge.request import (
    BodyTooLong,
    InvalidRequest,
    Request,
    decode_request,
)
from openreplay_cw_stack.runtime.bridge.response import Response, error, hello, search_result
from openreplay_cw_stack.runtime.bridge.search_request import (
    SearchRequest,
    UnsupportedQuery,
    parse_search_request,
)
from openreplay_cw_stack.runtime.bridge.session_lines import (
    Reading,
    SessionTable,
    read_session,
)
from openreplay_cw_stack.runtime.bridge.settings import Settings
from openreplay_cw_stack.runtime.function_log import FunctionLog, MetricDocument
from openreplay_cw_stack.tagging.poller import JUST_EXPIRED_MS
from openreplay_cw_stack.tagging.session_id import session_start_ms

CONNECTED = "connected"
"""The message of the hit that answers a test of the credentials."""


@dataclass(frozen=True)
class Answer:
    """A response and its counts.

    Attributes:
        response: the response to the caller.
        counts: the metrics by name.
        refused: why the request was rejected, as a value of the dimension ``Reason``.
        session: whether the search was for a session.
        key_version: the version of the key in the request, if several are accepted.
        skipped: the number of skipped items by reason.
    """

    response: Response
    counts: Mapping[str, int] = field(default_factory=dict)
    refused: str | None = None
    session: bool = False
    key_version: str | None = None
    skipped: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Bridge:
    """Answers requests.

    Attributes:
        settings: see :class:`Settings`.
        keys: the accepted API keys.
        table: the session table.
        waiting: returns whether lines wait in the retry queue.
        clock_ms: returns the time in milliseconds since 1970.
        timer: returns seconds of a monotonic clock.
        emit: prints one line of the function's own log.
    """

    settings: Settings
    keys: ApiKeys
    table: SessionTable
    waiting: Callable[[], bool]
    clock_ms: Callable[[], int]
    timer: Callable[[], float]
    emit: Callable[[str], None]

    @cached_property
    def log(self) -> FunctionLog:
        """The function's own log."""
        return FunctionLog(self.settings.deployment, self.clock_ms, self.emit)

    def handle(self, event: object) -> dict[str, Any]:
        """Answer the event of an HTTP API. Never raises."""
        started = self.timer()
        method, headers = "GET", {}
        try:
            request = decode_request(event)
            method, headers = request.method, dict(request.headers)
            answer = self._answer(request, started)
        except InvalidRequest as invalid:
            answer = _refused(400, "illegal_argument_exception", str(invalid), "request")
        except Exception as fault:
            # An error in the bridge: log only its class, because its text may quote the request.
            self.log.error(type(fault).__name__)
            answer = self._failed(started)
        self._count(answer, started)
        return answer.response.encode(method=method, request_headers=headers)

    def _answer(self, request: Request, started: float) -> Answer:
        if not self.settings.allows(request.source_address):
            return _refused(403, "security_exception", "this address is not allowed", "address")
        offered = parse_authorization(request.headers.get("authorization", ""))
        if offered is None:
            return _unauthorized()
        try:
            accepted = self.keys.accept(offered)
        except KeysUnavailable as unavailable:
            self.log.warn(f"the API key of a request could not be checked: {unavailable}")
            return self._failed(started)
        if accepted is None:
            return _unauthorized()
        answer = self._route(request, started)
        if accepted.is_one_of_several:
            return replace(answer, key_version=accepted.version_id)
        return answer

    def _route(self, request: Request, started: float) -> Answer:
        if request.path[-2:] == ("logs", "_search"):
            if request.method not in ("POST", "GET"):
                return _wrong_method("POST")
            return self._search(request, started)
        if not request.path:
            if request.method not in ("GET", "HEAD"):
                return _wrong_method("GET, HEAD")
            return Answer(hello())
        reason = "no such index or endpoint; use POST logs/_search"
        return _refused(404, "resource_not_found_exception", reason, "path")

    def _search(self, request: Request, started: float) -> Answer:
        try:
            search = parse_search_request(request.body())
        except UnsupportedQuery as unsupported:
            return _refused(400, unsupported.kind, str(unsupported), "search")
        except BodyTooLong as too_long:
            return _refused(413, "content_too_long_exception", str(too_long), "search")
        if search.matches_any:
            return self._answer_any(search, started)
        if search.session_id is None:
            return self._result([], 0, started, names.EMPTY_SEARCHES)
        answer = self._answer_session(search, search.session_id, started)
        return replace(answer, session=True)

    def _answer_any(self, search: SearchRequest, started: float) -> Answer:
        """Answer a test of the credentials with one hit, without reading the session table."""
        hits = [remark_hit(CONNECTED, self.clock_ms())]
        return self._result(hits[: search.size], 1, started, names.ANSWERED_SEARCHES)

    def _answer_session(self, search: SearchRequest, session_id: int, started: float) -> Answer:
        now_ms = self.clock_ms()
        # OpenReplay accepts a token that has just expired (tokenizer.go at tag v1.20.0), and the
        # last lines of a session that has just ended may still be on their way.
        over_ms = session_start_ms(session_id) + (
            self.settings.session_lifetime_ms + JUST_EXPIRED_MS + self.settings.settle_ms
        )
        if self.settings.holds_until(over_ms, now_ms):
            return self._result([], 0, started, names.UNSETTLED_SEARCHES)
        reading = read_session(
            self.table,
            session_id,
            wanted=min(max(search.size, 1), MAX_HITS),
            now_ms=now_ms,
            time_left=lambda: self.settings.deadline_seconds - (self.timer() - started),
        )
        answer = self._answer_reading(search, reading, over_ms, now_ms, started)
        return replace(answer, skipped=reading.skipped)

    def _answer_reading(
        self, search: SearchRequest, reading: Reading, over_ms: int, now_ms: int, started: float
    ) -> Answer:
        if reading.timed_out:
            if reading.failure:
                self.log.warn(f"the session table cannot be read: {reading.failure}")
            return self._timed_out(started)
        if reading.forgotten or not reading.lines:
            return self._result([], 0, started, names.EMPTY_SEARCHES)
        newest_ms = reading.newest_arrival_ms
        is_new = newest_ms is not None and now_ms - newest_ms < self.settings.settle_ms
        if is_new and now_ms < over_ms:
            return self._result([], 0, started, names.UNSETTLED_SEARCHES)
        hits = make_hits(
            reading.lines,
            size=search.size,
            with_log_group=self.settings.show_log_group,
            all_read=reading.to_the_end,
            remarks=self._remarks(over_ms, now_ms),
        )
        return self._result(
            hits,
            len(reading.lines),
            started,
            names.ANSWERED_SEARCHES,
            all_counted=reading.to_the_end,
        )

    def _remarks(self, over_ms: int, now_ms: int) -> list[str]:
        """Return remarks on the limits of a response that OpenReplay caches."""
        remarks = []
        if now_ms < over_ms:
            remarks.append(
                f"This view was taken at {timestamp(now_ms)}, while the session may still have "
                "been running. OpenReplay keeps it, and it will not grow."
            )
        if self.waiting():
            remarks.append(
                "Some log lines of this deployment were still waiting to be stored when this view "
                "was taken. If they are of this session, they are missing here."
            )
        return remarks

    def _result(
        self,
        hits: list[dict[str, Any]],
        total: int,
        started: float,
        outcome: str,
        *,
        all_counted: bool = True,
    ) -> Answer:
        response = search_result(
            hits, total=total, took_ms=self._took_ms(started), all_counted=all_counted
        )
        counts = {names.SEARCHES: 1, outcome: 1, names.HITS: len(hits)}
        return Answer(response, counts)

    def _timed_out(self, started: float) -> Answer:
        return Answer(self._not_now(started), {names.SEARCHES: 1, names.TIMED_OUT_SEARCHES: 1})

    def _failed(self, started: float) -> Answer:
        return Answer(self._not_now(started), {names.FAILED_SEARCHES: 1})

    def _not_now(self, started: float) -> Response:
        return search_result([], total=0, took_ms=self._took_ms(started), timed_out=True)

    def _took_ms(self, started: float) -> int:
        return max(0, round((self.timer() - started) * 1000))

    def _count(self, answer: Answer, started: float) -> None:
        documents = [MetricDocument(answer.counts)]
        if answer.refused:
            documents.append(
                MetricDocument(
                    {names.REFUSED_SEARCHES: 1}, {names.REASON: answer.refused}, further_sets=[[]]
                )
            )
        elif answer.counts:
            took_ms = max(1, self._took_ms(started))
            documents.append(MetricDocument({names.SEARCH_TIME: took_ms}, unit="Milliseconds"))
        if answer.session and answer.key_version:
            # A test of the credentials is not a use: this project sends such tests itself.
            uses = {names.KEY_VERSION: answer.key_version}
            documents.append(MetricDocument({names.KEY_USES: 1}, uses))
        for reason, items in answer.skipped.items():
            documents.append(
                MetricDocument(
                    {names.SKIPPED_ITEMS: items}, {names.REASON: reason}, further_sets=[[]]
                )
            )
        self.log.metrics(*documents)


def _refused(
    status: int, kind: str, reason: str, why: str, headers: Mapping[str, str] | None = None
) -> Answer:
    return Answer(error(status, kind, reason, headers), refused=why)


def _unauthorized() -> Answer:
    return _refused(
        401,
        "security_exception",
        "missing or wrong credentials: give the API key id and key that the bridge's secret holds",
        "key",
        {"WWW-Authenticate": 'ApiKey, Basic realm="openreplay-cw-stack", charset="UTF-8"'},
    )


def _wrong_method(allowed: str) -> Answer:
    reason = f"incorrect HTTP method; allowed: {allowed}"
    return _refused(405, "method_not_allowed_exception", reason, "path", {"Allow": allowed})
