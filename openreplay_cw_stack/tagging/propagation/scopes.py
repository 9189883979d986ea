"""Scopes of work, and the current scope: a context variable that is safe during garbage collection.

The garbage collector runs finalizers during any request, and the objects may belong to another one.
A thread therefore has no session while it collects. Up to Python 3.11 a collection can start inside
any C function, even inside ``ContextVar.set``, whose data a nested ``set`` would free. During a
collection the state is therefore kept in this module, and not in a context variable.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from contextvars import Context, ContextVar, Token
from threading import get_ident
from types import TracebackType
from typing import NamedTuple

from openreplay_cw_stack.tagging.propagation.session import Session


class Scope:
    """A period of work, for a session or without one.

    Copies of a context can outlive the request: in a task that the request started, or in an
    asynchronous generator that was left early. They still hold the scope, but it has ended, and its
    session no longer applies.

    Attributes:
        session: the session of the work; None without one.
        outer: the enclosing scope.
        ended: whether the work has ended.
    """

    __slots__ = ("ended", "outer", "session")

    def __init__(self, session: Session | None, outer: Scope | None) -> None:
        self.session, self.outer = session, outer
        self.ended = False


Before = Token["Scope | None"]


class Left(NamedTuple):
    """An exception that left a scope.

    Attributes:
        exc: the exception.
        session: the scope's session.
        traceback: the exception's traceback at that time; None matches every traceback.
    """

    exc: BaseException
    session: Session
    traceback: TracebackType | None


_current: ContextVar[Scope | None] = ContextVar("openreplay_session", default=None)
# The exception that last left a `with use_session(...)` block in this context, and its session.
# Kept until the next block is entered, like sys.last_exc: the exception itself must not be changed,
# and it does not support weak references.
_left: ContextVar[Left | None] = ContextVar("openreplay_session_left", default=None)

_before_entering: Callable[[], None] | None = None

# The thread that collects garbage, and the values that replace the context variables for it.
_collector = 0
_current_of_collector: Scope | None = None
_left_of_collector: Left | None = None


def current_scope() -> Scope | None:
    """Return the current scope, which may have ended."""
    if _collector and _collector == get_ident():
        return _current_of_collector
    return _current.get()


def ongoing_scope() -> Scope | None:
    """Return the innermost current scope that has not ended."""
    return going_on(current_scope())


def going_on(scope: Scope | None) -> Scope | None:
    """Return a scope, or the nearest enclosing one that has not ended."""
    while scope is not None and scope.ended:
        scope = scope.outer
    return scope


def current_session() -> Session | None:
    """Return the current session; None outside a request that named one."""
    scope = _current_of_collector if _collector and _collector == get_ident() else _current.get()
    while scope is not None and scope.ended:
        scope = scope.outer
    return None if scope is None else scope.session


def scope_in(context: Context) -> Scope | None:
    """Return the scope that was current when a context was copied; it may have ended."""
    return context.get(_current)


def on_entering(callback: Callable[[], None]) -> None:
    """Register a function to call before work for a session begins, but not during a collection.

    Args:
        callback: must be fast and must not raise.
    """
    global _before_entering
    _before_entering = callback


def enter(session: Session | None) -> tuple[Scope, Before | None]:
    """Begin work for a session; return the arguments of :func:`leave`."""
    if session is not None and _before_entering is not None and not _collector:
        _before_entering()
    # Drop scopes that have ended: a worker may enter scopes one after another without end.
    scope = Scope(session, ongoing_scope())
    return scope, _set(scope)


def leave(scope: Scope, before: Before | None, *, is_nested: bool = False) -> bool:
    """End a scope and restore the previous one; return whether this context was in the scope.

    Args:
        scope: the scope.
        before: what :func:`enter` returned with it.
        is_nested: whether the scope belongs to a function call, which cannot end out of order.
            Scopes that were entered during the call and not left, such as a suspended generator's,
            end with it.
    """
    scope.ended = True
    if current_scope() is not scope and not is_nested:
        # Left out of order, or in another context, as generators can be: later scopes stay current,
        # and this one is skipped from now on.
        return False
    if before is None:
        _set(scope.outer)
        return True
    try:
        _current.reset(before)
    except ValueError:
        # The scope was entered in another context, and this context is a copy of it.
        _current.set(scope.outer)
    return True


def enter_again(scope: Scope) -> Scope | None:
    """Enter a scope of another thread; return the second argument of :func:`leave_again`."""
    before = current_scope()
    _set(scope)
    return before


def leave_again(before: Scope | None) -> None:
    """Restore the previous scope without ending this one."""
    _set(before)


def set_session(session: Session | None) -> None:
    """Set the current session until it is set again.

    Prefer the functions that restore the previous session.
    """
    _set(None if session is None else Scope(session, None))


def last_left() -> Left | None:
    """Return the exception that last left a scope of this context, and the scope's session."""
    return _left_of_collector if _is_collecting() else _left.get()


def set_last_left(left: Left | None) -> None:
    """Store the exception that leaves a scope; None clears it."""
    global _left_of_collector
    if _is_collecting():
        _left_of_collector = left
    else:
        _left.set(left)


def _set(scope: Scope | None) -> Before | None:
    global _current_of_collector
    if _is_collecting():
        _current_of_collector = scope
        return None
    return _current.set(scope)


def _is_collecting() -> bool:
    return bool(_collector) and _collector == get_ident()


def _on_collection(phase: str, _info: object) -> None:
    """Handle the start and the end of a collection, in the thread that collects.

    Python documentation, "gc.callbacks". Only one thread collects at a time.
    """
    global _collector, _current_of_collector, _left_of_collector
    _current_of_collector = _left_of_collector = None
    _collector = get_ident() if phase == "start" else 0


def _forget() -> None:
    """Clear the session in a forked process, such as a pool's worker, which serves any visitor."""
    global _collector
    _collector = 0
    _current.set(None)
    _left.set(None)


gc.callbacks.append(_on_collection)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
