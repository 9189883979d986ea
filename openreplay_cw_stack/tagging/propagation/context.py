"""The session of the work at hand: a context variable, and how it gets to where the work goes.

A context variable is a thread's and an asyncio task's own, so requests that are served at once
cannot see each other's. A new thread, an executor's worker and another process begin with none:
:func:`carry` takes it there.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Awaitable, Callable, Iterator
from contextvars import ContextVar, Token
from types import FrameType, TracebackType
from typing import ParamSpec, TypeVar

from openreplay_cw_stack.tagging.propagation.session import Session, session_of_token

P = ParamSpec("P")
R = TypeVar("R")

_current: ContextVar[Session | None] = ContextVar("openreplay_session", default=None)
# What last left a `with use_session(...)` of this context, and that session. Held until the next
# one is entered, as sys.last_exc is: an exception must not be written to, and cannot be referred to
# weakly.
_left: ContextVar[tuple[BaseException, Session] | None] = ContextVar(
    "openreplay_session_left", default=None
)
_leaving: list[Callable[[Session], None]] = []

current_session = _current.get
"""The session of the work at hand; None outside a request that named one."""


def current_tag() -> str:
    """The session tag of the work at hand, for lines that are written some other way; or ``""``."""
    session = _current.get()
    return "" if session is None else session.tag


def on_leaving(callback: Callable[[Session], None]) -> None:
    """Have a function called whenever work for a session ends, with that session."""
    if callback not in _leaving:
        _leaving.append(callback)


def run_in(
    session: Session | None, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs
) -> R:
    """Call a function as part of a session's work; None: of nobody's.

    :func:`session_of_exception` knows this function's frame: an exception that passes through it is
    known to be the session's later on.
    """
    before = _current.set(session)
    try:
        return function(*args, **kwargs)
    finally:
        _leave(before, session)


async def await_in(
    session: Session | None,
    function: Callable[P, Awaitable[R]],
    /,
    *args: P.args,
    **kwargs: P.kwargs,
) -> R:
    """Call and await a function as part of a session's work; :func:`run_in` for coroutines."""
    before = _current.set(session)
    try:
        return await function(*args, **kwargs)
    finally:
        _leave(before, session)


def carry(function: Callable[P, R]) -> Callable[P, R]:
    """A function that works for the session of whoever made it, wherever it is called.

    For what a context variable does not reach: ``Thread(target=carry(work))``,
    ``executor.submit(carry(work), order)``, ``loop.run_in_executor(None, carry(work))``. It can be
    pickled for a process pool where ``function`` can.
    """
    return functools.partial(run_in, _current.get(), function)


class use_session:  # noqa: N801
    """Work for a session: ``with use_session(session):``. None: for nobody.

    Every entry is its own, so one object serves one ``with`` only.
    """

    def __init__(self, session: Session | None) -> None:
        self._session = session

    def __enter__(self) -> Session | None:
        """The session."""
        _left.set(None)
        self._before = _current.set(self._session)
        return self._session

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Go back to what was before; exceptions pass, and are known to be this session's."""
        if exc is not None and self._session is not None:
            _left.set((exc, self._session))
        _leave(self._before, self._session)


def use_session_token(token: str | None) -> use_session:
    """Work for the session of a token, or for nobody without one, in a ``with`` statement.

    What is no session token is ignored and counted: the work is then nobody's.
    """
    return use_session(session_of_token(token))


def set_session(session: Session | None) -> None:
    """Work for a session from here on, until told otherwise; prefer the ways that end."""
    _current.set(session)


def session_of_exception(exc: BaseException | None) -> Session | None:
    """The session in whose work an exception was raised, after that work has ended; or None.

    Found in the traceback, where the exception passed :func:`run_in`, and in what left a
    ``with use_session(...)`` last; then in its cause and context. The exception is not touched.
    """
    seen: set[int] = set()
    waiting = [exc]
    while waiting and len(seen) < _LONGEST_CHAIN:
        one = waiting.pop(0)
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        session = _session_of_one(one)
        if session is not None:
            return session
        waiting += [one.__cause__, one.__context__]
    return None


_LONGEST_CHAIN = 100


def _session_of_one(exc: BaseException) -> Session | None:
    left = _left.get()
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


_SCOPES = (run_in.__code__, await_in.__code__)


def _session_of_frame(frame: FrameType) -> Session | None:
    if frame.f_code not in _SCOPES:
        return None
    session: Session | None = frame.f_locals.get("session")
    return session


def session_for(exc: BaseException | None) -> Session | None:
    """The session of the work at hand, or else the one that an exception comes from."""
    return _current.get() or session_of_exception(exc)


@contextlib.contextmanager
def known_as(exc: BaseException, session: Session) -> Iterator[None]:
    """While this lasts, an exception is known to be a session's."""
    before = _left.set((exc, session))
    try:
        yield
    finally:
        _left.reset(before)


def _leave(before: Token[Session | None], session: Session | None) -> None:
    try:
        _current.reset(before)
    except ValueError:
        # Entered in another context, as by an asynchronous generator: that one is not ours to set.
        return
    if session is not None and _current.get() is not session:
        for callback in _leaving:
            callback(session)


def _forget() -> None:
    """A forked process, such as a pool's worker, serves whoever comes, not whom its parent did."""
    _current.set(None)
    _left.set(None)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
