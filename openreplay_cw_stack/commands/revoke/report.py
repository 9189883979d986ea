"""What was revoked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Revoked:
    """What was done, and what a person has to do. No key is in it.

    Attributes:
        key: ``api`` or ``access``.
        done: what was done.
        to_do: what is left to do.
    """

    key: str
    done: Sequence[str]
    to_do: Sequence[str]
