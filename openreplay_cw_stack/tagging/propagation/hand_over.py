"""From one process to another: job queues, and requests to other services of yours."""

from __future__ import annotations

from collections.abc import Mapping

from openreplay_cw_stack.tagging.propagation.context import current_session, use_session
from openreplay_cw_stack.tagging.propagation.session import HEADER_NAME, HeaderReader

_READER = HeaderReader()


def outgoing_headers() -> dict[str, str]:
    """Headers that name the session of the work at hand; none where there is no session token.

    For the message of a job, and for requests to other services of your own. The session token is
    the visitor's credential: send it to nobody else.
    """
    session = current_session()
    return {} if session is None or session.token is None else {HEADER_NAME: session.token}


def use_headers(headers: Mapping[str, object] | None) -> use_session:
    """Work for the session that a job's headers name, in a ``with`` statement.

    The headers are those of :func:`outgoing_headers`; the case of their names does not matter.
    None, and headers without one: the work is nobody's.
    """
    wanted = HEADER_NAME.lower()
    values = [value for name, value in (headers or {}).items() if str(name).lower() == wanted]
    return use_session(_READER.read(lambda _: values))
