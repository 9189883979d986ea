"""The report of a revocation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Revoked:
    """The result of a revocation. It contains no secret key.

    Attributes:
        key: ``api`` or ``access``.
        done: the actions of the command.
        to_do: the actions that are left to the operator.
    """

    key: str
    done: Sequence[str]
    to_do: Sequence[str]
