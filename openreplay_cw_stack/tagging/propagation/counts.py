"""What went wrong without anybody hearing of it: counted in this process, never logged."""

from __future__ import annotations

import threading

IGNORED_HEADERS = "ignored_headers"
"""Headers that held no session token, or several, and were ignored."""

UNVERIFIED_HEADERS = "unverified_headers"
"""Headers with a session token that was not signed with the token secret, and were ignored."""

UNTAGGED_TEXTS = "untagged_texts"
"""Texts that left as they were because tagging them failed."""

FAILED_CLEANUPS = "failed_cleanups"
"""Ends of work after which something could not be put right, such as a line on a full disk."""

_counts = dict.fromkeys((IGNORED_HEADERS, UNVERIFIED_HEADERS, UNTAGGED_TEXTS, FAILED_CLEANUPS), 0)
_lock = threading.Lock()


def count(name: str) -> None:
    """Count one more."""
    with _lock:
        _counts[name] += 1


def counts() -> dict[str, int]:
    """What has been counted in this process, by name.

    ``ignored_headers``: requests whose header held no session token. ``unverified_headers``:
    requests whose token was not signed with ``token_secret``; where that is every request, the
    secret is another OpenReplay's. ``untagged_texts``: texts that left untagged because tagging
    them failed; any other number than 0 is a fault of this package. ``failed_cleanups``: ends of
    requests after which the last line could not be written.
    """
    with _lock:
        return dict(_counts)
