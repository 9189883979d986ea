"""OpenReplay's projects: their addresses, their names, and which key each of them has.

Tags of a key's secret record, for each project, the version whose key the project has, and until
when the rotation itself used a key. The rotation reads them: a key stays valid until the next one
is registered, or used by a reader.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import SplitResult, urlsplit

TESTED_AT_TAG = "openreplay-cw-stack:tested-at"
"""A tag of a key's secret: until when the rotation itself used its newest key at most, in seconds
since 1970.

The rotation writes it before it uses the key, so that its use is never taken for a reader's.
"""

_PREFIX = "openreplay-cw-stack:notified:"
_ALLOWED = re.compile(r"[^A-Za-z0-9.:/_+=@-]")


def checked_url(url: str, *, insecure: bool = False) -> SplitResult:
    """Parse and check a server's address.

    Args:
        url: such as ``https://openreplay.example``, with or without a path.
        insecure: allow ``http://``, which is not encrypted.

    Raises:
        ValueError: it is not an address, is not encrypted, or has credentials in it.
    """
    parts = urlsplit(url.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(
            f"{url.strip()!r} is not an address: write https://, host, and nothing else"
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError(
            "the address has a user, a password, a query or a fragment in it: leave them out"
        )
    if parts.scheme == "http" and not insecure:
        raise ValueError(
            f"http://{parts.hostname} is not encrypted: credentials are sent there; use https://, "
            "or allow it with insecure"
        )
    try:
        parts.port  # noqa: B018
    except ValueError:
        raise ValueError(f"the port in the address of {parts.hostname} is not a number") from None
    return parts


def project_name(url: str, project_id: int) -> str:
    """Return a short name for a project, such as ``openreplay.example/1``.

    It has at most 100 characters, all of which a tag can contain.
    """
    host = urlsplit(url).netloc or url
    return f"{_ALLOWED.sub('_', host)[-80:]}/{project_id}"


def notified_tag(project: str) -> str:
    """Return the key of a project's tag."""
    return f"{_PREFIX}{project}"


def notified_projects(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the version of the key that each project has, by the project's name."""
    return {
        key.removeprefix(_PREFIX): version
        for key, version in tags.items()
        if key.startswith(_PREFIX)
    }
