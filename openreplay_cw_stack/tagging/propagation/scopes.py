"""Scopes of work, and the one at hand: a context variable that the garbage collector leaves alone.

The collector runs finalizers in the midst of anybody's work, and what it finalizes is somebody
else's. While it runs, its thread works for nobody. Up to Python 3.11 it may begin inside any C
function, also in the midst of ``ContextVar.set``, whose data a nested ``set`` frees: what happens
during a collection is therefore kept in this module, and never in a context variable.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from contextvars import Context, ContextVar, Token
from threading import get_ident

from openreplay_cw_stack.tagging.propagation.session import Session


class Scope:
    """One piece of work, from where it begins until it ends.

    Contexts are copied, and the copies live on: in a task that a request started, in an
    asynchronous generator that was left early. What they find in the variable is then a scope that
    has ended, and its session is no longer theirs.

    Attributes:
        session: the session that the work is for; None: nobody's.
        outer: the scope around it.
        ended: whether the work has ended.
    """

    __slots__ = ("ended", "outer", "session")

    def __init__(self, session: Session | None, outer: Scope | None) -> None:
        self.session, self.outer = session, outer
        self.ended = False


Before = Token["Scope | None"]
Left = tuple[BaseException, Session]

_current: ContextVar[Scope | None] = ContextVar("openreplay_session", default=None)
# What last left a `with use_session(...)` of this context, and that session. Held until the next
# one is entered, as sys.last_exc is: an exception must not be written to, and cannot be referred to
# weakly.
_left: ContextVar[Left | None] = ContextVar("openreplay_session_left", default=None)

_before_entering: Callable[[], None] | None = None

# The thread that collects garbage, and what stands in the place of the variables for it.
_collector = 0
_current_of_collector: Scope | None = None
_left_of_collector: Left | None = None


def current_scope() -> Scope | None:
    """The scope of the work at hand, which may have ended."""
    if _collector and _collector == get_ident():
        return _current_of_collector
    return _current.get()


def ongoing_scope() -> Scope | None:
    """The scope of the work at hand that has not ended."""
    return going_on(current_scope())


def going_on(scope: Scope | None) -> Scope | None:
    """A scope, or the nearest one around it that has not ended."""
    while scope is not None and scope.ended:
        scope = scope.outer
    return scope


def current_session() -> Session | None:
    """The session of the work at hand; None outside a request that named one, and after it."""
    scope = _current_of_collector if _collector and _collector == get_ident() else _current.get()
    while scope is not None and scope.ended:
        scope = scope.outer
    return None if scope is None else scope.session


def scope_in(context: Context) -> Scope | None:
    """The scope in which a context was copied, which may have ended."""
    return context.get(_current)


def on_entering(callback: Callable[[], None]) -> None:
    """Have a function called before work for a session begins, outside of garbage collections.

    Args:
        callback: raises nothing, and takes no time.
    """
    global _before_entering
    _before_entering = callback


def enter(session: Session | None) -> tuple[Scope, Before | None]:
    """Begin work for a session; what :func:`leave` takes."""
    if session is not None and _before_entering is not None and not _collector:
        _before_entering()
    # Scopes that have ended are dropped: a worker may enter one after the other for ever.
    scope = Scope(session, ongoing_scope())
    return scope, _set(scope)


def leave(scope: Scope, before: Before | None) -> bool:
    """End a scope and go back to what was before; whether this context was in the scope."""
    scope.ended = True
    if current_scope() is not scope:
        # Left out of order, or in another context, as generators are: what was entered meanwhile
        # stays, and this scope is passed over from now on.
        return False
    if before is None or _is_collecting():
        _set(scope.outer)
        return True
    try:
        _current.reset(before)
    except ValueError:
        # The context is a copy of the one that was entered.
        _current.set(scope.outer)
    return True


def enter_again(scope: Scope) -> Scope | None:
    """Go on with a scope that another thread has entered; what :func:`leave_again` takes."""
    before = current_scope()
    _set(scope)
    return before


def leave_again(scope: Scope, before: Scope | None) -> None:
    """Go back to what was before; the scope does not end."""
    if current_scope() is scope:
        _set(before)


def set_session(session: Session | None) -> None:
    """Work for a session from here on; prefer the ways that end."""
    _set(None if session is None else Scope(session, None))


def last_left() -> Left | None:
    """The exception that last left a scope of this context, and the scope's session."""
    return _left_of_collector if _is_collecting() else _left.get()


def set_last_left(left: Left | None) -> None:
    """Note the exception that leaves a scope; None: none did."""
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
    """Python documentation, "gc.callbacks": called before and after, by the thread that collects.

    One thread collects at a time.
    """
    global _collector, _current_of_collector, _left_of_collector
    _current_of_collector = _left_of_collector = None
    _collector = get_ident() if phase == "start" else 0


def _forget() -> None:
    """A forked process, such as a pool's worker, serves whoever comes, not whom its parent did."""
    global _collector
    _collector = 0
    _current.set(None)
    _left.set(None)


gc.callbacks.append(_on_collection)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
