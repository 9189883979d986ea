"""Checks the API key of a request.

OpenReplay's Elasticsearch integration sends ``Authorization: APIKey base64(id:key)``, with that
capital I, or ``Basic`` where its URL has a user (go-elasticsearch v8, facts of
``backend/pkg/integrations/clients/elastic.go`` at tags v1.21.0 to v1.27.0).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from openreplay_cw_stack.contract.limits import KEY_REFRESH_SECONDS

KEPT_SECONDS = 300.0
"""How long keys are used before they are read again."""

_AUTHORIZATION = re.compile(
    r"\s*(?:apikey|basic)\s+([0-9A-Za-z+/_-]{1,2048}={0,2})\s*", re.IGNORECASE | re.ASCII
)


class KeysUnavailable(Exception):
    """The keys cannot be read. The message is only a code."""


@dataclass(frozen=True)
class ApiKey:
    """An id and a key, as OpenReplay's form has them."""

    api_key_id: str
    api_key: str = field(repr=False)

    def digest(self) -> bytes:
        """Return the digest that is compared. Its length does not depend on the key."""
        joined = f"{self.api_key_id}\0{self.api_key}".encode("utf-8", "replace")
        return hashlib.sha256(joined).digest()


@dataclass(frozen=True)
class KeyVersion:
    """A key that is accepted, and the version of the secret that it stands in."""

    version_id: str
    key: ApiKey


@dataclass(frozen=True)
class Acceptance:
    """An accepted key.

    Attributes:
        version_id: the version of the secret that it stands in.
        is_one_of_several: whether others are accepted as well, so that it matters which is used.
    """

    version_id: str
    is_one_of_several: bool


class KeysReader(Protocol):
    """Reads the keys that are accepted.

    The current one, one that is about to become current, and for a time the previous one.
    """

    def __call__(self) -> Sequence[KeyVersion]:
        """Return the keys, the current one first. Raises :class:`KeysUnavailable`."""


def parse_authorization(header: str) -> ApiKey | None:
    """Return the id and key of an Authorization header, or None if it has another form."""
    match = _AUTHORIZATION.fullmatch(header)
    if match is None:
        return None
    text = match.group(1).translate(str.maketrans("-_", "+/")).rstrip("=")
    try:
        decoded = base64.b64decode(text + "=" * (-len(text) % 4), validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    api_key_id, separator, api_key = decoded.partition(":")
    if not separator or not api_key_id or not api_key:
        return None
    return ApiKey(api_key_id, api_key)


class ApiKeys:
    """The accepted keys, as last read.

    A key that becomes current is read while it is pending. A rotation waits longer than a wrong key
    delays the next read, so that every running bridge knows the key.
    """

    def __init__(
        self,
        read: KeysReader,
        clock: Callable[[], float],
        *,
        refresh_seconds: float = KEY_REFRESH_SECONDS,
    ) -> None:
        """Read keys with ``read``.

        Args:
            read: reads the keys.
            clock: returns seconds of a monotonic clock.
            refresh_seconds: how long a wrong key, or a failure, delays the next read.
        """
        self._read = read
        self._clock = clock
        self._refresh_seconds = refresh_seconds
        self._digests: list[tuple[str, bytes]] = []
        self._read_at = float("-inf")
        self._tried_at = float("-inf")
        self._last_try_failed = False

    def accept(self, offered: ApiKey) -> Acceptance | None:
        """Return the version of an offered key, or None if it is not accepted.

        The comparison takes constant time. An unknown key may be newer than the known ones: the
        keys are read again then, at most once in ``refresh_seconds``.

        Raises:
            KeysUnavailable: there are no keys to compare with, or newer ones could not be read.
        """
        if self._clock() - self._read_at >= KEPT_SECONDS:
            self._refresh()
        found = self._matching(offered)
        if found is None and self._refresh():
            found = self._matching(offered)
        if found is None and self._last_try_failed:
            raise KeysUnavailable("they could not be read again")
        return found

    def _matching(self, offered: ApiKey) -> Acceptance | None:
        digest = offered.digest()
        # Every key is compared, so that the time does not reveal which one matched.
        matching = [
            version_id for version_id, one in self._digests if hmac.compare_digest(digest, one)
        ]
        return Acceptance(matching[0], len(self._digests) > 1) if matching else None

    def _refresh(self) -> bool:
        now = self._clock()
        if now - self._tried_at < self._refresh_seconds:
            if not self._digests:
                raise KeysUnavailable("tried a moment ago")
            return False
        self._tried_at = now
        try:
            keys = self._read()
        except KeysUnavailable:
            self._last_try_failed = True
            if not self._digests:
                raise
            return False
        self._last_try_failed = False
        self._digests = [(one.version_id, one.key.digest()) for one in keys]
        self._read_at = now
        return True
