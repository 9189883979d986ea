"""OpenReplay's projects: their URLs, their names, and the key that each of them has.

Tags on a key's secret record the version of the key that each project has, and the time until which
the rotation itself used a key. The rotation reads these tags: a key stays valid until the next one
is registered, or until a reader uses the next one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import SplitResult, urlsplit

TESTED_AT_TAG = "openreplay-cw-stack:tested-at"
"""A tag on a key's secret: the latest time at which the rotation itself used the newest key, in
seconds since 1970.

The rotation writes it before it uses the key, so that its own use is never mistaken for a reader's.
"""

_PREFIX = "openreplay-cw-stack:notified:"
_ALLOWED = re.compile(r"[^A-Za-z0-9.:/_+=@-]")


def checked_url(url: str, *, insecure: bool = False) -> SplitResult:
    """Parse and validate a server's URL.

    Args:
        url: such as ``https://openreplay.example``, with or without a path.
        insecure: allow ``http://``, which is not encrypted.

    Raises:
        ValueError: it is not a URL, is not encrypted, or contains credentials.
    """
    parts = urlsplit(url.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(
            f"{url.strip()!r} is not an address: write https:// and the host, such as "
            "https://openreplay.example"
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError(
            "the address contains a user, a password, a query or a fragment: leave them out"
        )
    if parts.scheme == "http" and not insecure:
        raise ValueError(
            f"http://{parts.hostname} is not encrypted and would receive credentials: use "
            "https://, or allow it with insecure"
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
