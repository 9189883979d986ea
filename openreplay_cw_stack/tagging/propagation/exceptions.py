"""The session in which an exception was raised, even after the session ended."""

from __future__ import annotations

import contextlib
import dis
from collections.abc import Iterator
from types import FrameType, TracebackType

from openreplay_cw_stack.tagging.propagation.context import (
    await_in,
    current_session,
    run_carried,
    run_in,
    run_within,
)
from openreplay_cw_stack.tagging.propagation.scopes import Left, last_left, set_last_left
from openreplay_cw_stack.tagging.propagation.session import Session

_MAX_CHAIN = 100
_SCOPES = (run_in.__code__, run_carried.__code__, run_within.__code__, await_in.__code__)
_RAISE = dis.opmap["RAISE_VARARGS"]


def session_of_exception(exc: BaseException | None) -> Session | None:
    """Return the session in which an exception was raised, even if it has ended, or None.

    The search covers frames of :func:`run_in` in the traceback and the exception that last left a
    ``with use_session(...)`` block, then the exception's cause and context. It does not change the
    exception.

    A program can raise one exception object again, such as a constant or the exception of a future
    that several requests await. Its traceback then begins with the frames of the latest raise,
    followed by those of earlier ones. The earlier ones do not count: they may belong to another
    session.
    """
    seen: set[int] = set()
    waiting = [exc]
    while waiting and len(seen) < _MAX_CHAIN:
        one = waiting.pop(0)
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        session = _session_of_one(one)
        if session is not None:
            return session
        waiting += [one.__cause__, one.__context__]
    return None


def session_for(exc: BaseException | None) -> Session | None:
    """Return the current session, or else the session in which an exception was raised."""
    return current_session() or session_of_exception(exc)


@contextlib.contextmanager
def attribute_exception(exc: BaseException, session: Session) -> Iterator[None]:
    """Attribute an exception to a session for the duration of a ``with`` block."""
    before = last_left()
    set_last_left(Left(exc, session, None))
    try:
        yield
    finally:
        set_last_left(before)


def _session_of_one(exc: BaseException) -> Session | None:
    left = last_left()
    if left is not None and left.exc is not exc:
        left = None
    if left is not None and left.traceback is None:
        return left.session
    # From the outside in: the frame that the exception left last comes first.
    for traceback in _last_propagation(exc.__traceback__):
        if left is not None and traceback is left.traceback:
            return left.session
        session = _session_of_frame(traceback.tb_frame)
        if session is not None:
            return session
    return None


def _last_propagation(traceback: TracebackType | None) -> Iterator[TracebackType]:
    """Yield the entries of a traceback since the exception was last raised."""
    while traceback is not None:
        yield traceback
        inner = traceback.tb_next
        if inner is not None:
            is_same_frame = inner.tb_frame is traceback.tb_frame
            # ``raise error`` continues in its own frame, from where it was caught. No other
            # instruction than a raise can have two entries in one frame: it was entered twice.
            if _raises(traceback) != is_same_frame:
                return
        traceback = inner


def _raises(traceback: TracebackType) -> bool:
    """Return whether the entry stands for a ``raise`` statement, and not for a call."""
    instructions = traceback.tb_frame.f_code.co_code
    # Compiled extensions have frames without instructions.
    return instructions[traceback.tb_lasti : traceback.tb_lasti + 1] == bytes([_RAISE])


def _session_of_frame(frame: FrameType) -> Session | None:
    if frame.f_code not in _SCOPES:
        return None
    session: Session | None = frame.f_locals.get("session")
    return session
