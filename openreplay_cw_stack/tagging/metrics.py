"""The names of the metrics: the same in Lambda functions, alarms, dashboard and README.

Every metric has the dimension :data:`DEPLOYMENT`; the others are named with the metric. A session
or a token is never a dimension. All are counts.
"""

from __future__ import annotations

NAMESPACE = "OpenReplayCloudWatch"

DEPLOYMENT = "Deployment"
"""Dimension: which deployment of the construct."""
VERDICT = "Verdict"
"""Dimension: a value of :class:`openreplay_cw_stack.tagging.Verdict`."""
LOG_GROUP = "LogGroup"
"""Dimension: the name of a tracked log group."""
REASON = "Reason"
"""Dimension: why a line was dropped (``too_new``, ``too_old``, ``expired`` as PutLogEvents has
them, or ``unreadable``), or why the bridge refused a request (``address``, ``key``, ``path``,
``question``, ``request``)."""

LINES = "Lines"
"""Lines by verdict, with VERDICT; on request also with LOG_GROUP and VERDICT."""
LINKED_LINES = "LinkedLines"
"""Lines copied to the linked log group, with LOG_GROUP."""
REJECTED_LINES = "RejectedLines"
"""Lines with a tag that is not linkable, with LOG_GROUP."""
EXPIRED_LINES = "ExpiredLines"
"""Linkable lines whose token had expired."""
CUT_LINES = "CutLines"
"""Linked lines that were longer than a log event can be, and were cut."""
DROPPED_LINES = "DroppedLines"
"""Lines that were lost, with REASON and without."""
UNCHECKED_SIGNATURES = "UncheckedSignatures"
"""Lines judged without a signature check because the token secret could not be read."""
QUESTIONS = "Questions"
"""Searches that the bridge was asked for, with the right key."""
ANSWERS = "Answers"
"""Searches that it answered with hits."""
HITS = "Hits"
"""Hits in these answers."""
EMPTY_ANSWERS = "EmptyAnswers"
"""Searches for which there is no line."""
UNSETTLED_ANSWERS = "UnsettledAnswers"
"""Searches that were held back: lines may still be arriving, or the session is not over."""
TIMED_OUT_ANSWERS = "TimedOutAnswers"
"""Searches that could not be answered now: CloudWatch Logs was too slow, or throttled us."""
REFUSED_QUESTIONS = "RefusedQuestions"
"""Requests without the right key, from another address, or that were no search; with REASON."""
FAILED_QUESTIONS = "FailedQuestions"
"""Requests that met a fault of the bridge's own."""
ANSWER_TIME = "AnswerTime"
"""How long an answer took, in milliseconds."""
INVALID_PAYLOADS = "InvalidPayloads"
"""Subscription payloads that were none; nothing in them could be read."""
REFUSED_PAYLOADS = "RefusedPayloads"
"""Payloads that came from the linked log group or from our own, and would have made a loop."""
