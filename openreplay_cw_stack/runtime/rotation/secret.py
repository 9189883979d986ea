"""A secret with its versions, as Secrets Manager keeps them.

AWS documentation, "Lambda rotation function": a rotation creates a version with the staging label
``AWSPENDING``, whose id is the request's token; its value can be put once. Moving ``AWSCURRENT``
to it puts ``AWSPREVIOUS`` on the version that had it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

CURRENT = "AWSCURRENT"
PREVIOUS = "AWSPREVIOUS"
PENDING = "AWSPENDING"

DISABLED_TAG = "openreplay-cw-stack:disabled"
"""The version whose key was disabled, a blank, and when; or the word "enabled" if it was enabled
again by hand."""

WATCHED_TAG = "openreplay-cw-stack:watched"
"""The version whose key is disabled if it is not used any more, a blank, and since when."""

ASKED_TAG = "openreplay-cw-stack:asked-at"
"""When runs of the rotation that did not end asked IAM for keys: times with blanks between them."""

# AWS Secrets Manager API reference, "Tag": a value has at most 256 characters.
_NOTED_TIMES = 10


class AlreadyStored(Exception):
    """The version already has another value."""


@dataclass(frozen=True)
class SecretState:
    """The versions and the tags of a secret.

    Attributes:
        stages: the staging labels by version id, of versions that have any.
        tags: the tags.
    """

    stages: Mapping[str, frozenset[str]]
    tags: Mapping[str, str] = field(default_factory=dict)

    def version(self, stage: str) -> str | None:
        """Return the id of the version that has a staging label."""
        return next((one for one, stages in self.stages.items() if stage in stages), None)


@dataclass(frozen=True)
class StoredValue:
    """The value of a version.

    Attributes:
        document: the texts in the JSON object; empty if the value is not a JSON object.
        created: when the version was created, in seconds since 1970.
    """

    document: Mapping[str, str] = field(repr=False)
    created: float


class Secret(Protocol):
    """One secret. Every call may raise :class:`CallFailed`."""

    def state(self) -> SecretState:
        """Return the versions and the tags."""

    def value(self, version_id: str) -> StoredValue | None:
        """Return the value of a version, or None if it has none."""

    def put(self, version_id: str, document: Mapping[str, str], stage: str = PENDING) -> None:
        """Give a version its value. Raises :class:`AlreadyStored`."""

    def move(self, stage: str, *, to: str, out_of: str | None) -> None:
        """Move a staging label to a version."""

    def remove(self, stage: str, *, out_of: str) -> None:
        """Remove a staging label from a version."""

    def tag(self, key: str, value: str) -> None:
        """Set a tag."""

    def rotate(self) -> None:
        """Ask Secrets Manager to rotate the secret now."""


@dataclass(frozen=True)
class PendingVersion:
    """The version that a rotation creates. Every call may raise :class:`CallFailed`.

    Attributes:
        secret: the secret.
        token: the version's id.
        asked_at: when runs that did not end asked IAM for keys.
        clock: returns the seconds since 1970.
    """

    secret: Secret
    token: str
    asked_at: Sequence[float]
    clock: Callable[[], float] = field(repr=False)

    def announce(self) -> None:
        """Record on the secret that a key is created now."""
        self._record([*self.asked_at, self.clock()])

    def conclude(self) -> None:
        """Remove that record: the key is stored, or deleted again."""
        self._record(self.asked_at)

    def store(self, document: Mapping[str, str]) -> None:
        """Give the version its value. Raises :class:`AlreadyStored` if another run did."""
        self.secret.put(self.token, document)

    def is_stored(self) -> bool:
        """Return whether the version has a value."""
        return self.secret.value(self.token) is not None

    def _record(self, times: Sequence[float]) -> None:
        self.secret.tag(ASKED_TAG, " ".join(f"{one:.0f}" for one in times[-_NOTED_TIMES:]))
