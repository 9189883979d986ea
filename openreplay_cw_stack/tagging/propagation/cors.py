"""CORS: what a server must answer before a browser sends the header to another origin.

The header is not one of those that every request may have. So a browser asks first, with an OPTIONS
request, and sends nothing where the answer does not name it (Fetch standard, "CORS-preflight
fetch").
"""

from __future__ import annotations

from collections.abc import Sequence

from openreplay_cw_stack.tagging.propagation.session import HEADER_NAME

CORS_ALLOW_HEADERS = (HEADER_NAME,)
"""What ``Access-Control-Allow-Headers`` must name, beside your own."""


def cors_allow_headers(*others: str, header_name: str = HEADER_NAME) -> list[str]:
    """The headers for ``Access-Control-Allow-Headers``: yours and the session token's, each once.

    >>> cors_allow_headers("Content-Type")
    ['Content-Type', 'X-OpenReplay-SessionToken']
    """
    return _each_once([*others, header_name])


def _each_once(names: Sequence[str]) -> list[str]:
    seen: dict[str, str] = {}
    for name in names:
        seen.setdefault(name.lower(), name)
    return list(seen.values())
