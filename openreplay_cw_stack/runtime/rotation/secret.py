"""A secret and its versions in Secrets Manager.

AWS documentation, "Lambda rotation function": a rotation creates a version with the staging label
``AWSPENDING``. The version's id is the request's token, and its value can be set only once. Moving
``AWSCURRENT`` to this version moves ``AWSPREVIOUS`` to the version that was current before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

CURRENT = "AWSCURRENT"
PREVIOUS = "AWSPREVIOUS"
PENDING = "AWSPENDING"

DISABLED_TAG = "openreplay-cw-stack:disabled"
"""The version whose key was disabled, a blank, and the time; or the word "enabled" instead of the
time if the key was re-enabled by hand."""

WATCHED_TAG = "openreplay-cw-stack:watched"
"""The version whose key is disabled if it is no longer used, a blank, and the start of that watch.
"""

ASKED_TAG = "openreplay-cw-stack:asked-at"
"""When unfinished runs of the rotation requested keys from IAM: times separated by blanks."""

# AWS Secrets Manager API reference, "Tag": a value has at most 256 characters.
_NOTED_TIMES = 10


class AlreadyStored(Exception):
    """The version already has another value."""


@dataclass(frozen=True)
class SecretState:
    """The versions and the tags of a secret.

    Attributes:
        stages: the staging labels by version id, for versions that have labels.
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
        document: the string members of the JSON object; empty if the value is not a JSON object.
        created: when the version was created, in seconds since 1970.
    """

    document: Mapping[str, str] = field(repr=False)
    created: float


class Secret(Protocol):
    """One secret. Every call can raise :class:`CallFailed`."""

    def state(self) -> SecretState:
        """Return the versions and the tags."""

    def value(self, version_id: str) -> StoredValue | None:
        """Return the value of a version, or None if it has none."""

    def put(self, version_id: str, document: Mapping[str, str], stage: str = PENDING) -> None:
        """Store the value of a version. Raises :class:`AlreadyStored`."""

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
    """The version that a rotation creates. Every call can raise :class:`CallFailed`.

    Attributes:
        secret: the secret.
        token: the version's id.
        asked_at: when unfinished runs requested keys from IAM.
        clock: returns the time in seconds since 1970.
    """

    secret: Secret
    token: str
    asked_at: Sequence[float]
    clock: Callable[[], float] = field(repr=False)

    def announce(self) -> None:
        """Record on the secret that a key is about to be created."""
        self._record([*self.asked_at, self.clock()])

    def conclude(self) -> None:
        """Remove that record when the key is stored or deleted."""
        self._record(self.asked_at)

    def store(self, document: Mapping[str, str]) -> None:
        """Store the version's value. Raises :class:`AlreadyStored` if another run did."""
        self.secret.put(self.token, document)

    def is_stored(self) -> bool:
        """Return whether the version has a value."""
        return self.secret.value(self.token) is not None

    def _record(self, times: Sequence[float]) -> None:
        self.secret.tag(ASKED_TAG, " ".join(f"{one:.0f}" for one in times[-_NOTED_TIMES:]))
