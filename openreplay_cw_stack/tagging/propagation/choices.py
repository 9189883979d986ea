"""What a program chooses when it switches the tagging on, checked before anything is changed."""

from __future__ import annotations

import logging
from typing import Literal

Tag = Literal["token", "id"]
"""The session tag of log lines: with the session token, or with the session id."""


def check_tag(tag: object) -> None:
    """Check which session tag is chosen.

    Raises:
        ValueError: it is neither of the two.
    """
    if tag not in ("token", "id"):
        # Not the whole of it: it may be a session token that was put there.
        raise ValueError(f'tag must be "token" or "id", not {tag!r:.12}')


def level_number(level: object) -> int:
    """The number of a level of the ``logging`` module.

    Args:
        level: a number, or the name of a level in either case, also one that the program has added.

    Raises:
        ValueError: it is neither.
    """
    number: object = level
    if isinstance(level, str):
        is_number = level.isdecimal() and len(level) < 10
        found = [int(level)] if is_number else map(logging.getLevelName, _spellings(level))
        number = next((one for one in found if isinstance(one, int)), None)
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        raise ValueError(
            f'level must be a level of the logging module, such as logging.WARNING or "WARNING", '
            f"not {level!r:.40}"
        )
    return number


def _spellings(name: str) -> tuple[str, str]:
    return name, name.upper()
