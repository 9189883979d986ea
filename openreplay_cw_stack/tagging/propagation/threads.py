"""New threads: without a session, or with the one of the work that starts them.

A thread begins with no session. With ``install(threads=True)`` a thread, and a function that is
submitted to a ``ThreadPoolExecutor``, belong to the work at hand until that work ends, as tasks of
asyncio do. Threads that serve whoever comes do not: they would take the next visitor for the first
one. Those are daemon threads, and the threads that the standard library's pools, queues and log
listeners start.
"""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable
from typing import Any

from openreplay_cw_stack.tagging.propagation.context import run_as, run_within
from openreplay_cw_stack.tagging.propagation.patching import Patches
from openreplay_cw_stack.tagging.propagation.scopes import Scope, ongoing_scope

_SERVING = ("concurrent.futures", "multiprocessing", "logging.handlers")


def patch_threads(patches: Patches, *, is_handing_on: bool) -> None:
    """Have new threads begin without a session, or with the one of the work at hand.

    Args:
        patches: the replacements.
        is_handing_on: hand the session on. Else it is taken from threads where Python hands the
            context on (Python 3.14, "sys.flags.thread_inherit_context": on by default in
            free-threaded builds).
    """
    patches.is_handing_on = patches.is_handing_on or is_handing_on
    if patches.is_handing_on or getattr(sys.flags, "thread_inherit_context", False):
        patches.replace(threading.Thread, "start", functools.partial(_starting, patches))
    if patches.is_handing_on:
        pools = sys.modules.get("concurrent.futures.thread")
        executor = getattr(pools, "ThreadPoolExecutor", None)
        patches.replace(executor, "submit", functools.partial(_submitting, patches))


def _starting(patches: Patches, original: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(original)
    def start(thread: threading.Thread) -> None:
        if not patches.on:
            return original(thread)
        starter = str(sys._getframe(1).f_globals.get("__name__"))
        scope = _scope_at_hand(patches)
        if scope is None or thread.daemon or starter.startswith(_SERVING):
            return run_as(None, original, thread)
        own = vars(thread).get("run")
        thread.run = functools.partial(_run, scope, thread, own)  # type: ignore[method-assign]
        try:
            return run_as(None, original, thread)
        except BaseException:
            _give_back(thread, own)
            raise

    return start


def _run(scope: Scope, thread: threading.Thread, own: Callable[[], None] | None) -> None:
    _give_back(thread, own)
    run_within(scope, thread.run)


def _give_back(thread: threading.Thread, own: Callable[[], None] | None) -> None:
    """Leave the thread as its program made it."""
    if own is None:
        vars(thread).pop("run", None)
    else:
        thread.run = own  # type: ignore[method-assign]


def _submitting(patches: Patches, original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def submit(executor: Any, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        scope = _scope_at_hand(patches)
        if scope is None:
            return original(executor, function, *args, **kwargs)
        return original(executor, run_within, scope, function, *args, **kwargs)

    return submit


def _scope_at_hand(patches: Patches) -> Scope | None:
    scope = ongoing_scope() if patches.on and patches.is_handing_on else None
    return None if scope is None or scope.session is None else scope
