"""From one process to another: job queues, and requests to other services of yours."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from openreplay_cw_stack.tagging.propagation.context import current_session, use_session
from openreplay_cw_stack.tagging.propagation.scopes import ongoing_scope
from openreplay_cw_stack.tagging.propagation.session import HEADER_NAME, HeaderReader, Session

_READER = HeaderReader()


def outgoing_headers() -> dict[str, str]:
    """Headers that name the session of the work at hand; none where there is no session token.

    For the message of a job, and for requests to other services of your own. The session token is
    the visitor's credential: send it to nobody else.

    Celery sends the next step of a chain, a link and the body of a chord when the task's own work
    has ended: their session is the one of the job at hand.
    """
    session = current_session()
    if session is None and ongoing_scope() is None:
        session = _session_of_celerys_job()
    return {} if session is None or session.token is None else {HEADER_NAME: session.token}


def use_headers(headers: Mapping[str, object] | None) -> use_session:
    """Work for the session that a job's headers name, in a ``with`` statement.

    The headers are those of :func:`outgoing_headers`; the case of their names does not matter.
    Headers without one: the work is nobody's. None: the same, except in a Celery task that another
    one calls, such as a ``link_error``, which works for the session of the job at hand.
    """
    return use_session(_session_of_celerys_job() if headers is None else _read(headers))


def _read(headers: Mapping[str, object]) -> Session | None:
    wanted = HEADER_NAME.lower()
    values = [value for name, value in headers.items() if str(name).lower() == wanted]
    return _READER.read(lambda _: values)


def _session_of_celerys_job() -> Session | None:
    """The session of the job that Celery works on in this thread; None where it works on none."""
    celery: Any = sys.modules.get("celery._state")
    try:
        request = celery.get_current_worker_task().request
        if request.headers is None:
            # Called without a message, in the midst of the sender's own work.
            return current_session() if request.is_eager else None
        return _read(request.headers)
    except Exception:
        return None
