from __future__ import annotations

import argparse

import pytest

from openreplay_cw_stack.commands.backfill.times import parse_time
from tests.commands.backfill.support import (
    HOUR_MS,
    NOW_MS,
)
from tests.commands.support import NOW


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("90s", NOW_MS - 90_000),
        ("24h", NOW_MS - 24 * HOUR_MS),
        ("7d", NOW_MS - 7 * 24 * HOUR_MS),
        ("2026-11-23T12:00:00Z", 1_795_435_200_000),
        ("2026-11-23T12:00:00.123Z", 1_795_435_200_123),
        ("2026-11-23T13:00:00+01:00", 1_795_435_200_000),
        ("2026-11-23", 1_795_392_000_000),
        ("999999d", 0),
    ],
)
def test_times(text: str, milliseconds: int) -> None:
    assert parse_time(text, NOW) == milliseconds


@pytest.mark.parametrize("text", ["", "24", "h", "-1h", "٢h", "1y", "2026-13-01", "now"])
def test_what_is_not_a_time(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is not a time"):
        parse_time(text, NOW)
