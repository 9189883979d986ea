"""Parses points in time."""

from __future__ import annotations

import argparse
import re
from datetime import datetime, timezone

_AGO = re.compile(r"(\d{1,6})([smhd])", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def parse_time(text: str, now: float) -> int:
    """Parse ``24h``, ``7d`` or ``2026-11-28T10:00:00Z`` into milliseconds since 1970.

    Args:
        text: a number of seconds, minutes, hours or days ago; or a time in ISO 8601, which is in
            UTC if it has no time zone.
        now: seconds since 1970.

    Raises:
        argparse.ArgumentTypeError: the text is not a time.
    """
    ago = _AGO.fullmatch(text)
    if ago:
        return max(0, int(1000 * (now - int(ago.group(1)) * _SECONDS[ago.group(2)])))
    try:
        # Python 3.10 does not parse a Z.
        time = datetime.fromisoformat(re.sub(r"[zZ]\Z", "+00:00", text))
        if time.tzinfo is None:
            time = time.replace(tzinfo=timezone.utc)
        return max(0, round(1000 * time.timestamp()))
    except (ValueError, OverflowError, OSError):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a time: give 24h, 7d, or 2026-11-28T10:00:00Z"
        ) from None
