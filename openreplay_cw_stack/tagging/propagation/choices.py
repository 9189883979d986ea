"""Validate the arguments of ``install()`` before it changes anything."""

from __future__ import annotations

import logging
from typing import Literal

Tag = Literal["token", "id"]
"""The kind of session tag in log lines: the session token or the session id."""


def check_tag(tag: object) -> None:
    """Validate the kind of session tag.

    Raises:
        ValueError: it is neither ``"token"`` nor ``"id"``.
    """
    if tag not in ("token", "id"):
        # Quote only the beginning: the value may be a session token by mistake.
        raise ValueError(f'tag must be "token" or "id", not {tag!r:.12}')


def level_number(level: object) -> int:
    """Return the number of a level of the ``logging`` module.

    Args:
        level: a number, or the name of a standard or custom level in upper or lower case.

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
