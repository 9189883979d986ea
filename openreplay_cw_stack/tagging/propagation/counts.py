"""Counters of suppressed failures, kept in this process and never logged."""

from __future__ import annotations

import threading

IGNORED_HEADERS = "ignored_headers"
"""Headers that were ignored because they held no session token, or several."""

UNVERIFIED_HEADERS = "unverified_headers"
"""Headers that were ignored because the token was not signed with the token secret."""

UNTAGGED_TEXTS = "untagged_texts"
"""Texts that were written without a tag because tagging them failed."""

FAILED_CLEANUPS = "failed_cleanups"
"""Failures to clean up when work ended, such as a last line that did not fit on a full disk."""

_counts = dict.fromkeys((IGNORED_HEADERS, UNVERIFIED_HEADERS, UNTAGGED_TEXTS, FAILED_CLEANUPS), 0)
_lock = threading.Lock()


def count(name: str) -> None:
    """Increment a counter."""
    with _lock:
        _counts[name] += 1


def counts() -> dict[str, int]:
    """Return the counters of this process by name.

    ``ignored_headers``: requests whose header held no session token. ``unverified_headers``:
    requests whose token was not signed with ``token_secret``; if this counts every request, the
    secret belongs to another OpenReplay instance. ``untagged_texts``: texts that were written
    without a tag because tagging them failed; any number above 0 is a bug in this package.
    ``failed_cleanups``: requests whose last line could not be written when they ended.
    """
    with _lock:
        return dict(_counts)
