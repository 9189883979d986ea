"""Build the URL of a replay in OpenReplay's player.

The URL is ``https://<host>/<project id>/session/<session id>``, without a trailing slash, from
OpenReplay v1.0.0 to v1.27.0 (``frontend/app/routes.ts``: ``session`` and ``withSiteId``).
"""

from __future__ import annotations

from urllib.parse import urlsplit

SESSION_PLACEHOLDER = "{session}"
"""The placeholder for the session id."""

REPLAY_URL_VARIABLE = "OPENREPLAY_REPLAY_URL"
"""Environment variable: the template of replay links, for backends and commands."""

EXAMPLE = "https://openreplay.example/5/session/{session}"
"""An example template; 5 is the project id."""


def checked_replay_url(template: str) -> str:
    """Validate a template and return it without surrounding blanks.

    Raises:
        ValueError: it is not an https:// URL with one placeholder. The message says what to write,
            and does not quote the template.
    """
    template = template.strip()
    fix = f"write an https:// address with {SESSION_PLACEHOLDER} once, such as {EXAMPLE}"
    if template.count(SESSION_PLACEHOLDER) != 1 or not template.isprintable() or " " in template:
        raise ValueError(fix)
    try:
        parts = urlsplit(template)
        is_address = parts.scheme == "https" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise ValueError(fix) from None
    if not is_address or SESSION_PLACEHOLDER in parts.netloc or "@" in parts.netloc:
        raise ValueError(fix)
    if "{" in template.replace(SESSION_PLACEHOLDER, ""):
        raise ValueError(fix)
    return template


def replay_url_of_project(openreplay_url: str, project_id: int) -> str:
    """Return the template for a project of the OpenReplay instance at a URL."""
    return f"{openreplay_url.rstrip('/')}/{project_id}/session/{SESSION_PLACEHOLDER}"


def replay_url(template: str, session_id: int) -> str:
    """Return the link of a session's replay."""
    return template.replace(SESSION_PLACEHOLDER, str(session_id))
