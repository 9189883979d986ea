"""Check the API key of a request.

OpenReplay's Elasticsearch integration sends ``Authorization: APIKey base64(id:key)``, spelled
``APIKey``, or ``Basic`` if its URL has a user (go-elasticsearch v8, and
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

_AUTHORIZATION = re.compile(
    r"\s*(?:apikey|basic)\s+([0-9A-Za-z+/_-]{1,2048}={0,2})\s*", re.IGNORECASE | re.ASCII
)


class KeysUnavailable(Exception):
    """The keys could not be read, so a key cannot be checked. The message is an error code."""


@dataclass(frozen=True)
class ApiKey:
    """The id and the key of OpenReplay's form."""

    api_key_id: str
    api_key: str = field(repr=False)

    def digest(self) -> bytes:
        """Return the digest for comparisons. Its length does not depend on the key."""
        joined = f"{self.api_key_id}\0{self.api_key}".encode("utf-8", "replace")
        return hashlib.sha256(joined).digest()


@dataclass(frozen=True)
class KeyVersion:
    """An accepted key, and the version of the secret that holds it."""

    version_id: str
    key: ApiKey


@dataclass(frozen=True)
class Acceptance:
    """An accepted key.

    Attributes:
        version_id: the version of the secret that holds it.
        is_one_of_several: whether other keys are accepted too, so that uses are counted per key.
    """

    version_id: str
    is_one_of_several: bool


@dataclass(frozen=True)
class KeysRead:
    """The result of reading the keys.

    Attributes:
        keys: the keys, the current one first. Empty if the secret is deleted, or if the function
            has no permission to read it.
        failure: the error code if a key may be missing, for example after a throttled call; None if
            all keys were read.
    """

    keys: Sequence[KeyVersion]
    failure: str | None = None


class KeysReader(Protocol):
    """Reads the accepted keys.

    These are the current key, a pending key and, for a limited time, the previous key.
    """

    def __call__(self) -> KeysRead:
        """Read the keys. Never raises."""


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
    """The accepted keys, reloaded every ``refresh_seconds``.

    A revoked key is refused after at most that long. A rotation publishes its pending key and waits
    longer than ``refresh_seconds``, so every bridge knows it before it becomes current.
    """

    def __init__(
        self,
        read: KeysReader,
        clock: Callable[[], float],
        *,
        refresh_seconds: float = KEY_REFRESH_SECONDS,
        on_failure: Callable[[str], None] = lambda _code: None,
    ) -> None:
        """Read keys with ``read``.

        Args:
            read: reads the keys.
            clock: returns seconds of a monotonic clock.
            refresh_seconds: how long keys are used before they are read again.
            on_failure: takes the code of a read that failed in whole or in part.
        """
        self._read = read
        self._clock = clock
        self._refresh_seconds = refresh_seconds
        self._on_failure = on_failure
        self._digests: dict[str, bytes] = {}
        self._read_at = float("-inf")
        self._failure: str | None = None

    def accept(self, offered: ApiKey) -> Acceptance | None:
        """Return the version of an offered key, or None if it is not accepted.

        The comparison takes constant time.

        Raises:
            KeysUnavailable: the key is unknown, but the last read failed, so it may be valid.
        """
        now = self._clock()
        if now - self._read_at >= self._refresh_seconds:
            self._read_at = now
            self._refresh()
        found = self._matching(offered)
        if found is None and self._failure is not None:
            raise KeysUnavailable(self._failure)
        return found

    def _matching(self, offered: ApiKey) -> Acceptance | None:
        digest = offered.digest()
        # Compare every key, so that the time does not reveal which one matched.
        matching = [
            version_id
            for version_id, one in self._digests.items()
            if hmac.compare_digest(digest, one)
        ]
        return Acceptance(matching[0], len(self._digests) > 1) if matching else None

    def _refresh(self) -> None:
        read = self._read()
        digests = {one.version_id: one.key.digest() for one in read.keys}
        if read.failure is not None:
            # A throttled call must not reject a key that was valid before.
            digests = {**self._digests, **digests}
            self._on_failure(read.failure)
        self._digests, self._failure = digests, read.failure
