"""Propagation: every log line of a request carries the session tag of that request's visitor.

>>> import logging
>>> from openreplay_cw_stack.tagging import propagation
>>> propagation.install()

Then wrap the application in :class:`WSGIMiddleware`, :class:`ASGIMiddleware` or
:func:`tag_lambda_handler`. Standard library only. Propagation never raises into the application.
"""

from __future__ import annotations

from openreplay_cw_stack.tagging.propagation.asgi import ASGIMiddleware
from openreplay_cw_stack.tagging.propagation.aws_lambda import session_of_event, tag_lambda_handler
from openreplay_cw_stack.tagging.propagation.context import (
    carry,
    current_session,
    current_tag,
    use_session,
    use_session_token,
)
from openreplay_cw_stack.tagging.propagation.cors import CORS_ALLOW_HEADERS, cors_allow_headers
from openreplay_cw_stack.tagging.propagation.counts import counts as propagation_counts
from openreplay_cw_stack.tagging.propagation.installation import install, uninstall
from openreplay_cw_stack.tagging.propagation.job_headers import outgoing_headers, use_headers
from openreplay_cw_stack.tagging.propagation.replay_links import replay_url
from openreplay_cw_stack.tagging.propagation.session import (
    HEADER_NAME,
    SESSION_ID_HEADER_NAME,
    HeaderReader,
    Session,
)
from openreplay_cw_stack.tagging.propagation.structured import add_session_tag
from openreplay_cw_stack.tagging.propagation.wsgi import WSGIMiddleware

__all__ = [
    "CORS_ALLOW_HEADERS",
    "HEADER_NAME",
    "SESSION_ID_HEADER_NAME",
    "ASGIMiddleware",
    "HeaderReader",
    "Session",
    "WSGIMiddleware",
    "add_session_tag",
    "carry",
    "cors_allow_headers",
    "current_session",
    "current_tag",
    "install",
    "outgoing_headers",
    "propagation_counts",
    "replay_url",
    "session_of_event",
    "tag_lambda_handler",
    "uninstall",
    "use_headers",
    "use_session",
    "use_session_token",
]
