"""Start new threads without a session, or with the session that starts them.

By default a thread starts without a session. With ``install(threads=True)`` a thread, or a function
submitted to a ``ThreadPoolExecutor``, runs in the current session until its work ends, like an
asyncio task. Threads that serve several visitors are excluded, because they would keep the first
visitor's session: daemon threads, and the threads that the standard library's pools, queues and log
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
    """Make new threads start without a session, or with the current one.

    Args:
        patches: the replacements.
        is_handing_on: whether new threads get the current session. If not, they start without one
            even if Python lets threads inherit the context (Python 3.14,
            "sys.flags.thread_inherit_context": on by default in free-threaded builds).
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
    """Restore the thread's own ``run``."""
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
