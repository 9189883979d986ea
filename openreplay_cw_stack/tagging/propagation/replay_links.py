"""Link to the replay of the current request, for error pages, tickets and error trackers."""

from __future__ import annotations

import os

from openreplay_cw_stack.tagging.propagation.context import current_session
from openreplay_cw_stack.tagging.replay_url import (
    REPLAY_URL_VARIABLE,
    checked_replay_url,
)
from openreplay_cw_stack.tagging.replay_url import replay_url as link_of

_template: str | None = None


def set_replay_url(template: str | None) -> None:
    """Set the template of replay links; None uses the environment variable.

    Raises:
        ValueError: the template is invalid (:func:`.checked_replay_url`).
    """
    global _template
    _template = None if template is None else checked_replay_url(template)


def replay_url() -> str | None:
    """Return the link to the current session's replay; None without a session or a template.

    The template comes from ``install(replay_url=...)`` or the environment variable
    ``OPENREPLAY_REPLAY_URL``, such as ``https://openreplay.example/5/session/{session}``. The link
    is not a credential: OpenReplay asks for a login.
    """
    session = current_session()
    if session is None:
        return None
    try:
        template = _template or checked_replay_url(os.environ.get(REPLAY_URL_VARIABLE, ""))
    except ValueError:
        return None
    return link_of(template, session.session_id)
