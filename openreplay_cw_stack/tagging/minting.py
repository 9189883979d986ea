"""Mint session tokens as OpenReplay does, for tests and demonstrations."""

from __future__ import annotations

from openreplay_cw_stack.tagging.grammar import BASE58, SIGNED_64, UNSIGNED_64, sign

_BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"


def compose_token(
    *, session_id: int, expires_ms: int, token_secret: bytes, delay_ms: int | None = 0
) -> str:
    """Mint a session token as OpenReplay does.

    Args:
        session_id: 0 to 2**64 - 1.
        expires_ms: milliseconds since 1970, 0 to 2**63 - 1.
        token_secret: OpenReplay's ``TOKEN_SECRET``.
        delay_ms: -2**63 to 2**63 - 1; None mints the older, three-part format.

    Raises:
        ValueError: a number is out of range.
    """
    if not 0 <= session_id <= UNSIGNED_64:
        raise ValueError(f"session_id must be 0 to 2**64 - 1, not {session_id}")
    if not 0 <= expires_ms <= SIGNED_64:
        raise ValueError(f"expires_ms must be 0 to 2**63 - 1, not {expires_ms}")
    if delay_ms is not None and not -SIGNED_64 - 1 <= delay_ms <= SIGNED_64:
        raise ValueError(f"delay_ms must be -2**63 to 2**63 - 1, not {delay_ms}")
    numbers = [session_id, expires_ms] if delay_ms is None else [session_id, delay_ms, expires_ms]
    signed_text = ".".join(map(_encode_base36, numbers))
    return f"{signed_text}.{_encode_base58(sign(signed_text, token_secret))}"


def _encode_base36(number: int) -> str:
    sign, number = ("-", -number) if number < 0 else ("", number)
    digits = ""
    while number or not digits:
        number, digit = divmod(number, 36)
        digits = _BASE36[digit] + digits
    return sign + digits


def _encode_base58(data: bytes) -> str:
    number = int.from_bytes(data, "big")
    digits = ""
    while number:
        number, digit = divmod(number, 58)
        digits = BASE58[digit] + digits
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + digits
