"""Read the start time of a session from its id.

The layout comes from OpenReplay's ``backend/pkg/flakeid``. Since tag v1.15.0 an id is 40 bits of
milliseconds since :data:`EPOCH_MS`, 16 bits of shard and 8 bits of sequence. Up to v1.14 the
milliseconds were shifted by only 16 bits, and the shard overlaps their lowest 8 bits, so that start
time is accurate to within 256 milliseconds. The size of an id distinguishes the two layouts.
"""

from __future__ import annotations

EPOCH_MS = 1_550_000_000_000
"""The epoch of OpenReplay's session ids: 12 February 2019, in milliseconds since 1970."""

_SMALLEST_OF_TODAY = 10**17


def session_start_ms(session_id: int) -> int:
    """Return when the session began, in milliseconds since 1970; never before :data:`EPOCH_MS`.

    >>> session_start_ms(2516582400000315960)
    1700000000000
    >>> session_start_ms(7825692707225415)
    1669410594287
    """
    shift = 24 if session_id >= _SMALLEST_OF_TODAY else 16
    return EPOCH_MS + (session_id >> shift)
