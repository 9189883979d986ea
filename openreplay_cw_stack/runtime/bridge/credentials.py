"""Who may ask: the bridge's API key.

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

KEPT_SECONDS = 300.0
"""How long keys that were read are kept before they are read again."""

REFRESH_SECONDS = 60.0
"""How long a wrong key, or a failure, keeps the next one from causing another read."""

_AUTHORIZATION = re.compile(
    r"\s*(?:apikey|basic)\s+([0-9A-Za-z+/_-]{1,2048}={0,2})\s*", re.IGNORECASE | re.ASCII
)


class KeysUnavailable(Exception):
    """The keys could not be read, now or before. The message is the error's code alone."""


@dataclass(frozen=True)
class ApiKey:
    """An id and a key, as OpenReplay's form has them."""

    api_key_id: str
    api_key: str = field(repr=False)

    def digest(self) -> bytes:
        """What is compared: of one length, whatever was sent."""
        joined = f"{self.api_key_id}\0{self.api_key}".encode("utf-8", "replace")
        return hashlib.sha256(joined).digest()


class KeysReader(Protocol):
    """Reads the keys that are accepted: the current one, and the previous while there is one."""

    def __call__(self) -> Sequence[ApiKey]:
        """The keys. Raises :class:`KeysUnavailable`."""


def parse_authorization(header: str) -> ApiKey | None:
    """The id and key of an Authorization header; None where it is none of ours."""
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
    """The accepted keys, as last read."""

    def __init__(self, read: KeysReader, clock: Callable[[], float]) -> None:
        self._read = read
        self._clock = clock
        self._digests: list[bytes] = []
        self._read_at = float("-inf")
        self._tried_at = float("-inf")

    def accept(self, offered: ApiKey) -> bool:
        """Whether a key is right; compared in constant time.

        A wrong key may be one that is newer than ours: the keys are read again then, at most once
        a minute.

        Raises:
            KeysUnavailable: there are no keys to compare with.
        """
        if self._clock() - self._read_at >= KEPT_SECONDS:
            self._refresh()
        if self._matches(offered):
            return True
        return self._refresh() and self._matches(offered)

    def _matches(self, offered: ApiKey) -> bool:
        digest = offered.digest()
        # Every key is compared, so that the time does not say which one was right.
        return sum(hmac.compare_digest(digest, one) for one in self._digests) > 0

    def _refresh(self) -> bool:
        now = self._clock()
        if now - self._tried_at < REFRESH_SECONDS:
            if not self._digests:
                raise KeysUnavailable("tried less than a minute ago")
            return False
        self._tried_at = now
        try:
            keys = self._read()
        except KeysUnavailable:
            if not self._digests:
                raise
            return False
        self._digests = [key.digest() for key in keys]
        self._read_at = now
        return True
