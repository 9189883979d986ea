"""The CORS headers that allow a browser to send the session token to another origin.

The token's header is not CORS-safelisted. A browser therefore sends a preflight OPTIONS request
first, and does not send the real request unless the response allows the header (Fetch standard,
"CORS-preflight fetch").
"""

from __future__ import annotations

from collections.abc import Sequence

from openreplay_cw_stack.tagging.propagation.session import HEADER_NAME

CORS_ALLOW_HEADERS = (HEADER_NAME,)
"""The headers that ``Access-Control-Allow-Headers`` must name, besides your own."""


def cors_allow_headers(*others: str, header_name: str = HEADER_NAME) -> list[str]:
    """Return the headers for ``Access-Control-Allow-Headers``: yours and the token's, each once.

    >>> cors_allow_headers("Content-Type")
    ['Content-Type', 'X-OpenReplay-SessionToken']
    """
    return _each_once([*others, header_name])


def _each_once(names: Sequence[str]) -> list[str]:
    seen: dict[str, str] = {}
    for name in names:
        seen.setdefault(name.lower(), name)
    return list(seen.values())
