"""One request through the bridge.

OpenReplay keeps the first answer with hits of a session for ever, shows nothing of an error, and
repeats what failed four times, sixteen times for 502 to 504. So there is no 5xx here: what cannot
be answered now has no hits, which OpenReplay neither keeps nor shows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from openreplay_cw_stack.runtime.bridge.credentials import (
    ApiKeys,
    KeysUnavailable,
    parse_authorization,
)
from openreplay_cw_stack.runtime.bridge.hits import hits_of, remark_hit, timestamp
from openreplay_cw_stack.runtime.bridge.question import NotUnderstood, Question, parse_question
from openreplay_cw_stack.runtime.bridge.request import (
    BodyTooLong,
    InvalidRequest,
    Request,
    decode_request,
)
from openreplay_cw_stack.runtime.bridge.response import Response, error, hello, search_result
from openreplay_cw_stack.runtime.bridge.session_lines import (
    BEFORE_START_MS,
    LinkedLogGroup,
    ReadFailed,
    Reading,
    read_any,
    read_session,
)
from openreplay_cw_stack.runtime.bridge.settings import Settings
from openreplay_cw_stack.runtime.embedded_metrics import MetricDocument
from openreplay_cw_stack.tagging import metrics as names
from openreplay_cw_stack.tagging.session_id import session_start_ms

CONNECTED = "connected; no linked line yet"
"""What the bridge says to a test of the credentials while there is no line to show."""

_ANY_LINE_WITHIN_MS = 86_400_000
# A token is good for 30 seconds after its expiry: tokenizer.go at tag v1.20.0.
_GRACE_MS = 30_000


@dataclass(frozen=True)
class Answer:
    """A response, and what is counted of it.

    Attributes:
        response: for the caller.
        counts: metrics by name.
        refused: why the request was refused, as a value of the dimension ``Reason``.
        session: whether a session was asked for.
        key_version: the version of the key that was used, where several are accepted.
    """

    response: Response
    counts: Mapping[str, int] = field(default_factory=dict)
    refused: str | None = None
    session: bool = False
    key_version: str | None = None


@dataclass(frozen=True)
class Bridge:
    """Answers requests.

    Attributes:
        settings: see :class:`Settings`.
        keys: who may ask.
        group: the linked log group.
        clock_ms: the time in milliseconds since 1970.
        timer: seconds of a clock that never goes back.
        emit: takes one line for the function's own log.
    """

    settings: Settings
    keys: ApiKeys
    group: LinkedLogGroup
    clock_ms: Callable[[], int]
    timer: Callable[[], float]
    emit: Callable[[str], None]

    def handle(self, event: object) -> dict[str, Any]:
        """Answer the event of a function URL or an HTTP API. Never raises."""
        started = self.timer()
        method, headers = "GET", {}
        try:
            request = decode_request(event)
            method, headers = request.method, dict(request.headers)
            answer = self._answer(request, started)
        except InvalidRequest as invalid:
            answer = _refused(400, "illegal_argument_exception", str(invalid), "request")
        except Exception as fault:
            # A fault of ours: named by its class, since its text may quote the request.
            self.emit(json.dumps({"level": "ERROR", "message": type(fault).__name__}))
            answer = Answer(_not_now(), {names.FAILED_QUESTIONS: 1})
        self._count(answer, started)
        return answer.response.encode(method=method, request_headers=headers)

    def _answer(self, request: Request, started: float) -> Answer:
        if not self.settings.allows(request.source_address):
            return _refused(403, "security_exception", "this address may not ask", "address")
        offered = parse_authorization(request.headers.get("authorization", ""))
        if offered is None:
            return _unauthorized()
        try:
            accepted = self.keys.accept(offered)
        except KeysUnavailable as unavailable:
            self._say(f"the API key cannot be read: {unavailable}")
            return Answer(_not_now(), {names.FAILED_QUESTIONS: 1})
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
        reason = "no such index or endpoint; there is POST logs/_search"
        return _refused(404, "resource_not_found_exception", reason, "path")

    def _search(self, request: Request, started: float) -> Answer:
        try:
            question = parse_question(request.body())
        except NotUnderstood as not_understood:
            return _refused(400, not_understood.kind, str(not_understood), "question")
        except BodyTooLong as too_long:
            return _refused(413, "content_too_long_exception", str(too_long), "question")
        if question.matches_any:
            return self._answer_any(question, started)
        if question.session_id is None:
            return self._result([], 0, started, names.EMPTY_ANSWERS)
        answer = self._answer_session(question, question.session_id, started)
        return replace(answer, session=True)

    def _answer_any(self, question: Question, started: float) -> Answer:
        """A test of the credentials: always a hit, a real one if there is one to be had."""
        now_ms = self.clock_ms()
        try:
            line = read_any(self.group, start_ms=now_ms - _ANY_LINE_WITHIN_MS, end_ms=now_ms)
        except ReadFailed as failed:
            self._say(f"the linked log group cannot be read: {failed}")
            return self._timed_out(started)
        hits = [remark_hit(CONNECTED, now_ms)]
        if line is not None:
            hits = hits_of([line], size=1, show_log_group=self.settings.show_log_group, remark=None)
        return self._result(hits[: question.size], 1, started, names.ANSWERS)

    def _answer_session(self, question: Question, session_id: int, started: float) -> Answer:
        now_ms, start_ms = self.clock_ms(), session_start_ms(session_id)
        if start_ms - BEFORE_START_MS > now_ms:
            return self._result([], 0, started, names.EMPTY_ANSWERS)
        reading = read_session(
            self.group,
            session_id,
            start_ms=start_ms - BEFORE_START_MS,
            end_ms=min(start_ms + self.settings.session_window_ms, now_ms),
            time_left=lambda: self.settings.deadline_seconds - (self.timer() - started),
        )
        if not reading.complete:
            if reading.failure:
                self._say(f"the linked log group cannot be read: {reading.failure}")
            return self._timed_out(started)
        if not reading.lines:
            return self._result([], 0, started, names.EMPTY_ANSWERS)
        # The last lines of a session that has just ended may still be on their way.
        settled_ms = self.settings.session_lifetime_ms + _GRACE_MS + self.settings.settle_ms
        over_ms = start_ms + settled_ms
        if self._is_held_back(reading, over_ms, now_ms):
            return self._result([], 0, started, names.UNSETTLED_ANSWERS)
        hits = hits_of(
            reading.lines,
            size=question.size,
            show_log_group=self.settings.show_log_group,
            remark=_view_remark(now_ms) if now_ms < over_ms else None,
        )
        return self._result(hits, len(reading.lines), started, names.ANSWERS)

    def _is_held_back(self, reading: Reading, over_ms: int, now_ms: int) -> bool:
        if self.settings.hold_until_over and now_ms < over_ms:
            return True
        newest_ms = reading.newest_arrival_ms
        return newest_ms is not None and now_ms - newest_ms < self.settings.settle_ms

    def _result(
        self, hits: list[dict[str, Any]], total: int, started: float, outcome: str
    ) -> Answer:
        response = search_result(hits, total=total, took_ms=self._took_ms(started))
        counts = {names.QUESTIONS: 1, outcome: 1, names.HITS: len(hits)}
        return Answer(response, counts)

    def _timed_out(self, started: float) -> Answer:
        response = search_result([], total=0, took_ms=self._took_ms(started), timed_out=True)
        return Answer(response, {names.QUESTIONS: 1, names.TIMED_OUT_ANSWERS: 1})

    def _took_ms(self, started: float) -> int:
        return max(0, round((self.timer() - started) * 1000))

    def _count(self, answer: Answer, started: float) -> None:
        documents = [MetricDocument(answer.counts)]
        if answer.refused:
            documents.append(
                MetricDocument(
                    {names.REFUSED_QUESTIONS: 1}, {names.REASON: answer.refused}, further_sets=[[]]
                )
            )
        elif answer.counts:
            took_ms = max(1, self._took_ms(started))
            documents.append(MetricDocument({names.ANSWER_TIME: took_ms}, unit="Milliseconds"))
        if answer.session and answer.key_version:
            # A test of the credentials is no use: we make them ourselves.
            uses = {names.KEY_VERSION: answer.key_version}
            documents.append(MetricDocument({names.KEY_USES: 1}, uses))
        for document in documents:
            line = document.encode(self.settings.deployment, self.clock_ms())
            if line is not None:
                self.emit(line)

    def _say(self, message: str) -> None:
        self.emit(json.dumps({"level": "WARN", "message": message}))


def _view_remark(now_ms: int) -> str:
    return (
        f"this view was taken at {timestamp(now_ms)}, while the session may still have been "
        "running; OpenReplay keeps it, and it will not grow."
    )


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


def _not_now() -> Response:
    """What is not repeated by OpenReplay's client, unlike 502, 503 and 504."""
    reason = "the bridge cannot answer now; ask again in a minute"
    return error(429, "es_rejected_execution_exception", reason)
