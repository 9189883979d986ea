"""The session of the work at hand: a context variable, and how it gets to where the work goes.

A context variable is a thread's and an asyncio task's own, so requests that are served at once
cannot see each other's. A new thread, an executor's worker and another process begin with none:
:func:`carry` takes it there.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import os
from collections.abc import Awaitable, Callable, Iterator
from contextvars import ContextVar, Token
from types import FrameType, TracebackType
from typing import ParamSpec, TypeVar

from openreplay_cw_stack.tagging.propagation import counts
from openreplay_cw_stack.tagging.propagation.session import Session, session_of_token

P = ParamSpec("P")
R = TypeVar("R")


class _Scope:
    """One piece of work, from where it begins until it ends.

    Contexts are copied, and the copies live on: in a task that a request started, in an
    asynchronous generator that was left early. What they find in the variable is then a scope that
    has ended, and its session is no longer theirs.
    """

    __slots__ = ("ended", "outer", "session")

    def __init__(self, session: Session | None, outer: _Scope | None) -> None:
        self.session, self.outer = session, outer
        self.ended = False


_current: ContextVar[_Scope | None] = ContextVar("openreplay_session", default=None)
# What last left a `with use_session(...)` of this context, and that session. Held until the next
# one is entered, as sys.last_exc is: an exception must not be written to, and cannot be referred to
# weakly.
_left: ContextVar[tuple[BaseException, Session] | None] = ContextVar(
    "openreplay_session_left", default=None
)
_leaving: list[Callable[[Session, bool], None]] = []


def current_session() -> Session | None:
    """The session of the work at hand; None outside a request that named one, and after it."""
    scope = _current.get()
    while scope is not None and scope.ended:
        scope = scope.outer
    return None if scope is None else scope.session


def session_begun() -> Session | None:
    """The session whose work this context began in, also after that work has ended."""
    scope = _current.get()
    return None if scope is None else scope.session


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
    entered = _enter(session)
    try:
        return function(*args, **kwargs)
    finally:
        _leave(*entered)


def run_carried(
    session: Session | None, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs
) -> R:
    """Call a function as the part of a session's work that was carried to this thread."""
    entered = _enter(session)
    try:
        return function(*args, **kwargs)
    finally:
        _leave(*entered, is_all=False)


def run_as(
    session: Session | None, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs
) -> R:
    """Call a function of this package's that writes for a session; no work ends with it."""
    scope, before = _enter(session)
    try:
        return function(*args, **kwargs)
    finally:
        _reset(scope, before)


async def await_in(
    session: Session | None,
    function: Callable[P, Awaitable[R]],
    /,
    *args: P.args,
    **kwargs: P.kwargs,
) -> R:
    """Call and await a function as part of a session's work; :func:`run_in` for coroutines."""
    entered = _enter(session)
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
        _left.set(None)
        self._entered = _enter(self._session)
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
        _leave(*self._entered)


def use_session_token(token: str | None) -> use_session:
    """Work for the session of a token, or for nobody without one, in a ``with`` statement.

    What is no session token is ignored and counted: the work is then nobody's.
    """
    return use_session(session_of_token(token))


def set_session(session: Session | None) -> None:
    """Work for a session from here on, until told otherwise; prefer the ways that end."""
    _current.set(None if session is None else _Scope(session, None))


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


_SCOPES = (run_in.__code__, run_carried.__code__, await_in.__code__)


def _session_of_frame(frame: FrameType) -> Session | None:
    if frame.f_code not in _SCOPES:
        return None
    session: Session | None = frame.f_locals.get("session")
    return session


def session_for(exc: BaseException | None) -> Session | None:
    """The session of the work at hand, or else the one that an exception comes from."""
    return current_session() or session_of_exception(exc)


@contextlib.contextmanager
def known_as(exc: BaseException, session: Session) -> Iterator[None]:
    """While this lasts, an exception is known to be a session's."""
    before = _left.set((exc, session))
    try:
        yield
    finally:
        _left.reset(before)


def _enter(session: Session | None) -> tuple[_Scope, Token[_Scope | None]]:
    outer = _current.get()
    # Scopes that have ended are dropped: a worker may enter one after the other for ever.
    while outer is not None and outer.ended:
        outer = outer.outer
    scope = _Scope(session, outer)
    return scope, _current.set(scope)


def _reset(scope: _Scope, before: Token[_Scope | None]) -> bool:
    """End a scope and go back to what was before; whether this context was in the scope."""
    scope.ended = True
    if _current.get() is not scope:
        # Left out of order, or in another context, as generators are: what was entered meanwhile
        # stays, and this scope is passed over from now on.
        return False
    try:
        _current.reset(before)
    except ValueError:
        # The context is a copy of the one that was entered.
        _current.set(scope.outer)
    return True


def _leave(scope: _Scope, before: Token[_Scope | None], *, is_all: bool = True) -> None:
    if not _reset(scope, before):
        return
    session = scope.session
    if session is not None and current_session() is not session:
        for callback in _leaving:
            try:
                callback(session, is_all)
            except Exception:
                # The application's answer is not to be replaced by an error of this package.
                counts.count(counts.FAILED_CLEANUPS)


_interrupted: list[_Scope | None] = []


def _on_collection(phase: str, _info: object) -> None:
    """Work for nobody while the garbage collector runs finalizers.

    It runs in the midst of anybody's work, and what it finalizes is somebody else's. Python
    documentation, "gc.callbacks": called before and after each collection, by the thread that
    collects.
    """
    if phase == "start":
        _interrupted.append(_current.get())
        _current.set(None)
    elif _interrupted:
        _current.set(_interrupted.pop())


gc.callbacks.append(_on_collection)


def _forget() -> None:
    """A forked process, such as a pool's worker, serves whoever comes, not whom its parent did."""
    _current.set(None)
    _left.set(None)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
