"""A secret with its versions, as Secrets Manager keeps them.

AWS documentation, "Lambda rotation function": a rotation makes a version with the staging label
``AWSPENDING``, whose id is the request's token; its value can be put once. Moving ``AWSCURRENT``
to it puts ``AWSPREVIOUS`` on the version that had it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

CURRENT = "AWSCURRENT"
PREVIOUS = "AWSPREVIOUS"
PENDING = "AWSPENDING"

DISABLED_TAG = "openreplay-cw-stack:disabled"
"""The version whose key was disabled, a blank, and when."""


class AlreadyStored(Exception):
    """The version has another value already."""


@dataclass(frozen=True)
class SecretState:
    """A secret's versions and what we have noted of them.

    Attributes:
        stages: the staging labels by version id; versions without any are not in it.
        tags: of the secret.
        created: when the secret was made, in seconds since 1970.
    """

    stages: Mapping[str, frozenset[str]]
    tags: Mapping[str, str] = field(default_factory=dict)
    created: float = 0.0

    def version(self, stage: str) -> str | None:
        """The id of the version that has a staging label."""
        return next((one for one, stages in self.stages.items() if stage in stages), None)


@dataclass(frozen=True)
class StoredValue:
    """The value of a version.

    Attributes:
        document: the JSON object; empty where it is none.
        created: when the version was made, in seconds since 1970.
    """

    document: Mapping[str, str] = field(repr=False)
    created: float


class Secret(Protocol):
    """One secret. Every call may raise :class:`CallFailed`."""

    def state(self) -> SecretState:
        """Its versions and tags as they are now."""

    def value(self, version_id: str) -> StoredValue | None:
        """The value of a version; None where it has none."""

    def put(self, version_id: str, document: Mapping[str, str], stage: str = PENDING) -> None:
        """Give a version its value. Raises :class:`AlreadyStored`."""

    def move(self, stage: str, *, to: str, out_of: str | None) -> None:
        """Move a staging label to a version."""

    def remove(self, stage: str, *, out_of: str) -> None:
        """Take a staging label away from a version."""

    def tag(self, key: str, value: str) -> None:
        """Note something on the secret."""

    def rotate(self) -> None:
        """Have Secrets Manager rotate it now."""
