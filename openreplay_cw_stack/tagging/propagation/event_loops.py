"""Tag the error reports of event loops: asyncio, uvloop and others with asyncio's interface.

A loop reports an unretrieved exception when it finds it, possibly during another visitor's request.
The session comes from the exception, from the task, or from the context of the failed callback.
"""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable, Iterator
from contextvars import Context
from typing import Any

from openreplay_cw_stack.tagging.propagation.context import current_session, run_in
from openreplay_cw_stack.tagging.propagation.exceptions import (
    attribute_exception,
    session_of_exception,
)
from openreplay_cw_stack.tagging.propagation.patching import Patches
from openreplay_cw_stack.tagging.propagation.scopes import enter, going_on, leave, scope_in
from openreplay_cw_stack.tagging.propagation.session import Session

_ATTRIBUTE_OF_TASKS = "_openreplay_session"


def patch_event_loops(patches: Patches) -> None:
    """Tag the reports of event loops; do nothing if asyncio is not imported."""
    events = sys.modules.get("asyncio.events")
    for loop in _subclasses(getattr(events, "AbstractEventLoop", None)):
        patches.replace(loop, "call_exception_handler", functools.partial(_reporting, patches))
        if sys.version_info < (3, 12):
            # Later versions have Task.get_context().
            patches.replace(loop, "create_task", functools.partial(_remembering_tasks, patches))


def _subclasses(cls: Any) -> Iterator[Any]:
    """Yield all subclasses of a class, each before its own subclasses."""
    for one in cls.__subclasses__() if cls is not None else ():
        yield one
        yield from _subclasses(one)


def _reporting(patches: Patches, original: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(original)
    def call_exception_handler(loop: Any, context: dict[str, Any]) -> None:
        if not patches.on:
            return original(loop, context)
        exc = context.get("exception")
        session = session_of_exception(exc) or _session_of_report(context)
        if session is None:
            return run_in(session, original, loop, context)
        known = contextlib.nullcontext() if exc is None else attribute_exception(exc, session)
        with known, _within(_context_of_report(context), session):
            return run_in(session, original, loop, context)

    return call_exception_handler


@contextlib.contextmanager
def _within(context: Context | None, session: Session) -> Iterator[None]:
    """Set the session of a context for the duration of a ``with`` block.

    Python 3.12, "loop.call_exception_handler": the application's own handler runs in the context of
    the failed callback, whose work may have ended.
    """
    entered = None
    if context is not None:
        # A context cannot be entered twice.
        with contextlib.suppress(RuntimeError):
            entered = context.run(enter, session)
    try:
        yield
    finally:
        if context is not None and entered is not None:
            context.run(leave, *entered)


def _context_of_report(report: dict[str, Any]) -> Context | None:
    failed = report.get("task") or report.get("future") or report.get("handle")
    get_context = getattr(failed, "get_context", None)
    context = None if get_context is None else get_context()
    return context if isinstance(context, Context) else None


def _session_of_report(context: dict[str, Any]) -> Session | None:
    task = context.get("task") or context.get("future")
    if task is None:
        return _session_of_callback(context.get("handle"))
    own = _context_of_report(context)
    if own is None:
        return getattr(task, _ATTRIBUTE_OF_TASKS, None)
    scope = scope_in(own)
    return None if scope is None else scope.session


def _session_of_callback(handle: Any) -> Session | None:
    """Return the session that scheduled a callback; None after that session's work has ended.

    A connection that one visitor's request opened may serve another visitor later.
    """
    # asyncio has had this attribute since Python 3.7; uvloop does not expose the context.
    context = getattr(handle, "_context", None)
    scope = going_on(scope_in(context)) if isinstance(context, Context) else None
    return None if scope is None else scope.session


def _remembering_tasks(patches: Patches, original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def create_task(loop: Any, *args: Any, **kwargs: Any) -> Any:
        task = original(loop, *args, **kwargs)
        session = current_session()
        if session is not None and patches.on:
            # An attribute still exists while the garbage collector finalizes the task.
            with contextlib.suppress(AttributeError, TypeError):
                setattr(task, _ATTRIBUTE_OF_TASKS, session)
        return task

    return create_task
