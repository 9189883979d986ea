"""Session tokens for tests: minted as OpenReplay does, with a secret of our own."""

from __future__ import annotations

from hypothesis import strategies as st

from openreplay_cw_stack.tagging import compose_token
from openreplay_cw_stack.tagging.session_id import EPOCH_MS

TOKEN_SECRET = b"a-secret-for-tests"
SESSION_ID = 4118144119896553030
NOW_MS = 1_795_464_000_000
EXPIRES_MS = NOW_MS + 3_600_000

unsigned_64 = st.integers(0, 2**64 - 1)
signed_64 = st.integers(-(2**63), 2**63 - 1)
times_ms = st.integers(0, 2**63 - 1)


def a_token(
    *,
    session_id: int = SESSION_ID,
    delay_ms: int | None = 37,
    expires_ms: int = EXPIRES_MS,
    token_secret: bytes = TOKEN_SECRET,
) -> str:
    return compose_token(
        session_id=session_id,
        delay_ms=delay_ms,
        expires_ms=expires_ms,
        token_secret=token_secret,
    )


def session_of(start_ms: int, sequence: int = 7) -> int:
    """The id of a session that began at a time, in milliseconds since 1970."""
    return (start_ms - EPOCH_MS << 24) | sequence


tokens = st.builds(
    a_token,
    session_id=unsigned_64,
    delay_ms=st.none() | signed_64,
    expires_ms=times_ms,
    token_secret=st.binary(min_size=1, max_size=40),
)

# Tokens as OpenReplay mints them: a flake id, a clock difference, an expiry in our time.
minted_tokens = st.builds(
    a_token,
    session_id=st.integers(10**15, 2**63),
    delay_ms=st.none() | st.integers(-(10**8), 10**8),
    expires_ms=st.integers(10**12, 2 * 10**12),
    token_secret=st.binary(min_size=1, max_size=40),
)
