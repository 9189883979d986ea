"""The link of the replay of the current request: for error pages, tickets and error trackers."""

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
    """Set the template of replay links; None: the environment variable has it.

    Raises:
        ValueError: it is not a template (:func:`.checked_replay_url`).
    """
    global _template
    _template = None if template is None else checked_replay_url(template)


def replay_url() -> str | None:
    """The link of the replay of the current request's session.

    None without a session, and without a template: ``install(replay_url=...)`` or the environment
    variable ``OPENREPLAY_REPLAY_URL``, such as
    ``https://openreplay.example/5/session/{session}``. The link is no credential: who opens it has
    to log in to OpenReplay.
    """
    session = current_session()
    if session is None:
        return None
    try:
        template = _template or checked_replay_url(os.environ.get(REPLAY_URL_VARIABLE, ""))
    except ValueError:
        return None
    return link_of(template, session.session_id)
