"""The current session: a context variable, and the functions that set it and pass it on.

Each thread and each asyncio task has its own context, so concurrent requests cannot see each
other's session. A new thread, an executor's worker and another process start without a session:
:func:`carry` passes it to them.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import ParamSpec, TypeVar

from openreplay_cw_stack.tagging.propagation import counts
from openreplay_cw_stack.tagging.propagation.scopes import (
    Before,
    Left,
    Scope,
    current_session,
    enter,
    enter_again,
    leave,
    leave_again,
    set_last_left,
    set_session,
)
from openreplay_cw_stack.tagging.propagation.session import Session, session_of_token

__all__ = [
    "await_in",
    "carry",
    "current_session",
    "current_tag",
    "on_leaving",
    "run_as",
    "run_carried",
    "run_in",
    "run_within",
    "set_session",
    "use_session",
    "use_session_token",
]

P = ParamSpec("P")
R = TypeVar("R")


_leaving: list[Callable[[Session, bool], None]] = []


def current_tag() -> str:
    """Return the current session's tag, or ``""``, for lines that are not tagged automatically."""
    session = current_session()
    return "" if session is None else session.tag


def on_leaving(callback: Callable[[Session, bool], None]) -> None:
    """Register a function to call whenever work for a session ends.

    Args:
        callback: is called with the session, and with True if all its work ends or False if only
            the work that was carried to this thread ends.
    """
    if callback not in _leaving:
        _leaving.append(callback)


def run_in(
    session: Session | None, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs
) -> R:
    """Call a function in a session, or without one if it is None.

    :func:`~.exceptions.session_of_exception` recognises this function's frame, and so can
    attribute an exception that passes through it to the session.
    """
    entered = enter(session)
    try:
        return function(*args, **kwargs)
    finally:
        _leave(*entered, is_nested=True)


def run_carried(
    session: Session | None, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs
) -> R:
    """Call a function in a session that was carried to this thread."""
    entered = enter(session)
    try:
        return function(*args, **kwargs)
    finally:
        _leave(*entered, is_all=False, is_nested=True)


def run_within(scope: Scope, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Call a function in a scope of another thread, whose end also ends the session here."""
    session = scope.session
    before = enter_again(scope)
    try:
        return function(*args, **kwargs)
    finally:
        leave_again(before)
        if session is not None:
            _call_back(session, is_all=False)


def run_as(
    session: Session | None, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs
) -> R:
    """Call a function in a session without calling :func:`on_leaving`'s callbacks.

    For this package's own writes.
    """
    scope, before = enter(session)
    try:
        return function(*args, **kwargs)
    finally:
        leave(scope, before, is_nested=True)


async def await_in(
    session: Session | None,
    function: Callable[P, Awaitable[R]],
    /,
    *args: P.args,
    **kwargs: P.kwargs,
) -> R:
    """Call and await a function in a session; :func:`run_in` for coroutines."""
    entered = enter(session)
    try:
        return await function(*args, **kwargs)
    finally:
        _leave(*entered)


def carry(function: Callable[P, R]) -> Callable[P, R]:
    """Return a function that calls ``function`` in the session that is current now.

    Use it for threads, executors and processes: ``Thread(target=carry(work))``,
    ``executor.submit(carry(work), order)``, ``loop.run_in_executor(None, carry(work))``. The result
    can be pickled for a process pool if ``function`` can.
    """
    return functools.partial(run_carried, current_session(), function)


class use_session:  # noqa: N801
    """Run a block in a session, ``with use_session(session):``, or without one if it is None.

    Create a new object for each ``with`` statement.
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
        """Restore the previous session. An exception propagates, attributed to this session."""
        if exc is not None and self._session is not None:
            set_last_left(Left(exc, self._session, traceback))
        _leave(*self._entered)


def use_session_token(token: str | None) -> use_session:
    """Run a ``with`` block in the session of a token, or without a session if it is None.

    An invalid token is ignored and counted, and the block runs without a session.
    """
    return use_session(session_of_token(token))


def _leave(
    scope: Scope, before: Before | None, *, is_all: bool = True, is_nested: bool = False
) -> None:
    if not leave(scope, before, is_nested=is_nested):
        return
    session = scope.session
    if session is not None and current_session() is not session:
        _call_back(session, is_all=is_all)


def _call_back(session: Session, *, is_all: bool) -> None:
    for callback in _leaving:
        try:
            callback(session, is_all)
        except Exception:
            # An error of this package must not replace the application's response.
            counts.count(counts.FAILED_CLEANUPS)
