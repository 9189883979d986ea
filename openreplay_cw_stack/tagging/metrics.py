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
"""Dimension: why a line was dropped; a value of ``rejectedLogEventsInfo``, or ``unreadable``."""

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
INVALID_PAYLOADS = "InvalidPayloads"
"""Subscription payloads that were none; nothing in them could be read."""
REFUSED_PAYLOADS = "RefusedPayloads"
"""Payloads that came from the linked log group or from our own, and would have made a loop."""
