"""The address of a replay in OpenReplay's player.

``https://<host>/<project id>/session/<session id>``, without a slash at its end, from OpenReplay
v1.0.0 to v1.27.0 (``frontend/app/routes.ts``: ``session`` and ``withSiteId``).
"""

from __future__ import annotations

from urllib.parse import urlsplit

SESSION_PLACEHOLDER = "{session}"
"""What the session id takes the place of."""

REPLAY_URL_VARIABLE = "OPENREPLAY_REPLAY_URL"
"""Environment variable: the template of replay links, for backends and commands."""

EXAMPLE = "https://openreplay.example/5/session/{session}"
"""A template: 5 is the project."""


def checked_replay_url(template: str) -> str:
    """Return a template without blanks around it.

    Raises:
        ValueError: it is not a https:// address with one placeholder. The message says what to
            write, and does not quote the template.
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
    """Return the template for a project of the OpenReplay at an address."""
    return f"{openreplay_url.rstrip('/')}/{project_id}/session/{SESSION_PLACEHOLDER}"


def replay_url(template: str, session_id: int) -> str:
    """Return the link of a session's replay."""
    return template.replace(SESSION_PLACEHOLDER, str(session_id))
