"""The session tag on reports of exceptions that nobody caught: sys, threading and asyncio.

They are reported when the work for the session has ended already; whose they are is known from the
exception.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import sys
import threading
from collections.abc import Callable
from typing import Any

from openreplay_cw_stack.tagging.propagation.context import (
    current_session,
    known_as,
    run_in,
    session_begun,
    session_for,
    session_of_exception,
)
from openreplay_cw_stack.tagging.propagation.patching import Patches
from openreplay_cw_stack.tagging.propagation.session import Session

_ATTRIBUTE_OF_TASKS = "_openreplay_session"


def patch_hooks(patches: Patches) -> None:
    """Have uncaught exceptions reported as part of the work that they come from.

    Of exceptions that cannot be raised, as in ``__del__``, only the ones that are known to be a
    session's get its tag: they are met in the midst of anybody's work.
    """
    if sys.version_info < (3, 11):
        # The backport of exception groups formats them only if it meets Python's own hook.
        with contextlib.suppress(ImportError):
            importlib.import_module("exceptiongroup")
    patches.replace(sys, "excepthook", functools.partial(_excepthook, patches))
    patches.replace(threading, "excepthook", functools.partial(_threading_excepthook, patches))
    patches.replace(sys, "unraisablehook", functools.partial(_unraisablehook, patches))
    patch_threads(patches)
    patch_asyncio(patches)


def patch_threads(patches: Patches) -> None:
    """Have new threads begin without a session, also where Python would hand the context on.

    Python 3.14, "sys.flags.thread_inherit_context": on by default in free-threaded builds. A pool's
    worker would then carry the visitor who came first for as long as it lives.
    """
    if getattr(sys.flags, "thread_inherit_context", 0):
        patches.replace(threading.Thread, "start", functools.partial(_starting, patches))


def patch_asyncio(patches: Patches) -> None:
    """Have asyncio's reports tagged; nothing where nobody has imported it, which takes its time."""
    base_events = sys.modules.get("asyncio.base_events")
    if base_events is None:
        return
    loop = getattr(base_events, "BaseEventLoop", None)
    patches.replace(loop, "call_exception_handler", functools.partial(_reporting, patches))
    if sys.version_info < (3, 12):
        # Later versions have Task.get_context().
        patches.replace(loop, "create_task", functools.partial(_remembering_tasks, patches))


def _excepthook(patches: Patches, original: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(original)
    def excepthook(exc_type: Any, exc: Any, traceback: Any, /) -> None:
        session = session_for(exc) if patches.on else current_session()
        run_in(session, original, exc_type, exc, traceback)

    return excepthook


def _threading_excepthook(patches: Patches, original: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(original)
    def excepthook(args: Any, /) -> None:
        session = session_for(args.exc_value) if patches.on else current_session()
        run_in(session, original, args)

    return excepthook


def _unraisablehook(patches: Patches, original: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(original)
    def unraisablehook(unraisable: Any, /) -> None:
        known = session_of_exception(unraisable.exc_value) if patches.on else current_session()
        run_in(known, original, unraisable)

    return unraisablehook


def _starting(patches: Patches, original: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(original)
    def start(thread: threading.Thread) -> None:
        run_in(None if patches.on else current_session(), original, thread)

    return start


def _reporting(patches: Patches, original: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(original)
    def call_exception_handler(loop: Any, context: dict[str, Any]) -> None:
        if not patches.on:
            return original(loop, context)
        exc = context.get("exception")
        session = session_of_exception(exc) or _session_of_task(context)
        if exc is None or session is None:
            return run_in(session, original, loop, context)
        with known_as(exc, session):
            return run_in(session, original, loop, context)

    return call_exception_handler


def _session_of_task(context: dict[str, Any]) -> Session | None:
    task = context.get("task") or context.get("future")
    handle = getattr(task, "get_context", None)
    if handle is not None:
        session: Session | None = handle().run(session_begun)
        return session
    return getattr(task, _ATTRIBUTE_OF_TASKS, None)


def _remembering_tasks(patches: Patches, original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def create_task(loop: Any, *args: Any, **kwargs: Any) -> Any:
        task = original(loop, *args, **kwargs)
        session = current_session()
        if session is not None and patches.on:
            # An attribute is there also while the garbage collector finalizes the task.
            with contextlib.suppress(AttributeError, TypeError):
                setattr(task, _ATTRIBUTE_OF_TASKS, session)
        return task

    return create_task
