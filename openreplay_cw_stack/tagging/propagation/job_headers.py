"""Carry the session to other processes: job queues, and requests to your other services."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from openreplay_cw_stack.tagging.propagation.context import current_session, use_session
from openreplay_cw_stack.tagging.propagation.scopes import ongoing_scope
from openreplay_cw_stack.tagging.propagation.session import HEADER_NAME, HeaderReader, Session

_READER = HeaderReader()


def outgoing_headers() -> dict[str, str]:
    """Return headers that name the current session; empty without a session token.

    Add them to job messages and to requests to your own services. The session token is the
    visitor's credential: do not send it to third parties.

    Celery sends the next step of a chain, a link or the body of a chord after the task's own work
    has ended. These get the session of the current job.
    """
    session = current_session()
    if session is None and ongoing_scope() is None:
        session = _session_of_celerys_job()
    return {} if session is None or session.token is None else {HEADER_NAME: session.token}


def use_headers(headers: Mapping[str, object] | None) -> use_session:
    """Run a ``with`` block in the session that a job's headers name.

    Pass the headers from :func:`outgoing_headers`; the case of their names does not matter. Without
    such a header, or with None, the block runs without a session. There is one exception: with None
    in a Celery task that another task calls, such as a ``link_error``, the block runs in the
    session of the current job.
    """
    return use_session(_session_of_celerys_job() if headers is None else _read(headers))


def _read(headers: Mapping[str, object]) -> Session | None:
    wanted = HEADER_NAME.lower()
    values = [value for name, value in headers.items() if str(name).lower() == wanted]
    return _READER.read(lambda _: values)


def _session_of_celerys_job() -> Session | None:
    """Return the session of the job that Celery runs in this thread; None without a job."""
    celery: Any = sys.modules.get("celery._state")
    try:
        request = celery.get_current_worker_task().request
        if request.headers is None:
            # Called without a message, within the sender's own work.
            return current_session() if request.is_eager else None
        return _read(request.headers)
    except Exception:
        return None
