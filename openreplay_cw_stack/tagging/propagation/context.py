"""The session of the work at hand: a context variable, and how it gets to where the work goes.

A context variable is a thread's and an asyncio task's own, so requests that are served at once
cannot see each other's. A new thread, an executor's worker and another process begin with none:
:func:`carry` takes it there.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Awaitable, Callable, Iterator
from types import FrameType, TracebackType
from typing import ParamSpec, TypeVar

from openreplay_cw_stack.tagging.propagation import counts
from openreplay_cw_stack.tagging.propagation.scopes import (
    Before,
    Scope,
    current_session,
    enter,
    enter_again,
    last_left,
    leave,
    leave_again,
    set_last_left,
    set_session,
)
from openreplay_cw_stack.tagging.propagation.session import Session, session_of_token

__all__ = [
    "attribute_exception",
    "await_in",
    "carry",
    "current_session",
    "current_tag",
    "on_leaving",
    "run_as",
    "run_carried",
    "run_in",
    "run_within",
    "session_for",
    "session_of_exception",
    "set_session",
    "use_session",
    "use_session_token",
]

P = ParamSpec("P")
R = TypeVar("R")


_leaving: list[Callable[[Session, bool], None]] = []


def current_tag() -> str:
    """The session tag of the work at hand, for lines that are written some other way; or ``""``."""
    session = current_session()
    return "" if session is None else session.tag


def on_leaving(callback: Callable[[Session, bool], None]) -> None:
    """Have a function called whenever work for a session ends.

    Args:
        callback: takes the session, and whether all work for it ends, or only what was carried to
            this thread.
    """
    if callback not in _leaving:
        _leaving.append(callback)


def run_in(
    session: Session | None, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs
) -> R:
    """Call a function as part of a session's work; None: of nobody's.

    :func:`session_of_exception` knows this function's frame: an exception that passes through it is
    known to be the session's later on.
    """
    entered = enter(session)
    try:
        return function(*args, **kwargs)
    finally:
        _leave(*entered)


def run_carried(
    session: Session | None, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs
) -> R:
    """Call a function as the part of a session's work that was carried to this thread."""
    entered = enter(session)
    try:
        return function(*args, **kwargs)
    finally:
        _leave(*entered, is_all=False)


def run_within(scope: Scope, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Call a function in another thread as part of a scope, until that scope ends."""
    session = scope.session
    before = enter_again(scope)
    try:
        return function(*args, **kwargs)
    finally:
        leave_again(scope, before)
        if session is not None:
            _call_back(session, is_all=False)


def run_as(
    session: Session | None, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs
) -> R:
    """Call a function of this package's that writes for a session; no work ends with it."""
    scope, before = enter(session)
    try:
        return function(*args, **kwargs)
    finally:
        leave(scope, before)


async def await_in(
    session: Session | None,
    function: Callable[P, Awaitable[R]],
    /,
    *args: P.args,
    **kwargs: P.kwargs,
) -> R:
    """Call and await a function as part of a session's work; :func:`run_in` for coroutines."""
    entered = enter(session)
    try:
        return await function(*args, **kwargs)
    finally:
        _leave(*entered)


def carry(function: Callable[P, R]) -> Callable[P, R]:
    """A function that works for the session of whoever made it, wherever it is called.

    For what a context variable does not reach: ``Thread(target=carry(work))``,
    ``executor.submit(carry(work), order)``, ``loop.run_in_executor(None, carry(work))``. It can be
    pickled for a process pool where ``function`` can.
    """
    return functools.partial(run_carried, current_session(), function)


class use_session:  # noqa: N801
    """Work for a session: ``with use_session(session):``. None: for nobody.

    Every entry is its own, so one object serves one ``with`` only.
    """

    def __init__(self, session: Session | None) -> None:
        self._session = session

    def __enter__(self) -> Session | None:
        """The session."""
        set_last_left(None)
        self._entered = enter(self._session)
        return self._session

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Go back to what was before; exceptions pass, and are known to be this session's."""
        if exc is not None and self._session is not None:
            set_last_left((exc, self._session))
        _leave(*self._entered)


def use_session_token(token: str | None) -> use_session:
    """Work for the session of a token, or for nobody without one, in a ``with`` statement.

    What is no session token is ignored and counted: the work is then nobody's.
    """
    return use_session(session_of_token(token))


def session_of_exception(exc: BaseException | None) -> Session | None:
    """The session in whose work an exception was raised, after that work has ended; or None.

    Found in the traceback, where the exception passed :func:`run_in`, and in what left a
    ``with use_session(...)`` last; then in its cause and context. The exception is not touched.
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


_MAX_CHAIN = 100


def _session_of_one(exc: BaseException) -> Session | None:
    left = last_left()
    if left is not None and left[0] is exc:
        return left[1]
    traceback = exc.__traceback__
    # From the outside: what an exception passed last comes first.
    while traceback is not None:
        session = _session_of_frame(traceback.tb_frame)
        if session is not None:
            return session
        traceback = traceback.tb_next
    return None


_SCOPES = (run_in.__code__, run_carried.__code__, run_within.__code__, await_in.__code__)


def _session_of_frame(frame: FrameType) -> Session | None:
    if frame.f_code not in _SCOPES:
        return None
    session: Session | None = frame.f_locals.get("session")
    return session


def session_for(exc: BaseException | None) -> Session | None:
    """The session of the work at hand, or else the one that an exception comes from."""
    return current_session() or session_of_exception(exc)


@contextlib.contextmanager
def attribute_exception(exc: BaseException, session: Session) -> Iterator[None]:
    """While this lasts, an exception is known to be a session's."""
    before = last_left()
    set_last_left((exc, session))
    try:
        yield
    finally:
        set_last_left(before)


def _leave(scope: Scope, before: Before | None, *, is_all: bool = True) -> None:
    if not leave(scope, before):
        return
    session = scope.session
    if session is not None and current_session() is not session:
        _call_back(session, is_all=is_all)


def _call_back(session: Session, *, is_all: bool) -> None:
    for callback in _leaving:
        try:
            callback(session, is_all)
        except Exception:
            # The application's answer is not to be replaced by an error of this package.
            counts.count(counts.FAILED_CLEANUPS)
