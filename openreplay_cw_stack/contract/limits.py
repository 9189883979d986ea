"""Limits and durations that several packages share. Each name contains the unit.

The constructs in ``infra`` deploy with them, the functions in ``runtime`` use them as defaults, and
the commands compute with them.
"""

from __future__ import annotations

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400

FIRST_PAUSE_SECONDS = 30
"""How long an event waits in the retry queue after its first failure.

The pause doubles with each further failure, up to :data:`MAX_PAUSE_SECONDS`.
"""

MAX_PAUSE_SECONDS = 15 * _MINUTE
"""The longest pause of an event in the retry queue after a failure.

Amazon SQS API reference, "ChangeMessageVisibility": 12 hours at most.
"""

RETRY_SECONDS = _DAY
"""How long the validator retries an event before the event becomes a dead letter.

A stream retries a payload for the same time.
"""

QUEUE_RETENTION_SECONDS = 14 * _DAY
"""How long the retry queue and the dead-letter queue keep a message.

Amazon SQS Developer Guide, "Amazon SQS message quotas": 14 days at most.
"""

SETTLE_SECONDS = 3 * _MINUTE
"""How long the bridge holds back the hits of a session after its last line arrived.

The default of the option ``settle``.
"""

SESSION_LIFETIME_SECONDS = 2 * _HOUR
"""How long a session can run.

OpenReplay's ``MAX_SESSION_DURATION`` is the source; this is the default of ``session_lifetime``.
"""

DEADLINE_SECONDS = 10
"""How long the bridge takes at most to answer one search.

OpenReplay gives up after 60 seconds for all its attempts
(``backend/pkg/integrations/clients/elastic.go`` at tags v1.21.0 to v1.27.0).
"""

PREVIOUS_KEY_SECONDS = 7 * _DAY
"""How long the bridge accepts an API key after a rotation replaced it.

The default of the option ``rotation_grace``.
"""

MIN_ROTATION_SECONDS = 4 * _HOUR
"""The shortest time between two rotations.

Secrets Manager User Guide, "Schedule expressions": a secret rotates at most every 4 hours.
"""

ERROR_EVENT_INTERVAL_SECONDS = 5 * _MINUTE
"""The shortest time between two error events of a session; default of ``error_event_interval``."""

TOKEN_SECRET_OVERLAP_SECONDS = _DAY
"""How long the validator accepts signatures of the previous token secret after it was replaced.

Sessions that started before OpenReplay got another ``TOKEN_SECRET`` keep their old tokens, and
their lines may wait in the retry queue for a day.
"""

KEY_REFRESH_SECONDS = 45
"""How long the bridge uses its keys before it reads them again.

The bridge rejects a revoked key after that time. A rotation waits that long before it makes a new
key current, so that every bridge knows the key.
"""

REGISTRATION_TIMEOUT_SECONDS = 180
"""The timeout of the registration function.

A run starts another project only in the first half of this time. A project takes four requests of
at most 20 seconds each.
"""

ITEMS_PER_BATCH_WRITE = 25
"""The number of items that one call writes to the session table.

Amazon DynamoDB API reference, "BatchWriteItem": at most 25 items and 16 MB. An item has at most
400 KB, so a call stays below 16 MB.
"""

FILTERS_ALLOWED = 5
"""Subscription filters per log group: AWS documentation, "CloudWatch Logs quotas"."""

FILTERS_COMMON = 2
"""The limit in the API reference of PutSubscriptionFilter, which still applies to some accounts."""
