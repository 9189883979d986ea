from __future__ import annotations

import pytest

from openreplay_cw_stack.commands.terminal import clean, clean_lines, days_ago, days_old
from openreplay_cw_stack.tagging import token_tag
from tests.tagging.tokens import a_token


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            "2026-11-24T03:11:49.123Z\t6f1c\tERROR\tno stock",
            "2026-11-24T03:11:49.123Z    6f1c    ERROR   no stock",
        ),
        ("\t/app/ledger.go:57 +0x1d4", "    /app/ledger.go:57 +0x1d4"),
        ("12\u00a0000\u202f€\u3000\u2007", "12 000 €  "),
        ("é 😀 漢", "é 😀 漢"),
        ("\x1b[2J\x00\r\x0b\u2028\u202e", "�[2J�����"),
    ],
)
def test_spaces_become_blanks_and_control_characters_are_replaced(text: str, shown: str) -> None:
    assert clean(text) == shown


def test_each_line_of_a_stack_trace() -> None:
    text = "goroutine 41 [running]:\nmain.Post()\n\t/app/ledger.go:57"
    assert clean_lines(text) == "goroutine 41 [running]:\nmain.Post()\n    /app/ledger.go:57"


def test_a_token_is_removed() -> None:
    assert a_token() not in clean(f"ERROR\t{token_tag(a_token())}")


@pytest.mark.parametrize(
    ("days", "old", "ago"),
    [
        (0, "created today", "today"),
        (1, "1 day old", "1 day ago"),
        (2, "2 days old", "2 days ago"),
    ],
)
def test_ages(days: int, old: str, ago: str) -> None:
    assert (days_old(days), days_ago(days)) == (old, ago)
